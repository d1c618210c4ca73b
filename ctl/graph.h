/*
 * Graph: the server's flame graph (levels of `dx, total, self, name`) as boxes that know their parents.
 *
 *     box 0 "total" [0, total)
 *     box 1 "main"  [0, 90) of 0      box 2 "idle" [90, 100) of 0       boxes go level by level, from the left
 *
 * G1  parent < own index for every box but 0; a box lies inside its parent; siblings do not overlap.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"

struct box {
    int64_t  x, total, self;
    uint32_t parent, name, level;
};

struct graph {
    const struct slice *names;
    size_t              n_names;
    const struct box   *boxes; /* at least one: the root */
    size_t              n;
    int64_t             total;
};

/* One level's values, four for each box. */
struct graph_level {
    const int64_t *values;
    size_t         n;
};

/* Everything is in `a`; names are borrowed.  DATA_LOSS: what in the answer breaks G1. */
must_check enum code graph_make(const struct slice *names, size_t n_names, const struct graph_level *levels,
                                size_t n_levels, struct arena *a, struct graph *out, struct fault *why);

/* Folded stacks, `main;work;read 17`, one line for each box with a self value, in the order of the boxes. */
void graph_collapse(const struct graph *g, struct buf *out);

/* What one function has by itself and with all that it calls; a function that calls itself counts once. */
struct function_sum {
    uint32_t name;
    int64_t  self, total;
};

/* One for each name but the root's, in `a`, by self (or by total) descending, then by name; *n receives how many. */
struct function_sum *graph_functions(const struct graph *g, bool by_total, struct arena *a, size_t *n);
