/*
 * Flame graph: a merged tree cut to max_nodes and laid out in levels, as querier.v1 FlameGraph
 * (pyroscope-query.md §2.6: min-heap of totals, ties kept, the rest summed into `other`; tuples dx, total, self, name).
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "model/tree.h"

struct flame_level {
    int64_t *values; /* 4 for each node, 7 in a difference */
    size_t   n;
};

struct flame {
    struct slice       *names; /* names[0] is "total" */
    size_t              n_names;
    struct flame_level *levels;
    size_t              n_levels;
    int64_t             total, max_self;
    int64_t             ticks[2]; /* the total of each side; a plain graph has one */
};

/* max_nodes 0: whole.  Everything is in `a`; names borrow the tree. */
void flame_build(const struct tree *t, int64_t max_nodes, struct arena *a, struct flame *out);

/*
 * Two trees side by side (pyroscope-query.md §2.11: nodes aligned by name, tuples dx, total, self of the left, the same of
 * the right, name).  One cut for both: a node counts with the larger of its totals, the root is one of the max_nodes, and a
 * function called `other` is always shown.  Everything is in `a`, names too.
 */
void flame_diff(const struct tree *left, const struct tree *right, int64_t max_nodes, struct arena *a,
                struct flame *out);

/*
 * The same cut as format TREE (nothing for an empty tree): a function called `other` stays and takes in what was cut beside
 * it, where a graph folds it into its parent's leaf.
 */
void flame_tree_bytes(const struct tree *t, int64_t max_nodes, struct buf *out);
