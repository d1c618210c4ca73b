/* Vitals: memory and CPU of the server, from /proc when its pid is known, else from its own /metrics. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "loadtest/target.h"

struct vitals {
    int64_t rss_bytes;
    double  cpu_s;
};

bool vitals_read(struct target *t, int64_t pid, struct vitals *out); /* false: neither could be learnt */

/* The value of a metric without labels in the text format; false: not there. */
bool metric_find(struct slice text, const char *name, double *out);
