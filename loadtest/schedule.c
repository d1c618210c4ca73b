#include "loadtest/schedule.h"

#include <assert.h>

#include "base/mem.h"

bool shape_named(struct slice name, enum shape *out)
{
    static const char *const names[SHAPES] = { "constant", "ramp", "step", "spike" };

    for (int i = 0; i < SHAPES; i++)
        if (slice_is(name, names[i])) {
            *out = (enum shape)i;
            return true;
        }
    return false;
}

double shape_rate(enum shape shape, double rate, double at)
{
    switch (shape) {
    case SHAPE_RAMP:
        return rate * (0.1 + 0.9 * at);
    case SHAPE_STEP:
        return rate * (1 + (int)(at * 5)) / 5;
    case SHAPE_SPIKE:
        return at >= 0.45 && at < 0.55 ? rate : rate / 2;
    default:
        return rate;
    }
}

int64_t *schedule_make(enum shape shape, double rate, int64_t duration_ns, size_t *n)
{
    size_t   cap = 1024;
    int64_t *at = mem_alloc(cap * sizeof *at);
    double   t = 0;

    assert(rate > 0 && duration_ns > 0);
    for (*n = 0; t < (double)duration_ns && *n < SCHEDULE_MAX; ++*n) {
        if (*n == cap)
            at = mem_resize(at, (cap *= 2) * sizeof *at);
        at[*n] = (int64_t)t;
        t += 1e9 / shape_rate(shape, rate, t / (double)duration_ns);
    }
    return at;
}
