/* Which language a profile comes from: only Go's needs anything done about it. */
#pragma once

#include "ingest/pprof_raw.h"

/* By the label pyroscope_spy, else by the first string that looks like some language's file or package. */
bool language_is_go(const struct pprof *p, struct labels labels);
