/*
 * Go sort: the order of Go's slices.SortFunc, step by step.  It is a pattern-defeating quicksort (O. Peters, 2021) that
 * draws its random numbers from the length, so that where it leaves equal items is not defined but always the same.
 */
#pragma once

#include <stdint.h>

struct go_item {
    uint32_t rank; /* 0 stands before everything, other zeros too: the order that is asked for is none */
    uint32_t item;
};

/* n at most INT32_MAX. */
void go_sort(struct go_item *v, uint32_t n);
