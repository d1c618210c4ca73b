/*
 * Maker: a thread beside the one that loads.  What follows from the redos of a bucket (index/making.h) is made there, while the
 * log is read on; who loads takes part in it while he waits.
 *
 *     loader --maker_give--> [ todo ] --> maker's thread --> [ done ] --maker_take--> loader
 *
 * K1  A bucket is the maker's from give to take: it is held by a reference, and nobody else touches what is in it.
 * K2  Buckets come back in the order in which they were given, but for those that come to what is damaged: of them the first is
 *     kept, and named.
 */
#pragma once

#include <stdbool.h>

#include "index/making.h"

struct maker;

struct made {
    struct bucket *bucket;
    uint64_t       seq; /* of its last record */
    struct making  making;
    struct fault   why;
};

struct maker *maker_new(void);             /* the thread begins with the first bucket */
void          maker_free(struct maker *m); /* all was taken */

/* `seq`: its last record.  False: too many are on their way, or it is not worth a thread; it is still the caller's. */
must_check bool maker_give(struct maker *m, struct bucket *b, uint64_t seq);

/* The next that is made; NULL: none, or (not is_waiting) none yet.  Its reference is the caller's. */
struct bucket *maker_take(struct maker *m, bool is_waiting);

/* Of those that were to be taken the first that is damaged; NULL: none. */
const struct made *maker_bad(const struct maker *m);
