#include "model/tree.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"

struct tree_private {
    struct arena *arena; /* the names */
    uint32_t      cap;   /* of the node arrays */
    uint32_t      mask;  /* of slot[]: a power of two less one, at most half full */
    uint32_t     *slot;  /* a node (never the root), found by (parent, name); 0 is free */
};

enum { NODES_FIRST = 64, NODES_MAX = 1u << 30 };

static void nodes_resize(struct tree *t, uint32_t cap)
{
    t->parent = mem_resize(t->parent, cap * sizeof *t->parent);
    t->name = mem_resize(t->name, cap * sizeof *t->name);
    t->self = mem_resize(t->self, cap * sizeof *t->self);
    t->priv->cap = cap;
}

static uint32_t *slot_of(const struct tree *t, uint32_t parent, uint32_t name)
{
    const struct tree_private *p = t->priv;
    uint32_t                   i = (uint32_t)hash_pair(parent, name) & p->mask;

    for (;; i = (i + 1) & p->mask) {
        uint32_t node = p->slot[i];
        if (node == 0 || (t->parent[node] == parent && t->name[node] == name))
            return &p->slot[i];
    }
}

static void slots_grow(struct tree *t, uint32_t n)
{
    free(t->priv->slot);
    t->priv->slot = mem_zalloc((size_t)n * sizeof *t->priv->slot);
    t->priv->mask = n - 1;
    for (uint32_t node = 1; node < t->n; node++)
        *slot_of(t, t->parent[node], t->name[node]) = node;
}

struct tree *tree_new(void)
{
    struct tree *t = mem_zalloc(sizeof *t);

    t->priv = mem_zalloc(sizeof *t->priv);
    t->priv->arena = arena_new(0);
    t->names = strset_new(t->priv->arena);
    nodes_resize(t, NODES_FIRST);
    t->parent[0] = 0;
    t->name[0] = strset_add(t->names, SLICE(""));
    t->self[0] = 0;
    t->n = 1;
    slots_grow(t, NODES_FIRST * 2);
    return t;
}

void tree_free(struct tree *t)
{
    if (t == NULL)
        return;
    arena_free(t->priv->arena);
    free(t->priv->slot);
    free(t->priv);
    free(t->parent);
    free(t->name);
    free(t->self);
    free(t);
}

uint32_t tree_name(struct tree *t, struct slice name) { return strset_add(t->names, name); }

uint32_t tree_child(struct tree *t, uint32_t parent, uint32_t name)
{
    assert(parent < t->n && name < strset_n(t->names));
    uint32_t *slot = slot_of(t, parent, name);
    if (*slot != 0)
        return *slot;

    uint32_t node = t->n;
    assert(node < NODES_MAX);
    if (node == t->priv->cap)
        nodes_resize(t, node * 2);
    t->parent[node] = parent; /* T1: the parent was here before */
    t->name[node] = name;
    t->self[node] = 0;
    t->n = node + 1;
    *slot = node;
    if (t->n * 2 > t->priv->mask)
        slots_grow(t, (t->priv->mask + 1) * 2);
    return node;
}

/* a + b of two counts; INT64_MAX when that is too much (T3). */
static int64_t sum(int64_t a, int64_t b, bool *is_clamped)
{
    int64_t s;

    if (!__builtin_add_overflow(a, b, &s))
        return s;
    *is_clamped = true;
    return INT64_MAX;
}

void tree_add(struct tree *t, uint32_t node, int64_t value)
{
    assert(node < t->n && value >= 0);
    t->self[node] = sum(t->self[node], value, &t->is_clamped);
}

void tree_merge(struct tree *into, const struct tree *from)
{
    uint32_t *node = mem_alloc(from->n * sizeof *node); /* from's nodes and names in `into` */
    uint32_t  n_names = strset_n(from->names);
    uint32_t *name = mem_alloc(n_names * sizeof *name);

    assert(into != from);
    for (uint32_t i = 0; i < n_names; i++)
        name[i] = tree_name(into, strset_at(from->names, i));
    node[0] = 0;
    tree_add(into, 0, from->self[0]);
    for (uint32_t i = 1; i < from->n; i++) {
        node[i] = tree_child(into, node[from->parent[i]], name[from->name[i]]);
        tree_add(into, node[i], from->self[i]);
    }
    into->is_clamped |= from->is_clamped;
    free(name);
    free(node);
}

void tree_totals(const struct tree *t, int64_t *totals)
{
    bool is_clamped = false; /* what is shown says so by being INT64_MAX */

    memcpy(totals, t->self, t->n * sizeof *totals);
    for (uint32_t i = t->n; --i > 0;)
        totals[t->parent[i]] = sum(totals[t->parent[i]], totals[i], &is_clamped);
}
