#include "tenant/limits.h"

#define MIB INT64_C(1048576)
#define HOUR_NS (INT64_C(3600) * 1000000000)

/* Pyroscope's defaults, but for the ingestion rate: one process has no neighbours to protect. */
const struct limits limits_default = {
    .ingestion_rate_bytes = LIMIT_NONE,
    .ingestion_burst_bytes = 2 * MIB,
    .ingestion_body_limit_bytes = 256 * MIB,
    .max_label_names_per_series = 30,
    .max_label_name_length = 1024,
    .max_label_value_length = 2048,
    .max_sessions_per_series = 0,
    .max_profile_size_bytes = 4 * MIB,
    .max_profile_stacktrace_samples = 16000,
    .max_profile_stacktrace_sample_labels = 100,
    .max_profile_stacktrace_depth = 1000,
    .max_profile_symbol_value_length = 65535,
    .reject_older_than_ns = HOUR_NS,
    .reject_newer_than_ns = HOUR_NS / 6,
    .disable_label_sanitization = true,
    .max_query_length_ns = 24 * HOUR_NS,
    .max_query_lookback_ns = 7 * 24 * HOUR_NS,
    .max_flamegraph_nodes_default = 8192,
    .max_flamegraph_nodes_max = 1048576,
    .retention_ns = LIMIT_NONE,
    .retention_bytes = LIMIT_NONE,
};

void limits_settle(struct limits *l)
{
    if (l->ingestion_burst_bytes < l->max_profile_size_bytes)
        l->ingestion_burst_bytes = l->max_profile_size_bytes;
    if (l->reject_older_than_ns == 0)
        l->reject_older_than_ns = LIMIT_NONE;
    if (l->reject_newer_than_ns == 0)
        l->reject_newer_than_ns = LIMIT_NONE;
}

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

void limits_tighten(struct limits *l, const struct limits *other)
{
    l->max_query_length_ns = lesser(l->max_query_length_ns, other->max_query_length_ns);
    l->max_query_lookback_ns = lesser(l->max_query_lookback_ns, other->max_query_lookback_ns);
    l->max_flamegraph_nodes_default = lesser(l->max_flamegraph_nodes_default, other->max_flamegraph_nodes_default);
    l->max_flamegraph_nodes_max = lesser(l->max_flamegraph_nodes_max, other->max_flamegraph_nodes_max);
}
