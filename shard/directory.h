/*
 * Directory: which buckets a shard holds, by tenant and by time.
 *
 *     parts[64] --> tenants, sorted by name --> row { start, bucket | start, bucket | ... }   oldest first
 *         `-- by hash of the name                `-- one for each tenant, replaced whole
 *
 * A span of time may have several buckets, its generations: in a row they stand one behind the other, the oldest first,
 * and only the newest is appended to.
 *
 * D1  What readers reach (parts, rows) never changes once published: a change publishes a copy and retires the old one.
 * D2  A row in a directory holds a reference on each of its buckets; one that was removed is let go only after every
 *     reader of that time has left, so whoever finds a bucket inside an epoch section can take a reference
 *     (bucket_ref).
 * D3  No tenant without buckets: the last bucket takes its record along, so names do not pile up.
 * D4  One writer, the shard's thread; readers in a section of the same epoch (base/epoch.h).  Order is by name, time
 *     and turn only, never by address: the same appends make the same directory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/epoch.h"
#include "base/slice.h"

struct bucket;
struct directory;
struct tenant;

/*
 * How far a bucket has come:
 *
 *     live ------------> sealing --> sealed
 *       `--> closed -----^     `---> kept
 *
 * live     appended to while it is the newest generation of its span
 * closed   appended to no more, as the log has failed it (shard_break); sealed like others, when it is due
 * sealing  the store has it: dropping it would give nothing back
 * sealed   in its other form, with a file or in memory
 * kept     could not be sealed: as it was, and appended to no more
 *
 * Nothing of it is pending when it is sent to the store; a later state is never left for an earlier one.
 */
enum held_state { HELD_LIVE, HELD_CLOSED, HELD_SEALING, HELD_SEALED, HELD_KEPT };

/* One bucket in a row.  All but the first three are the writer's: what is accounted for it, and how it grew. */
struct held {
    int64_t         start_ns, end_ns; /* of a merged one: more than a span */
    struct bucket  *bucket;
    size_t          bytes;
    int64_t         series, profiles, samples;
    int64_t         touched_ns;  /* of the last append */
    uint64_t        oldest_seq;  /* its first record in the log, which names it there; 0: it is not logged */
    uint64_t        newest_seq;  /* its last one that was published */
    uint64_t        pending_seq; /* its last one */
    uint64_t        until_seq;   /* while loading: the last one that the log has for it */
    uint64_t        file;        /* of a sealed one that is on disk; 0: it is not */
    enum held_state state;
    bool            is_pending; /* something in it is not published yet */
    bool            is_merging; /* the store reads it: dropping it would give nothing back */
    bool            is_making;  /* while loading: the maker has it */
};

/* Appended to no more. */
void held_close(struct held *h);

struct directory *directory_new(struct epoch *e);
void              directory_free(struct directory *d); /* no readers; lets go of every bucket */

/* Writer. */
struct tenant *directory_tenant(const struct directory *d, struct slice name); /* NULL: has no bucket */
struct tenant *directory_next(const struct directory *d,
                              const struct tenant    *after); /* NULL: the first, by part and name */
struct slice   tenant_name(const struct tenant *t);
size_t         tenant_bytes(const struct tenant *t); /* of its buckets */

/* Good until the row changes: all buckets, oldest first; the newest generation of a span, NULL: it has none. */
struct held *tenant_row(const struct tenant *t, size_t *n);
struct held *tenant_held(const struct tenant *t, int64_t start_ns);

/* Where a bucket stands: its tenant, its place in the row; NULL: it was dropped. */
struct held *directory_find(const struct directory *d, const struct bucket *b, struct tenant **t, size_t *i);

/* Whoever holds most bytes; NULL: nobody has a bucket.  Looks at all tenants only after that one has dropped one. */
struct tenant *directory_richest(struct directory *d);

/* Puts `bucket` in, whose reference passes to the directory, as the newest generation of its span. */
struct held *directory_add(struct directory *d, struct slice tenant, int64_t start_ns, struct bucket *bucket);

/*
 * Takes the i-th bucket of the row out of the sight of new readers; its memory comes back when the epoch has passed and
 * nobody has it pinned.  `t` may be gone afterwards (D3).
 */
void directory_drop(struct directory *d, struct tenant *t, size_t i);

/* Publishes another form of the i-th bucket, whose reference passes to the directory, in its place; the old one goes as by drop. */
void directory_replace(struct directory *d, struct tenant *t, size_t i, struct bucket *bucket);

/*
 * Publishes a bucket, whose reference passes to the directory, that has in it what the n of the row at at[0] < at[1] ... have; it
 * stands where the first of them stood, and begins when that began.
 */
struct held *directory_merge(struct directory *d, struct tenant *t, const size_t *at, size_t n, struct bucket *bucket);

/* Accounts for what the bucket holds now, after it has grown. */
void directory_weigh(struct directory *d, struct tenant *t, struct held *h);

/* The same after it has given memory back. */
void directory_weigh_less(struct directory *d, struct tenant *t, struct held *h);

/* The most that one directory_add takes for itself. */
size_t directory_growth(struct slice tenant);

struct directory_sums {
    size_t  bucket_bytes, own_bytes; /* of the buckets in sight; of tenants, rows and parts */
    int64_t tenants, buckets, series, profiles, samples;
};
const struct directory_sums *directory_sums(const struct directory *d);

/* Readers, inside a section: a tenant's buckets; NULL and 0 when it has none.  Only times and bucket may be read. */
const struct held *directory_look(const struct directory *d, struct slice tenant, size_t *n);
