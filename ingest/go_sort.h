/*
 * Go sort: the order of Go's slices.SortFunc, step by step.  It is a pattern-defeating quicksort (O. Peters, 2021) that
 * draws its random numbers from the length, so that where it leaves equal items is not defined but always the same.
 *
 * Rank 0 is less than every rank, 0 included: not an order, and the sort's answer to it counts.  Only where the items of
 * rank 0 end among themselves does not, and is left open.
 */
#pragma once

#include <stdint.h>

struct go_item {
    uint32_t rank, item;
};

/* n at most INT32_MAX. */
void go_sort(struct go_item *v, uint32_t n);
