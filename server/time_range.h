/*
 * Time range: what a query may look at (pyroscope-query.md §2.1).  Milliseconds as the API has them, nanoseconds inside.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "tenant/limits.h"

struct time_range {
    int64_t start_ms, end_ms; /* inclusive; start raised to the lookback */
    bool    is_empty;         /* wholly before the lookback: the answer is an empty message */
};

/*
 * In this order: a missing end, a reversed range, max_query_lookback, max_query_length (a limit of 0 is none).
 * INVALID_ARGUMENT: which of them.
 */
must_check enum code time_range_check(int64_t start_ms, int64_t end_ms, const struct limits *limits, int64_t now_ns,
                                      struct time_range *out, struct fault *why);

int64_t ms_to_ns(int64_t ms); /* saturates */
