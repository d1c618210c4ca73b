/* Slice sort: the bytewise order of many strings. */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* order[i] becomes the place in `at` of the i-th of them. */
void slices_order(const struct slice *at, uint32_t n, uint32_t *order);
