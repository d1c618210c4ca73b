/* At time: the times of /ingest and /render, `now-1h`, `20261120`, `1700000000` (pyroscope-ingest.md §1.3). */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* Nanoseconds since 1970.  Never an error: what is not understood is now. */
int64_t attime_parse(struct slice text, int64_t now_ns);
