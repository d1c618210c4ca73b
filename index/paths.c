#include "index/paths.h"

#include "base/hash.h"
#include "index/table.h"

void paths_init(struct paths *p, struct slab *s)
{
    *p = (struct paths){ 0 };
    vec_init(&p->nodes, sizeof(struct path), 3);
    vec_add(&p->nodes, s, &(struct path){ 0 });
}

void paths_free(struct paths *p, struct slab *s) { slab_give(s, p->edges, p->cap * sizeof *p->edges); }

/*
 * Nodes are fewer than slots, so the upper bits of a slot are free: they hold bits of the hash, other than those that chose
 * the slot.  A search passes over strangers without a look at their nodes.
 */
static uint32_t node_bits(uint32_t cap) { return 32 - (uint32_t)__builtin_clz(cap); } /* at most 31: VEC_MAX */

static uint32_t edge_tag(uint32_t parent, uint32_t key) { return table_tag(hash_pair(parent, key)); }

static uint32_t slot_after(uint32_t slot, uint32_t cap) { return slot + 1 == cap ? 0 : slot + 1; }

/* False: there is one like it. */
static bool edge_put(struct paths *p, uint32_t node, struct path at)
{
    uint32_t tag = edge_tag(at.parent, at.key), bits = node_bits(p->cap), slot = table_home(tag, p->cap);
    bool     is_first = true;

    for (uint32_t edge; (edge = p->edges[slot]) != 0; slot = slot_after(slot, p->cap)) {
        if ((edge ^ tag << bits) >> bits != 0)
            continue;
        struct path like = paths_at(p, edge ^ tag << bits);
        is_first &= like.parent != at.parent || like.key != at.key;
    }
    p->edges[slot] = tag << bits | node;
    return is_first;
}

/* All of it can be computed from the nodes.  False: there is one twice. */
static bool edges_make(struct paths *p, struct slab *s, uint32_t cap)
{
    uint32_t n = vec_n(&p->nodes), run;
    bool     is_each_once = true;

    slab_give(s, p->edges, p->cap * sizeof *p->edges);
    p->edges = slab_take(s, cap * sizeof *p->edges);
    p->cap = cap;
    for (uint32_t i = 1; i < n; i += run) {
        const struct path *at = vec_run(&p->nodes, i, n, &run);
        for (uint32_t k = 0; k < run; k++)
            is_each_once &= edge_put(p, i + k, at[k]);
    }
    return is_each_once;
}

bool paths_index(struct paths *p, struct slab *s)
{
    return edges_make(p, s, table_cap_filled(p->cap, vec_n(&p->nodes)));
}

void paths_reserve(struct paths *p, struct slab *s, size_t more)
{
    uint32_t cap = table_cap_filled(p->cap, vec_n(&p->nodes) + (uint64_t)more);

    if (cap != p->cap)
        edges_make(p, s, cap);
}

/* The slot of the child, or the free one where it would be put. */
static uint32_t *edge_find(const struct paths *p, uint32_t parent, uint32_t key, uint32_t tag)
{
    uint32_t bits = node_bits(p->cap), slot = table_home(tag, p->cap);

    for (uint32_t edge; (edge = p->edges[slot]) != 0; slot = slot_after(slot, p->cap)) {
        if ((edge ^ tag << bits) >> bits != 0)
            continue;
        struct path at = paths_at(p, edge ^ tag << bits);
        if (at.parent == parent && at.key == key)
            break;
    }
    return &p->edges[slot];
}

uint32_t paths_child(struct paths *p, struct slab *s, uint32_t parent, uint32_t key, bool *is_new)
{
    uint32_t n = vec_n(&p->nodes), cap = table_cap(p->cap, n), tag = edge_tag(parent, key);

    assert(parent < n);
    if (cap != p->cap)
        edges_make(p, s, cap);
    uint32_t *edge = edge_find(p, parent, key, tag), high = tag << node_bits(cap);
    *is_new = *edge == 0;
    if (*is_new)
        *edge = high | vec_add(&p->nodes, s, &(struct path){ parent, key });
    return *edge ^ high;
}

bool paths_find(const struct paths *p, uint32_t parent, uint32_t key, uint32_t *child)
{
    if (p->cap == 0)
        return false;
    uint32_t tag = edge_tag(parent, key), edge = *edge_find(p, parent, key, tag);
    if (edge != 0)
        *child = edge ^ tag << node_bits(p->cap);
    return edge != 0;
}

void paths_warm(const struct paths *p, uint32_t parent, uint32_t key)
{
    if (p->cap > 0)
        __builtin_prefetch(&p->edges[table_home(edge_tag(parent, key), p->cap)]);
}

size_t paths_cost(const struct paths *p, size_t more)
{
    if (vec_n(&p->nodes) + (uint64_t)more >= VEC_MAX)
        return COST_OF_TOO_MANY;
    uint32_t cap = table_cap(p->cap, vec_n(&p->nodes) + (uint64_t)more);
    return vec_cost(&p->nodes, more) + (cap == p->cap ? 0 : cap * sizeof *p->edges);
}
