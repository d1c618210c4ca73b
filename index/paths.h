/*
 * Paths: a tree of parent pointers.  A path is its last node; readers walk up, only the writer ever looks down.
 *
 *     0 (root) <-- 1 key 7 <-- 2 key 9          nodes[]: { parent, key }
 *                     ^------- 3 key 4
 *
 * P1  parent[i] < i for every i > 0: one pass from the last node to the first adds up, one from the first spreads down.
 * P2  No two children of a node have the same key.
 * P3  Nodes are published by their vec; the edges, by which the writer finds a child, are its own.
 */
#pragma once

#include <stdbool.h>

#include "index/vec.h"

struct path {
    uint32_t parent, key;
};

struct paths {
    struct vec nodes; /* struct path */
    uint32_t  *edges; /* by a hash of (parent, key): the node in the low bits, more of the hash above; 0: free */
    uint32_t   cap;
};

void paths_init(struct paths *p, struct slab *s);
void paths_free(struct paths *p, struct slab *s);

/* The child of `parent` under `key`; *is_new when it was made. */
uint32_t paths_child(struct paths *p, struct slab *s, uint32_t parent, uint32_t key, bool *is_new);

/* The child, if it is there; who has many to look for asks memory for all their places first. */
bool paths_find(const struct paths *p, uint32_t parent, uint32_t key, uint32_t *child);
void paths_warm(const struct paths *p, uint32_t parent, uint32_t key);

/* No child of so many grows the edges. */
void paths_reserve(struct paths *p, struct slab *s, size_t more);

/* Nodes were added to the vec itself, P1 kept: their edges are made.  False: P2 is not. */
bool paths_index(struct paths *p, struct slab *s);

size_t paths_cost(const struct paths *p, size_t more);

static inline struct path paths_at(const struct paths *p, uint32_t node)
{
    return *(const struct path *)vec_at(&p->nodes, node);
}
