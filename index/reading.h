/*
 * Reading: what a live bucket (index/bucket_priv.h) and a sealed one (index/block.h) both give.  Everything that select
 * needs of a bucket is here, so select is one.
 *
 * R1  Numbers of names, series, types and groups are the bucket's own; those of a live one grow, and what is below a number
 *     once loaded is whole (index/publish.h).
 * R2  What is returned by value borrows from the bucket and is good as long as the reference on it.
 * R3  The symbols and trees of a sealed group are packed: who needs them unpacks them for himself (group_thaw).
 */
#pragma once

#include "base/arena.h"
#include "index/block_priv.h"
#include "index/bucket_priv.h"
#include "index/rollup.h"
#include "model/labels.h"

uint32_t    bucket_types_n(const struct bucket *b);
struct type bucket_type(const struct bucket *b, uint32_t i);
uint32_t    bucket_groups_n(const struct bucket *b);
uint32_t    bucket_series_n(const struct bucket *b);

/* ---- label names and values ----------------------------------------------------------------------------------------- */

uint32_t     bucket_names_n(const struct bucket *b);
struct slice bucket_name(const struct bucket *b, uint32_t i);
bool         bucket_find_name(const struct bucket *b, struct slice text, uint32_t *name);

struct values {
    const struct label_name *live;
    uint32_t                 at, n; /* at: sealed */
};
struct values bucket_values(const struct bucket *b, uint32_t name);

struct value {
    struct slice           text;
    const struct postings *live;
    const uint8_t         *ids, *ids_end; /* sealed */
};
struct value bucket_value(const struct bucket *b, const struct values *of, uint32_t i);
struct slice bucket_value_text(const struct bucket *b, const struct values *of, uint32_t i);
bool         bucket_find_value(const struct bucket *b, const struct values *of, struct slice text, struct value *v);

uint64_t value_weight(const struct value *v); /* about as many series */

/* The series of a value, ascending. */
struct ids_walk {
    struct postings_walk live;
    const uint8_t       *at, *end; /* sealed */
    uint32_t             next, room[PACK];
};
void     ids_of(struct ids_walk *w, const struct value *v);
uint32_t ids_next(struct ids_walk *w, const uint32_t **ids); /* the next, side by side; 0: there are no more */

/* ---- series, streams, points ---------------------------------------------------------------------------------------- */

struct series_read {
    uint32_t             id, n_labels;
    const struct series *live;
    uint32_t             label_at, stream_at, stream_end; /* sealed */
};
struct series_read bucket_series(const struct bucket *b, uint32_t id);
uint32_t           series_group(const struct bucket *b, const struct series_read *s);

/* The k-th label of a series, and the number of its name. */
struct label bucket_label(const struct bucket *b, const struct series_read *s, uint32_t k, uint32_t *name);

/* Which of these values a series has that was there before they were looked up; of->n: none. */
uint32_t series_value(const struct bucket *b, const struct series_read *s, const struct values *of);

struct stream_read {
    uint32_t             type;
    const struct stream *live;
    const uint8_t       *points, *points_end; /* sealed */
};

struct streams_walk {
    const struct bucket *bucket;
    const struct stream *live;
    uint32_t             at, end; /* sealed */
};
struct streams_walk streams_of(const struct bucket *b, const struct series_read *s);
struct streams_walk bucket_streams(const struct bucket *b, uint32_t series);
bool                sealed_stream_next(struct streams_walk *w, struct stream_read *out);

static inline bool stream_next(struct streams_walk *w, struct stream_read *out)
{
    if (w->live == NULL)
        return sealed_stream_next(w, out);
    *out = (struct stream_read){ .type = w->live->type, .live = w->live };
    w->live = w->live->next;
    return true;
}

/* All points of a stream in the order of their appends. */
struct points_walk {
    const struct bucket *bucket;
    const struct stream *live;
    uint32_t             at, n;      /* live */
    const uint8_t       *next, *end; /* sealed */
    int64_t              time_ns;
    uint32_t             row;
    struct point         here;
};
struct points_walk  points_of(const struct bucket *b, const struct stream_read *s);
const struct point *sealed_point_next(struct points_walk *w);

/* Good until the next; NULL: there are no more. */
static inline const struct point *points_next(struct points_walk *w)
{
    if (w->live == NULL)
        return sealed_point_next(w);
    return w->at < w->n ? vec_at(&w->live->points, w->at++) : NULL;
}

/* ---- groups --------------------------------------------------------------------------------------------------------- */

struct slice group_service(const struct bucket *b, uint32_t group);

/* The series of a group, ascending. */
uint32_t group_series_n(const struct bucket *b, uint32_t group);
uint32_t group_series_at(const struct bucket *b, uint32_t group, uint32_t i);

/* The rollups of a group: those of numbers [at, end).  A live one has none. */
struct range  group_rollups(const struct bucket *b, uint32_t group);
struct rollup bucket_rollup(const struct bucket *b, uint32_t i);

enum thaw {
    THAW_FUNCTIONS = 1, /* strings, function nodes and those of the stacks */
    THAW_LOCATIONS = 2, /* all symbols, location nodes and those of the stacks */
};

/*
 * A group to read: of a live bucket the group itself, of a sealed one a copy in `a` with what was asked for.  The lookups
 * of the writer are not in it.
 */
const struct group *group_thaw(const struct bucket *b, uint32_t group, unsigned what, struct arena *a);
