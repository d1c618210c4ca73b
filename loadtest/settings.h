/*
 * Settings: what to load a server with and what to demand of it.  One table for the YAML of presets, for the command line
 * and for --help: each key is a flag.
 *
 *     defaults  <  preset (one of ours by its name, or a file)  <  flags
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"

enum { FORMATS_MAX = 3, KIND_WORDS_MAX = 16, SETTINGS_BYTES_MAX = 1 << 20 };

struct settings {
    /* what is loaded, and how hard */
    const char *url, *token_file, *shape;
    double      rate, read_rate, verify_rate;
    int64_t     duration_ns, timeout_ns, settle_ns;
    bool        is_closed, finds_knee;
    int64_t     in_flight;

    /* the workload */
    int64_t seed, tenants, services, pods, batch, samples, stacks, functions, depth_min, depth_max, hot_percent,
        resend_percent;
    double      stack_zipf, service_zipf;
    int64_t     churn_ns, start_time;
    bool        is_round_robin, is_gzip;
    const char *kinds, *formats, *seed_profiles;

    /* what must hold; 0: no matter */
    double ack_p50_ms_max, ack_p99_ms_max, read_p99_ms_max, refused_percent_max, late_percent_max;

    /* what is reported */
    const char *json, *html, *percentiles, *plant_fault;
    int64_t     server_pid;
    bool        wants_help, is_quiet;
    const char *preset; /* its name; "" for none */
};

/* INVALID_ARGUMENT: what is wrong, and where. */
must_check enum code settings_load(int argc, char **argv, struct arena *a, struct settings *out, struct fault *why);
must_check enum code settings_read_yaml(const char *name, struct slice text, struct arena *a, struct settings *out,
                                        struct fault *why);
must_check enum code settings_check(const struct settings *s, struct fault *why);
void                 settings_defaults(struct settings *out);
void                 settings_help(struct buf *out);
void                 settings_print(const struct settings *s, struct buf *out); /* one JSON object */

/* The next word of a comma-separated list; false: no more. */
bool word_next(struct slice *list, struct slice *word);

/* The presets that are built in (cmake/embed.cmake). */
struct preset {
    const char *name;
    const char *begin, *end;
};
extern const struct preset presets[];
extern const unsigned      n_presets;
