/*
 * Bucket: one span of time of one tenant, in memory, with everything needed to answer for it.
 *
 *     batch --> bucket_take (the shard's writer) --> symbols | stacks | series | postings | rows | points
 *                   |                                              |  ^ select_* (any thread), index/select.h
 *                   `--> redo --> the log --> bucket_redo          `-- bucket_publish: from here on it is seen
 *
 * K1  One writer at a time appends.  Any number of readers, each holding a reference, see a consistent prefix: whole
 *     batches in the order of their appends, never a part of one (index/publish.h says how).
 * K2  Readers never wait, lock or retry, whatever the writer does; the writer never waits for readers.
 * K3  A bucket owns all its bytes and they go at once, with the last reference.  Nothing that a reader can see moves or
 *     dies before, so inside a bucket neither an epoch nor a reference is needed (docs/decisions/020-bucket-memory.md).
 * K4  bucket_bytes is exact: what the bucket has taken from the system and not given back.
 *
 * Epoch to find, reference to hold: a reader takes its reference inside an epoch section of the shard, in which the
 * shard's own reference is still there.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"
#include "model/batch.h"

struct bucket;
struct buf;

/*
 * An empty bucket for profile times in [start_ns, end_ns), one reference.  `tenant` is copied.  `meter` (NULL: none) is
 * shared by many buckets and outlives them: it holds the sum of their bytes, also of those dropped but still referenced.
 */
struct bucket *bucket_new(struct slice tenant, int64_t start_ns, int64_t end_ns, _Atomic size_t *meter);

void bucket_ref(struct bucket *b);   /* the caller already holds one, or is in an epoch section of its shard */
void bucket_unref(struct bucket *b); /* any thread; the last one frees it */

/*
 * Writer only, of a live bucket.  The batch is taken whole or not at all and is not needed afterwards; nobody sees it
 * before bucket_publish.  What it added is written behind `redo` (index/redo.h; NULL: is not).
 * OUT_OF_RANGE: its time is not in the span.  RESOURCE_EXHAUSTED: the bucket is out of 32-bit ids.
 */
must_check enum code bucket_take(struct bucket *b, const struct batch *batch, struct buf *redo, struct fault *why);

/* Writer only.  It will be taken soon: asks for the memory that looking up its labels takes. */
void bucket_warm(const struct bucket *b, const struct batch *batch);

/* Writer only.  All that was taken is seen from here on, at once. */
void bucket_publish(struct bucket *b);

/* Both: the batch is taken and seen. */
must_check enum code bucket_append(struct bucket *b, const struct batch *batch, struct fault *why);

/*
 * Writer only, of a live bucket: takes what a redo says was added to one like it, unseen before bucket_publish.  Bytes
 * from anywhere will do.  DATA_LOSS: they are no redo of this bucket's next batch; the bucket can only be let go.
 */
must_check enum code bucket_redo(struct bucket *b, struct slice redo, struct fault *why);

/* Writer only, after the last redo and before all else: makes what follows from them.  DATA_LOSS: as above. */
must_check enum code bucket_redone(struct bucket *b, struct fault *why);

/* For people: which batch it is, its time, how much is new. */
void bucket_redo_print(struct slice redo, struct buf *out);

/*
 * Writer only.  An upper bound of the bytes by which `b` grows (at its peak) when `batch` is appended; for b == NULL the
 * bytes of a new bucket with it.  Cheap beside the append.
 */
size_t bucket_cost_max(const struct bucket *b, const struct batch *batch);

/* No redo of `batch` is longer, in whatever bucket. */
uint64_t bucket_redo_bytes_max(const struct batch *batch);

/* A much looser bound of the same, for a tenth of the time: enough to know while there is plenty of memory. */
size_t bucket_cost_roughly(const struct bucket *b, const struct batch *batch);

/* The same for a redo, looser; 0 for one that has no head and will be refused. */
size_t bucket_redo_cost(const struct bucket *b, struct slice tenant, struct slice redo);

size_t       bucket_bytes(const struct bucket *b); /* any thread */
struct slice bucket_tenant(const struct bucket *b);
int64_t      bucket_start_ns(const struct bucket *b);
int64_t      bucket_end_ns(const struct bucket *b); /* the first time behind it */

/* By what a profile that is sent again is known, and when it came. */
struct bucket_key {
    struct hash128 key;
    int64_t        received_ns;
};

/* Writer only.  The key of what was taken last, to be kept with it; zeros are none. */
void bucket_know(struct bucket *b, struct hash128 key, int64_t received_ns);

/* The keys of a live bucket that nobody appends to, as they lie in memory, appended to `out`: what a block keeps of them. */
void bucket_keys(const struct bucket *b, struct buf *out);

struct bucket_stats {
    int64_t series, profiles,
        samples;                  /* profiles: whole batches; samples: rows times the types they have a value for */
    int64_t oldest_ns, newest_ns; /* profile times; INT64_MAX and INT64_MIN while empty */
    int64_t clamped;              /* totals that did not fit 63 bits and stand at INT64_MAX */
};
struct bucket_stats bucket_stats(const struct bucket *b); /* any thread; each number by itself */
