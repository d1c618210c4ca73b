/*
 * Store: the thread on which buckets are sealed.
 *
 *     writer --store_submit--> [ queue ] --> store thread: block_write, block_open --> [ queue ] --store_take--> writer
 *
 * T1  A sealing is the writer's before store_submit and after store_take, in between the store's; its buckets are held by
 *     references, so neither thread waits for the other, and none for a query.
 * T2  The live bucket of a sealing is appended to no more.
 * T3  The thread is nice'd: it takes what CPU is left, and about a tenth of a core where none is.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct bucket;
struct store;

struct sealing {
    struct bucket  *live;
    _Atomic size_t *meter;        /* of the sealed one */
    uint64_t        wal_sequence; /* the highest of what is in it */
    struct bucket  *sealed;       /* when code is OK */
    enum code       code;
    struct fault    why;
};

struct store *store_start(void);
void          store_stop(struct store *s); /* nobody submits any more; what was not taken is let go */

/* False: too many are on their way; the sealing is still the caller's. */
must_check bool store_submit(struct store *s, struct sealing *x);

struct sealing *store_take(struct store *s); /* one that is done; NULL: none */

struct sealing *sealing_new(struct bucket *live, _Atomic size_t *meter, uint64_t wal_sequence); /* takes a reference */
void            sealing_free(struct sealing *x);                                                /* lets go of both */
