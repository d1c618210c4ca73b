/* The last step: what is left of a profile, put into a batch, which takes over the tables. */
#pragma once

#include "ingest/pprof_split.h"

/*
 * `s` has samples; everything of `out` but its head is set, in p->a.  INVALID_ARGUMENT: a sum that does not fit int64.
 */
must_check enum code pprof_batch(struct pprof *p, const struct samples *s, const struct split *split,
                                 struct labels series, struct batch *out, struct fault *why);
