/*
 * Making: what follows from the redos of a bucket is made, service by service, by its owner's thread and by one that helps.
 *
 *     owner    making_begin --> making_own --> making_end
 *     helper              `---> making_help --^            each takes the next service that nobody has taken
 *
 * M1  Between begin and end a bucket is nobody else's, and a service of it is of the one thread that took it.
 * M2  What all services have in common is the slab: the helper takes memory from a fork of it.
 */
#pragma once

#include <stdbool.h>

#include "base/fault.h"
#include "index/slab.h"

struct bucket;

struct making {
    struct bucket   *of;
    _Atomic uint32_t next; /* service */
    _Atomic bool     is_bad;
    struct slab      fork; /* the helper's */
};

void making_begin(struct making *m, struct bucket *b);

/* Return when every service is made, or taken by the other thread.  The owner need not take part. */
void making_own(struct making *m);
void making_help(struct making *m);

/* Neither thread is in there any more.  DATA_LOSS: as bucket_redone, which is all this on one thread. */
must_check enum code making_end(struct making *m, struct fault *why);
