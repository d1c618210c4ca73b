/*
 * Block tree: the nodes of a path tree (index/paths.h) in the order that a block keeps them in, and back.
 *
 *     a  b  c  d ...   depth first, children by key: a node's parent is the one before it, or some levels up from there
 *
 * Most nodes are the first child of the one before, so `up` is mostly 0.
 */
#pragma once

#include "index/block_priv.h"
#include "index/paths.h"

struct block_tree {
    uint32_t *up, *key; /* [n - 1] of all but the root, in their new order; owned */
    uint32_t *place;    /* [n] of each node as it was: its new place; owned */
    uint32_t  n;
};

/* `renamed`: what each key is called in the block; NULL: as it was. */
struct block_tree block_tree_sort(const struct vec *nodes, const uint32_t *renamed, uint32_t n_keys);

/* The nodes again, the root included, to nodes[0, up->n + 1). */
void block_tree_read(const struct section *up, const struct section *key, struct path *nodes);
