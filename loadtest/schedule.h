/*
 * Schedule: when each request is to be sent, worked out before the first one is: a server that stalls does not slow the
 * load down, it only answers late.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum shape {
    SHAPE_CONSTANT, /* `rate` throughout */
    SHAPE_RAMP,     /* from a tenth of it to all of it */
    SHAPE_STEP,     /* a fifth of it, two fifths, ... */
    SHAPE_SPIKE,    /* half of it, but `rate` in the middle tenth of the time */
    SHAPES
};

bool shape_named(struct slice name, enum shape *out);

double shape_rate(enum shape shape, double rate, double at); /* `at`: part of the duration that has passed */

enum { SCHEDULE_MAX = 20000000 };

/* Nanoseconds since the start, ascending, all below `duration_ns`; at most SCHEDULE_MAX.  To be freed. */
int64_t *schedule_make(enum shape shape, double rate, int64_t duration_ns, size_t *n);
