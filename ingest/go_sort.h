/*
 * Go sort: the order of Go's slices.SortFunc, step by step.  It is a pattern-defeating quicksort (O. Peters, 2021) that
 * draws its random numbers from the length, so that where it leaves equal items is not defined but always the same.
 *
 * Rank 0 is less than every rank, 0 included: not an order, and the sort's answer to it counts.
 */
#pragma once

#include <stdint.h>

struct go_item {
    uint32_t rank, item; /* rank in [0, n_ranks] */
};

/*
 * Puts the items of all ranks asked for in their places, never those of rank 0; others may end anywhere between them.
 * asked_before[r], r in [0, n_ranks]: how many of the ranks 1 ... r are asked for.  n at most INT32_MAX.
 */
void go_sort(struct go_item *v, uint32_t n, const uint32_t *asked_before, uint32_t n_ranks);
