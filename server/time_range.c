#include "server/time_range.h"

#include "base/clock.h"

int64_t ms_to_ns(int64_t ms)
{
    int64_t ns;

    return __builtin_mul_overflow(ms, NS_PER_MS, &ns) ? (ms < 0 ? INT64_MIN : INT64_MAX) : ns;
}

static int64_t difference(int64_t a, int64_t b)
{
    int64_t d;

    return __builtin_sub_overflow(a, b, &d) ? (a < b ? INT64_MIN : INT64_MAX) : d;
}

static bool is_none(int64_t limit) { return limit <= 0 || limit == LIMIT_NONE; }

/* 25h0m0s; whole days as 1d when `days`. */
static const char *span_text(int64_t ms, bool days, char *out, size_t cap)
{
    int64_t s = ms / 1000;

    if (days && s % 86400 == 0)
        snprintf(out, cap, "%lldd", (long long)(s / 86400));
    else
        snprintf(out, cap, "%lldh%lldm%llds", (long long)(s / 3600), (long long)(s / 60 % 60), (long long)(s % 60));
    return out;
}

static enum code too_long(int64_t actual_ms, int64_t limit_ms, struct fault *why)
{
    char actual[64], limit[64];

    return fail(why, CODE_INVALID_ARGUMENT,
                "the query time range exceeds the limit (max_query_length, actual: %s, limit: %s)",
                span_text(actual_ms, false, actual, sizeof actual), span_text(limit_ms, true, limit, sizeof limit));
}

enum code time_range_check(int64_t start_ms, int64_t end_ms, const struct limits *limits, int64_t now_ns,
                           struct time_range *out, struct fault *why)
{
    if (start_ms == 0 || end_ms == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "missing time range in the query");
    if (start_ms > end_ms)
        return fail(why, CODE_INVALID_ARGUMENT, "query start time is after end time");
    *out = (struct time_range){ .start_ms = start_ms, .end_ms = end_ms };
    if (!is_none(limits->max_query_lookback_ns)) {
        int64_t oldest_ms = difference(now_ns, limits->max_query_lookback_ns) / NS_PER_MS;
        out->is_empty = end_ms < oldest_ms;
        if (out->is_empty)
            return CODE_OK;
        if (start_ms < oldest_ms)
            out->start_ms = oldest_ms;
    }
    int64_t length_ms = difference(end_ms, out->start_ms);
    if (!is_none(limits->max_query_length_ns) && length_ms > limits->max_query_length_ns / NS_PER_MS)
        return too_long(length_ms, limits->max_query_length_ns / NS_PER_MS, why);
    return CODE_OK;
}
