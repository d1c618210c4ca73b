/*
 * Ingest: what a client sent becomes a batch.  Pure: no clock, no log, no tenant, no lock; everything it needs comes
 * in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "model/batch.h"
#include "model/labels.h"

/* A plain copy of what limits say about one profile; INT64_MAX for none. */
struct decode_limits {
    int64_t profile_bytes_max, samples_max, sample_labels_max, depth_max, symbol_bytes_max;
    int64_t label_names_max, label_name_bytes_max, label_value_bytes_max, sessions_max;
    int64_t oldest_ns, newest_ns; /* accepted profile times, inclusive; INT64_MIN, INT64_MAX for any */
    bool    sanitize_labels;
};

/* Pyroscope's defaults, and profiles of any time: for tests and fuzzing. */
extern const struct decode_limits decode_limits_usual;

/* How /ingest announced it; all empty for push.v1, where no fix-up applies. */
struct pprof_hints {
    bool         is_legacy; /* /ingest: metric name and spy fix-ups of pyroscope-ingest.md §1.5.1 */
    struct slice spy_name;
    struct slice type_config; /* sample_type_config JSON, may be empty */
    int64_t      from_ns;     /* time of a profile whose own lies in 1970 */
};

struct ingest_source {
    struct slice       tenant;
    struct labels      labels;    /* of the series, any order allowed; __name__ among them for push.v1 */
    struct slice       client_id; /* mixed into the key */
    uint32_t           ordinal;   /* among equal items of one request: part of the key */
    int64_t            now_ns;
    struct pprof_hints hints;
};

/*
 * A pprof, gzip or plain, through the whole pipeline of pyroscope-ingest.md §2.3-2.5: decode, validate, normalise,
 * split by sample labels, check labels.  `*out` is in `a`, owned by the caller; slot, map_epoch and mode are the
 * router's.  When nothing remains (all samples dropped) the code is OK and out->n_rows is 0: success, nothing to
 * store.  INVALID_ARGUMENT with the messages of §4.2.  `*raw_bytes` receives the inflated size, also on failure where
 * known.
 */
must_check enum code ingest_pprof(struct slice body, const struct ingest_source *source,
                                  const struct decode_limits *limits, struct arena *a, struct batch *out,
                                  size_t *raw_bytes, struct fault *why);
