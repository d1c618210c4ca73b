/* The metric name (__name__) of a pprof sent to /ingest, whose clients do not say one (pyroscope-ingest.md §1.5.1). */
#pragma once

#include "ingest/pprof_raw.h"

/*
 * `config` is the sample_type_config JSON, or empty: then the built-in display names hold.  The name lives in p's
 * scratch or is a literal.  INVALID_ARGUMENT: not the JSON it should be.
 */
must_check enum code metric_name(const struct pprof *p, struct slice config, struct slice *out, struct fault *why);

/* Does the config have the key `inuse-space`, by which old .NET is known? */
bool config_is_dashed(struct slice config);
