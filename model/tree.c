#include "model/tree.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"

struct tree_private {
    struct arena *arena; /* the names */
    uint32_t      mask;  /* of slot[]: a power of two less one, at most half full */
    uint32_t     *slot;  /* a node (never the root), found by (parent, name); 0 is free */
    uint32_t hashed; /* nodes [1, hashed) have a slot; those behind were grown and get theirs when one is looked up */
};

enum { NODES_FIRST = 64, NODES_MAX = 1u << 30 };

static void nodes_resize(struct tree *t, uint32_t cap)
{
    t->parent = mem_resize(t->parent, cap * sizeof *t->parent);
    t->name = mem_resize(t->name, cap * sizeof *t->name);
    t->self = mem_resize(t->self, cap * sizeof *t->self);
    t->cap = cap;
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

/* For a node that is not there: only a free slot is looked for. */
static void slot_take(const struct tree *t, uint32_t node)
{
    const struct tree_private *p = t->priv;
    uint32_t                   i = (uint32_t)hash_pair(t->parent[node], t->name[node]) & p->mask;

    while (p->slot[i] != 0)
        i = (i + 1) & p->mask;
    p->slot[i] = node;
}

/* Every node has a slot, and at most half of the slots are taken. */
static void slots_fill(struct tree *t)
{
    struct tree_private *p = t->priv;

    if (t->n * UINT64_C(2) > p->mask) {
        uint32_t n = p->mask + 1;
        while (t->n * UINT64_C(2) > n - 1)
            n *= 2;
        free(p->slot);
        p->slot = mem_alloc((size_t)n * sizeof *p->slot);
        memset(p->slot, 0, (size_t)n * sizeof *p->slot); /* cheaper than the new pages that a large calloc takes */
        p->mask = n - 1;
        p->hashed = 1;
    }
    for (; p->hashed < t->n; p->hashed++)
        slot_take(t, p->hashed);
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
    t->n = t->priv->hashed = 1;
    t->priv->slot = mem_zalloc(NODES_FIRST * 2 * sizeof *t->priv->slot);
    t->priv->mask = NODES_FIRST * 2 - 1;
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

size_t tree_name_bytes(const struct tree *t) { return arena_bytes(t->priv->arena); }

void tree_reserve(struct tree *t, uint32_t more)
{
    uint64_t need = (uint64_t)t->n + more, cap = t->cap;

    assert(need <= NODES_MAX);
    if (need > cap)
        nodes_resize(t, (uint32_t)(need < cap * 2 ? cap * 2 : need));
}

uint32_t tree_child(struct tree *t, uint32_t parent, uint32_t name)
{
    assert(parent < t->n && name < strset_n(t->names));
    if (t->priv->hashed < t->n)
        slots_fill(t);
    uint32_t node = *slot_of(t, parent, name);
    return node != 0 ? node : tree_grow(t, parent, name);
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

/* What grows on a node that is itself new can only be new. */
void tree_merge(struct tree *into, const struct tree *from)
{
    uint32_t *node = mem_alloc(from->n * sizeof *node); /* from's nodes and names in `into` */
    uint32_t  n_names = strset_n(from->names), had = into->n;
    uint32_t *name = mem_alloc(n_names * sizeof *name);

    assert(into != from);
    for (uint32_t i = 0; i < n_names; i++)
        name[i] = tree_name(into, strset_at(from->names, i));
    node[0] = 0;
    tree_add(into, 0, from->self[0]);
    for (uint32_t i = 1; i < from->n; i++) {
        uint32_t parent = node[from->parent[i]];
        bool     is_new = parent >= had || had == 1;
        node[i] = is_new ? tree_grow(into, parent, name[from->name[i]]) : tree_child(into, parent, name[from->name[i]]);
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
