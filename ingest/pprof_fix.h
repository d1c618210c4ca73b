/* What /ingest puts right in pprofs of old clients before they are validated (pyroscope-ingest.md §1.5.1). */
#pragma once

#include "ingest/pprof_raw.h"

/*
 * The time of a profile that says 1970, the names of scripting languages' functions, the ids and types of old .NET.
 * `type_config` is the client's sample_type_config, by its top-level keys.
 */
must_check enum code pprof_fix_legacy(struct pprof *p, const struct pprof_hints *hints, bool has_dashed_config,
                                      struct fault *why);
