/*
 * Cut: which nodes of a tree are shown.  Inside query/ only.
 *
 *     the max_nodes largest totals --> the smallest of them is `least` --> every child with total >= least is shown, so
 *     ties may exceed max_nodes; what one parent does not show is summed
 *
 * C1  Totals fall towards the leaves, so what is shown is closed under parents.
 * C2  Children come sorted bytewise by name; nodes with total 0 do not exist.
 */
#pragma once

#include "model/tree.h"

struct cut {
    const struct tree *tree;
    int64_t           *total; /* [n] */
    uint32_t          *first; /* [n + 1]: children of i are child[first[i], first[i + 1]) */
    uint32_t          *child;
    int64_t            least;
    uint32_t           other; /* the id of the name "other"; UINT32_MAX: nobody has it */
};

/* max_nodes <= 0: everything is shown. */
void cut_init(struct cut *c, const struct tree *t, int64_t max_nodes);

/* By other totals than those of the tree: `total` [t->n] is taken.  They must fall towards the leaves (C1). */
void cut_init_by(struct cut *c, const struct tree *t, int64_t *total, int64_t least);

/* The max_nodes-th largest of n totals; 0 when there are no more than that, or all are shown. */
int64_t cut_least(const int64_t *total, uint32_t n, int64_t max_nodes);
void    cut_fini(struct cut *c);

struct cut_children {
    const uint32_t *at; /* [n], and behind them [n_cut]: the others */
    uint32_t        n, n_cut;
    int64_t         rest; /* the totals of the others */
};

/*
 * What is shown below `node`.  A child called `other` is shown (whole) when keeps_other, and else part of the rest: the two
 * answers differ in that.  Call it once for each node: the list is sorted in place.
 */
struct cut_children cut_children(struct cut *c, uint32_t node, bool keeps_other);
