/*
 * Goal: ranges are checked in Pyroscope's order, and no arithmetic overflows on hostile times.  Method: a table.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/time_range.h"

#define HOUR_MS INT64_C(3600000)
#define NOW_MS INT64_C(1700000000000)

static const struct {
    int64_t     start, end, lookback_h, length_h;
    const char *said; /* NULL: accepted */
    int64_t     raised;
    bool        is_empty;
} cases[] = {
    { 0, 5, 0, 0, "missing time range in the query", 0, false },
    { 5, 0, 0, 0, "missing time range in the query", 0, false },
    { 0, 0, 0, 0, "missing time range in the query", 0, false },
    { 6, 5, 0, 0, "query start time is after end time", 0, false },
    { 5, 5, 0, 0, NULL, 5, false },
    { -1000, NOW_MS, 0, 0, NULL, -1000, false },
    { INT64_MIN, INT64_MAX, 0, 0, NULL, INT64_MIN, false },
    { INT64_MIN, INT64_MAX, 24, 0, NULL, NOW_MS - 24 * HOUR_MS, false },
    { 1000, 4000, 168, 24, NULL, 1000, true },
    { 4000, 1000, 168, 24, "query start time is after end time", 0, false },
    { NOW_MS - 200 * HOUR_MS, NOW_MS - 150 * HOUR_MS, 168, 24, NULL, NOW_MS - 168 * HOUR_MS, false },
    { NOW_MS - 25 * HOUR_MS, NOW_MS, 168, 24,
      "the query time range exceeds the limit (max_query_length, actual: 25h0m0s, limit: 1d)", 0, false },
    { NOW_MS - 24 * HOUR_MS, NOW_MS, 168, 24, NULL, NOW_MS - 24 * HOUR_MS, false },
    { NOW_MS - 2 * HOUR_MS - 61000, NOW_MS, 168, 1,
      "the query time range exceeds the limit (max_query_length, actual: 2h1m1s, limit: 1h0m0s)", 0, false },
    { INT64_MIN, INT64_MAX, 0, 24,
      "the query time range exceeds the limit (max_query_length, actual: 2562047788015h12m55s, limit: 1d)", 0, false },
};

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct limits     l = { .max_query_lookback_ns =
                                cases[i].lookback_h ? ms_to_ns(cases[i].lookback_h * HOUR_MS) : LIMIT_NONE,
                                .max_query_length_ns = ms_to_ns(cases[i].length_h * HOUR_MS) };
        struct time_range r;
        struct fault      why = { 0 };
        enum code         code = time_range_check(cases[i].start, cases[i].end, &l, ms_to_ns(NOW_MS), &r, &why);
        if ((code == CODE_OK) != (cases[i].said == NULL) || (code != CODE_OK && strcmp(why.text, cases[i].said) != 0))
            fprintf(stderr, "case %zu: %d %s\n", i, code, why.text), assert(!"not as expected");
        assert(code == CODE_OK || code == CODE_INVALID_ARGUMENT);
        if (code == CODE_OK)
            assert(r.is_empty == cases[i].is_empty && r.start_ms == cases[i].raised && r.end_ms == cases[i].end);
    }
    assert(ms_to_ns(-3) == -3000000 && ms_to_ns(INT64_MAX) == INT64_MAX && ms_to_ns(INT64_MIN) == INT64_MIN);
    puts("time_range: ok");
    return 0;
}
