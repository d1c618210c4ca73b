/*
 * Shard: the buckets of the slots one node owns.
 *
 *     tenant --> directory of buckets by time (10 minutes each), published by epoch; buckets are reference counted
 *
 * A span of ten minutes has more than one bucket when a tenant fills it fast: they are its generations, each older than
 * the next (docs/decisions/043-generations.md).
 *
 * S1  One thread, the writer, ticks, takes and publishes; any thread may pin.  They take time as an argument, touch no
 *     socket, file or clock and are deterministic.
 *     With a store, when a bucket is exchanged for its sealed form depends on another thread; what it answers does not.
 * S2  Epoch to find, reference to hold: a pinned bucket stays readable, and keeps its memory, until it is unpinned.
 * S3  A batch is taken whole or not at all; once it is OK and published, the next pin sees it.  One whose key
 *     was seen before is OK and changes nothing (shard/dedup.h).
 * S4  Accounted bytes stay under limit_bytes: first blocks are left to their files, then the oldest buckets go, fairly between
 *     tenants (whoever holds most gives first).  Refused with RESOURCE_EXHAUSTED is a batch that does not fit even when its
 *     tenant has given everything, or while queries hold what was dropped, or what it has is being sealed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "model/batch.h"

struct bucket;
struct buf;
struct record;
struct shard;
struct store;

/* How much of a tenant's past is kept. */
struct retention {
    int64_t age_ns; /* by profile time; INT64_MAX: any */
    size_t  bytes;  /* in memory or file; 0: any */
};
typedef struct retention retention_fn(void *arg, struct slice tenant);

struct shard_config {
    const char   *name;         /* "0", "hearth-shard-2": in metrics and faults */
    int64_t       span_ns;      /* of a bucket; 0: 10 minutes */
    int64_t       retention_ns; /* by profile time; INT64_MAX: keep */
    size_t        retention_bytes; /* of each tenant, in memory or file; 0: keep */
    retention_fn *retention_of;    /* asked by the writer; NULL: the two above are everybody's */
    void         *retention_arg;
    size_t        limit_bytes;  /* accounted; SIZE_MAX: none */
    uint64_t      seed;         /* any number that nobody outside knows */
    struct store *store;        /* seals buckets, outlives the shard's steps; NULL: they stay live */
    size_t        seal_bytes;   /* a live bucket grows so large; 0: 32 MiB */
};

struct shard *shard_new(const struct shard_config *config);
void          shard_free(struct shard *s); /* nothing pinned */

/* Writer thread.  The newest record of the log that is in a bucket; 0: none. */
uint64_t shard_newest_seq(const struct shard *s);

/* One batch on its way in; the writer fills code and why, then calls done (shard/writer.h) on the writer's thread. */
struct append {
    const struct batch *batch;
    enum code           code;
    struct fault        why;
    uint64_t            seq;        /* of its record in the log; 0: none.  This and the next two are the keeper's */
    uint64_t            generation; /* of the bucket it went to (shard/record.h) */
    int64_t             start_ns;   /* of that bucket's span */
    void (*done)(struct append *a);
    struct append *next; /* the writer's */
};

/*
 * Writer thread, without a log: tests and benches.  Drops what retention asks for, then appends each, dropping what memory asks
 * for; code and why are set, done is not called.
 */
void shard_step(struct shard *s, struct append *const *appends, size_t n, int64_t now_ns);

/*
 * The same in parts, with a log between them: the keeper's.  shard_take appends one, unseen: a->seq is the number that its record
 * would have, 0 when it is not to be logged; it becomes 0 where there is nothing to log (refused, known, empty).  Else
 * what it added is in `redo`.  shard_publish shows all that was taken; shard_abandon what is not logged of it: the rest
 * is never seen, its keys are forgotten, and no bucket of the log is appended to any more (shard_break).
 * shard_warm asks for the memory that looking up `b`, which is taken next, takes.
 */
void shard_tick(struct shard *s, int64_t now_ns); /* first: what time asks for */
void shard_warm(const struct shard *s, const struct batch *b);
void shard_take(struct shard *s, struct append *a, int64_t now_ns, struct buf *redo);
void shard_publish(struct shard *s, int64_t now_ns);
void shard_abandon(struct shard *s, int64_t now_ns);

/* Writer thread.  Records that were written may be lost: what comes from now on must not depend on them. */
void shard_break(struct shard *s);

/*
 * Writer thread, while loading: what shard_take once added comes back, and is seen.  `last_seq`: the last record that the
 * log has of the bucket that begins with this one; it is not sealed before that.  What belongs to a bucket whose beginning
 * is not in the log any more is left out.  DATA_LOSS: it does not fit to what came before.  RESOURCE_EXHAUSTED: there is
 * no memory for it, though all that is complete is in files.
 */
must_check enum code shard_redo(struct shard *s, const struct record *r, uint64_t seq, uint64_t last_seq,
                                int64_t now_ns, struct fault *why);

/* Writer thread.  The oldest record of the log that memory still needs; UINT64_MAX: none. */
uint64_t shard_oldest_seq(const struct shard *s);

/*
 * A shard that is being filled from its disk (shard/load.h) cannot answer: from shard_load_begin, before there are any
 * readers, until shard_load_end.  UNAVAILABLE: it is, and how far.
 */
void                 shard_load_begin(struct shard *s);
void                 shard_load_end(struct shard *s);
void                 shard_load_cancel(struct shard *s); /* any thread: it ends soon, with a fault */
must_check enum code shard_check_loaded(struct shard *s, struct fault *why); /* any thread */

/* The buckets of `tenant` that overlap [start_ns, end_ns], every generation, oldest first. */
struct pin {
    struct bucket **buckets;
    size_t          n;
};
struct pin shard_pin(struct shard *s, struct slice tenant, int64_t start_ns, int64_t end_ns);
void       shard_unpin(struct pin *p);

/* What questions about labels would look at there (select_effort), without pinning anything. */
uint64_t shard_effort(struct shard *s, struct slice tenant, int64_t start_ns, int64_t end_ns);

/* Oldest and newest profile time of a tenant; false: it has none. */
bool shard_span(struct shard *s, struct slice tenant, int64_t *oldest_ns, int64_t *newest_ns);

struct shard_stats {
    size_t  bytes;
    int64_t series, profiles, samples, buckets, tenants;
    int64_t dropped_buckets, dropped_bytes;
    int64_t visited_buckets; /* by pins, ever: what a query looked at */
    int64_t data_since_ns;   /* nothing older can be complete: process start, or behind the newest profile dropped */
};
struct shard_stats shard_stats(struct shard *s); /* any thread */
const char        *shard_name(const struct shard *s);
