/*
 * View: what one question sees of a bucket: one word of the publication order, and the streams that its selection passes.
 *
 * V1  The word (batches published) is loaded before anything else; ids above what was published then are passed over.
 * V2  Matchers on what a type adds are tested once per type, the others once per distinct value of their label, never per
 *     series; series come from postings: cheap and selective matchers first, negative ones by subtraction.
 * V3  A stream is in the view when its series and its type pass and it has a point in the range.
 *
 * One thread.  Everything is in the view's arena.
 */
#pragma once

#include "index/reading.h"
#include "index/select.h"

struct view {
    const struct bucket    *bucket;
    const struct selection *what;
    struct arena           *arena;
    uint32_t                n_batches, n_series, n_types;
    uint64_t               *series; /* a bit for each that passes */
    bool                   *types;  /* [n_types] */
    bool                    is_empty;
    bool                    covers;           /* its range takes every point of the bucket, which is sealed */
    bool                    is_settled;       /* nobody need look whether a series that passes has a point */
    bool                    takes_all_series; /* and every one of them passes */
};

/* RESOURCE_EXHAUSTED: a regex went over its limits.  view_close in any case. */
must_check enum code view_open(struct view *v, const struct bucket *b, const struct selection *what, struct fault *why);
void                 view_close(struct view *v);

static inline bool view_has(const struct view *v, uint32_t series)
{
    return series < v->n_series && (v->series[series / 64] >> series % 64 & 1);
}

uint32_t view_n(const struct view *v); /* how many series pass */

/* The next series that passes, from `at` on; n_series: there are no more. */
uint32_t view_next(const struct view *v, uint32_t at);

/* The series of a group that pass: the next at or behind place *at, which moves behind it; n_series: there are no more. */
uint32_t view_group_next(const struct view *v, uint32_t group, uint32_t *at);

/* The points of a stream that the view sees, in the order of their appends. */
struct point_walk {
    const struct view *view;
    struct points_walk all;
    bool               is_over;
};
struct point_walk   view_points(const struct view *v, const struct stream_read *s);
const struct point *point_next(struct point_walk *w); /* NULL: there are no more */

bool view_has_stream(const struct view *v, const struct stream_read *s); /* V3, but for the series */

/* Takes off the series that have no point. */
void view_settle(struct view *v);

/* [n_types], the view's: of which types there is a point. */
const bool *view_types_seen(const struct view *v);

/* Is it a label that the type adds?  Then *value is what the type gives it. */
bool type_label(const struct type *t, struct slice name, struct slice *value);

bool is_type_label(struct slice name);

/* The label's name as series have it: __service_name__ is service_name. */
struct slice label_alias(struct slice name);
