/* Slice sort: many strings into bytewise order. */
#pragma once

#include <stddef.h>

#include "base/slice.h"

void slices_sort(struct slice *at, size_t n);
