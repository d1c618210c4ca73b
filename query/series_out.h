/*
 * Series out: points as SelectSeries shows them (pyroscope-query.md §2.9): largest total first, equals by labels.
 */
#pragma once

#include "query/query.h"

struct series_row {
    struct labels labels;
    size_t        n;
    double       *value;
    int64_t      *time_ms;
};

/* limit <= 0: all.  A mean is that of the profiles' totals in a slot.  Everything is in `a`; labels borrow the partial. */
size_t series_out(struct partial *p, const struct question *q, bool is_mean, int64_t limit, struct arena *a,
                  struct series_row **out);
