/* Inside the room: one shard, and the three acts that step it. */
#pragma once

#include <stdatomic.h>

#include "base/metric.h"
#include "shard/dedup.h"
#include "shard/directory.h"
#include "shard/shard.h"

enum drop_reason { DROP_MEMORY, DROP_RETENTION, DROP_REASONS };
enum load_phase { LOAD_BLOCKS, LOAD_LOG, LOAD_PHASES };

/* What /metrics shows; the writer sets them at the end of a step. */
struct shard_metrics {
    struct metric *bytes, *pinned_bytes, *limit_bytes, *series, *profiles, *samples, *buckets, *tenants, *data_since;
    struct metric *appended, *refused, *visited, *demoted, *duplicates, *keys;
    struct metric *loaded[LOAD_PHASES], *to_load[LOAD_PHASES]; /* files, bytes */
    struct metric *dropped_buckets[DROP_REASONS], *dropped_bytes[DROP_REASONS];
};

/* What was taken and not yet published: buckets (each referenced), keys of what is logged. */
struct pending {
    struct bucket **buckets;
    size_t          n_buckets, buckets_cap;
    struct hash128 *keys;
    size_t          n_keys, keys_cap;
};

struct maker;
struct sealing;

struct shard {
    struct shard_config  config; /* name is ours */
    struct epoch        *epoch;
    _Atomic size_t       meter; /* bytes of all buckets that are in memory, in sight or pinned */
    struct shard_metrics metrics;

    /* the writer's */
    struct directory *directory;
    struct dedup     *dedup;
    struct pending    pending;
    int64_t           data_since_ns, next_retention_ns, next_seal_ns, next_merge_ns;
    int64_t           dropped_buckets, dropped_bytes;
    size_t            n_demotable; /* blocks that have a file and are in memory all the same */
    size_t            n_merging;   /* blocks to be, at the store */
    struct maker     *maker;       /* while the log is replayed, else NULL */

    /* shared */
    struct {
        _Atomic bool     is_on, is_cancelled;
        _Atomic int      phase; /* enum load_phase */
        _Atomic uint64_t done, of;
    } loading;
    _Atomic int64_t visited;
    struct {
        _Atomic int64_t bytes, series, profiles, samples, buckets, tenants, dropped_buckets, dropped_bytes,
            data_since_ns;
    } shown; /* stored by the writer, one by one; read by anybody */
};

/* shard.c: everything that counts against the limit, pinned buckets included. */
size_t shard_used(const struct shard *s);

/* retain.c: what holds for a tenant now. */
struct retention retain_rule(const struct shard *s, struct slice tenant);

/* retain.c: drops what is older, or more, than the retention. */
void retain_by_rule(struct shard *s, int64_t now_ns);

/* retain.c: the bucket of that span that a batch of the tenant goes to; NULL: into a new generation. */
struct bucket *retain_target(struct shard *s, struct slice tenant, int64_t start_ns, bool is_logged);

/*
 * retain.c: room for what a redo adds to `into` (NULL: a new bucket); false: there is none.  Blocks are left to their files
 * for it; where there are none buckets go, as by retain_room.
 */
bool retain_redo_room(struct shard *s, struct slice tenant, struct slice redo, const struct bucket *into);

/* retain.c: lets the i-th bucket of a tenant go, as for memory. */
void retain_drop(struct shard *s, struct tenant *t, size_t i);

/* shard.c: the start of the span that a time lies in; false: so far out that the span has no end. */
bool shard_span_start(const struct shard *s, int64_t time_ns, int64_t *start_ns);

/* pending.c: `h` has taken something that is not published yet; `seq` of its record, 0: it has none. */
void pending_add(struct shard *s, struct held *h, uint64_t seq);
void pending_key(struct shard *s, struct hash128 key);

/*
 * Makes room for `b` in `*into`, which is not dropped, unless there is room only without it: then `*into` becomes NULL.
 * NULL is a new bucket.  RESOURCE_EXHAUSTED: what may fairly be dropped does not suffice, or running queries still hold
 * what was.
 */
must_check enum code retain_room(struct shard *s, const struct batch *b, struct bucket **into, struct fault *why);

/* redo.c: what is made comes back from the maker, and is seen; all of it (is_waiting), or what is ready.  False: nothing has. */
bool redo_settle(struct shard *s, bool is_waiting);

/* seal.c: what has been sealed takes the place of what it was made from. */
void seal_swap(struct shard *s);

/* seal.c: sends what is full, old or idle to be sealed; looks once a second. */
void seal_pick(struct shard *s, int64_t now_ns);

/* seal.c: what is sealed is on disk, too. */
bool seal_has_files(const struct shard *s);

/* seal.c: a live bucket grows no larger; SIZE_MAX: there is no store. */
size_t seal_bytes(const struct shard *s);

/* seal.c: after an append to `h`: seals it when it is full. */
void seal_full(struct shard *s, struct held *h);

/* seal.c: seals it whatever it holds, since memory is short; when too many are on their way, not yet. */
void seal_early(struct shard *s, struct held *h);

/* seal.c: while loading: seals early all that the log has nothing more for, as many as may be on their way. */
void seal_complete(struct shard *s);

/* merge.c: sends small blocks of windows that are over to be merged. */
void merge_pick(struct shard *s, int64_t now_ns);

/* merge.c: one that was merged, or could not be, takes the place of what it was made from, or does not. */
void merge_swap(struct shard *s, struct sealing *x);

/*
 * merge.c: while loading, of blocks that come by number: those that `b` was merged from go, which a crash has left.  DATA_LOSS:
 * something of it is in another one, too, which.
 */
must_check enum code merge_adopted(struct shard *s, const struct bucket *b, struct fault *why);

/* merge.c: is the bucket of the log whose first record is `first_seq` one that `h` was merged from? */
bool merge_has(const struct held *h, uint64_t first_seq);

/* stats.c */
void stats_open(struct shard *s);
void stats_show(struct shard *s);
