/* A profile of the workload as the pprof that is pushed. */
#pragma once

#include "base/buf.h"
#include "oracle/workload.h"

/*
 * Appends the pprof, not packed.  `planted` is added to the first value of the first stack: 0, unless the oracle itself is
 * to be tested.  `scratch` is emptied first.
 */
void profile_pprof(const struct workload *w, const struct profile *p, int64_t planted, struct arena *scratch,
                   struct buf *out);
