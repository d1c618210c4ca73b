/*
 * Zipf: rank r of n comes with a probability that is as 1 / (r + 1)^s; s = 0: all alike.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"

struct zipf {
    uint32_t        n;
    const uint64_t *up_to; /* [n], ascending: a throw below it is of that rank or one before; NULL: all alike */
};

struct zipf zipf_make(uint32_t n, double s, struct arena *a); /* n > 0 */
uint32_t    zipf_rank(const struct zipf *z, uint64_t dice);
