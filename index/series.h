/*
 * Series: one for each distinct label set; a stream is a series under one profile type, with a point for each profile.
 *
 *     series 4 {pod="a", service_name="x"} --> stream cpu --> stream samples      newest first
 *                                                  `--> points: time, total, rows + column, batch
 *
 * R1  Ids are dense, by first appearance.  A series never changes but for its list of streams, which grows at its head.
 * R2  A point is seen only by who has seen its batch published (index/publish.h); a stream's points ascend by batch.
 * R3  The total is the sum of the row values, so totals over time need no stacks.
 * R4  A series has few streams, and the writer walks them: a table of all would be asked for each point.  Only of a series
 *     that has many are they listed in one.
 */
#pragma once

#include "base/hash.h"
#include "index/label_index.h"
#include "index/table.h"
#include "index/vec.h"

/* A five-part profile type; the parts lie in `id`, "name:sample type:unit:period type:period unit". */
struct type {
    struct slice id, name, sample_type, unit, period_type, period_unit;
};

struct types {
    struct vec   all; /* struct type */
    struct table ids;
};

void     types_init(struct types *t);
uint32_t types_add(struct types *t, struct slab *s, const struct slice parts[5]);
size_t   types_cost(const struct types *t, size_t more, size_t text_bytes);

struct point {
    int64_t        time_ns, total;
    const uint8_t *rows; /* index/rows.h */
    uint32_t       column;
    uint32_t       batch; /* which append of the bucket it came with */
};

struct stream {
    struct stream *next; /* older; constant */
    uint32_t       series, type;
    struct vec     points;
};

struct series {
    uint32_t                 id, group, n_labels, n_streams; /* the last is the writer's */
    _Atomic(struct stream *) streams;
    struct label_value      *labels[]; /* by name */
};

struct series_set {
    struct vec   all; /* struct series * */
    struct table series_ids;
    struct vec   many; /* struct stream *: R4 */
    struct table many_ids;
    uint32_t     n_streams;
    uint32_t     points_max; /* the most that one stream has */
};

void series_set_init(struct series_set *x);
void series_set_free(struct series_set *x, struct slab *s);

/* Under which a series is looked up: made of its labels' hashes, one by one, from 0. */
static inline uint64_t series_key(uint64_t key, uint32_t label_hash) { return hash_pair(key, label_hash); }

/* Writer only.  NULL: there is no such series. */
struct series *series_find(const struct series_set *x, struct label_value *const *labels, uint32_t n);
struct series *series_add(struct series_set *x, struct slab *s, uint32_t group, struct label_value *const *labels,
                          uint32_t n);
void series_point(struct series_set *x, struct slab *s, struct series *in, uint32_t type, const struct point *p);

static inline const struct series *series_at(const struct series_set *x, uint32_t id)
{
    return vec_pointer(&x->all, id);
}

static inline const struct stream *series_streams(const struct series *s)
{
    return atomic_load_explicit(&s->streams, memory_order_acquire);
}

/* Most bytes asked for by so many new series, with so many labels and streams, and a point for each stream. */
size_t series_cost(const struct series_set *x, size_t series, size_t labels, size_t streams);
