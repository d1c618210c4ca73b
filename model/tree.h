/*
 * Tree: function names (for a pprof: locations) under a nameless root, with the value each has by itself.  The answer to a
 * merge query, whole.
 *
 *      node 0 (root) <-- 1 "main" <-- 2 "work" <-- 3 "read"          parent[], name[], self[]
 *
 * T1  parent[i] < i for every i > 0, so one pass from the last node to the first turns selfs into totals.
 * T2  No two children of one node have the same name: merging is by name, never by id.
 * T3  self >= 0; sums saturate at INT64_MAX and set `is_clamped`.
 *
 * Readers walk up; only tree_child looks down, by a hash on (parent, name).  One thread.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "model/strset.h"

struct tree {
    uint32_t             n, cap; /* nodes, root included: at least 1; room for them */
    uint32_t            *parent, *name;
    int64_t             *self;
    struct strset       *names;
    bool                 is_clamped;
    struct tree_private *priv;
};

struct tree *tree_new(void);
void         tree_free(struct tree *t); /* NULL is fine */

uint32_t tree_name(struct tree *t, struct slice name); /* its id in t->names */
size_t   tree_name_bytes(const struct tree *t);        /* what the names take */

/* The child of `parent` called `name` (an id of t->names), made with self 0 when missing. */
uint32_t tree_child(struct tree *t, uint32_t parent, uint32_t name);

void tree_reserve(struct tree *t, uint32_t more); /* room for so many new nodes, so that growing does not copy */

/* A new child of `parent`, which the caller knows to have none called `name` (T2): no lookup. */
static inline uint32_t tree_grow(struct tree *t, uint32_t parent, uint32_t name)
{
    uint32_t node = t->n;

    assert(parent < node); /* T1: it was here before */
    if (node == t->cap)
        tree_reserve(t, 1);
    t->parent[node] = parent;
    t->name[node] = name;
    t->self[node] = 0;
    t->n = node + 1;
    return node;
}

void tree_add(struct tree *t, uint32_t node, int64_t value); /* value >= 0 */
void tree_merge(struct tree *into, const struct tree *from);

/* totals[n]: each node's self and all below. */
void tree_totals(const struct tree *t, int64_t *totals);

/*
 * The one encoding between nodes of a cluster: uvarint n_names, {uvarint length, bytes}..., uvarint n_nodes, {uvarint
 * i - parent, uvarint name, uvarint self} for i = 1...  Decoding checks T1, bounds and sizes before it allocates.
 */
void                 tree_encode(const struct tree *t, struct buf *out);
must_check enum code tree_decode(struct slice bytes, struct tree *into, struct fault *why); /* merged into */
