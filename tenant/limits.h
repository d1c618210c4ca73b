/*
 * Limits: what a tenant may send and ask, under Pyroscope's names, and how it is kept.  LIMIT_NONE means no limit and is spelled
 * `unlimited`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_NONE INT64_MAX

struct limits {
    /* write */
    int64_t ingestion_rate_bytes;                 /* ingestion_rate_mb, per second; one process: none */
    int64_t ingestion_burst_bytes;                /* ingestion_burst_size_mb; never below one profile */
    int64_t ingestion_body_limit_bytes;           /* ingestion_body_limit_mb, default 256 MiB */
    int64_t max_label_names_per_series;           /* 30 */
    int64_t max_label_name_length;                /* 1024 bytes */
    int64_t max_label_value_length;               /* 2048 bytes */
    int64_t max_sessions_per_series;              /* 0: __session_id__ is removed */
    int64_t max_profile_size_bytes;               /* 4 MiB uncompressed */
    int64_t max_profile_stacktrace_samples;       /* 16000: refused above */
    int64_t max_profile_stacktrace_sample_labels; /* 100 */
    int64_t max_profile_stacktrace_depth;         /* 1000: cut above, leaf frames go */
    int64_t max_profile_symbol_value_length;      /* 65535: cut above, the last bytes stay */
    int64_t reject_older_than_ns;                 /* 1 h; 0 is no limit */
    int64_t reject_newer_than_ns;                 /* 10 min; 0 is no limit */
    bool    disable_label_sanitization;           /* true */

    /* read */
    int64_t max_query_length_ns;          /* 24 h */
    int64_t max_query_lookback_ns;        /* 7 d */
    int64_t max_flamegraph_nodes_default; /* 8192 */
    int64_t max_flamegraph_nodes_max;     /* 1048576 */

    /* keep */
    int64_t retention_ns;    /* by profile time */
    int64_t retention_bytes; /* in a shard, memory and disk */
    int     wal_mode;        /* enum batch_mode: what is true of a push when it is answered */
};

extern const struct limits limits_default;

/* A burst never refuses what a profile may be; an age of 0 is any, as Pyroscope has it. */
void limits_settle(struct limits *l);

/* Of what is asked for several tenants at once the tightest counts: the read limits of `l` come down to `other`'s. */
void limits_tighten(struct limits *l, const struct limits *other);
