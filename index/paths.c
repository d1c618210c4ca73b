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

static uint32_t edge_home(uint32_t parent, uint32_t key, uint32_t cap)
{
    return table_home(table_tag(hash_pair(parent, key)), cap);
}

static void paths_grow(struct paths *p, struct slab *s, uint32_t cap)
{
    uint32_t n = vec_n(&p->nodes), run;

    slab_give(s, p->edges, p->cap * sizeof *p->edges); /* all of it can be computed again from the nodes */
    p->edges = slab_take(s, cap * sizeof *p->edges);
    p->cap = cap;
    for (uint32_t i = 1; i < n; i += run) {
        const struct path *at = vec_run(&p->nodes, i, n, &run);
        for (uint32_t k = 0; k < run; k++) {
            uint32_t slot = edge_home(at[k].parent, at[k].key, cap);
            while (p->edges[slot] != 0)
                slot = slot + 1 == cap ? 0 : slot + 1;
            p->edges[slot] = i + k;
        }
    }
}

uint32_t paths_child(struct paths *p, struct slab *s, uint32_t parent, uint32_t key, bool *is_new)
{
    uint32_t n = vec_n(&p->nodes), cap = table_cap(p->cap, n);

    assert(parent < n);
    if (cap != p->cap)
        paths_grow(p, s, cap);
    uint32_t slot = edge_home(parent, key, cap);
    for (; p->edges[slot] != 0; slot = slot + 1 == cap ? 0 : slot + 1) {
        struct path at = paths_at(p, p->edges[slot]);
        if (at.parent == parent && at.key == key) {
            *is_new = false;
            return p->edges[slot];
        }
    }
    *is_new = true;
    return p->edges[slot] = vec_add(&p->nodes, s, &(struct path){ parent, key });
}

size_t paths_cost(const struct paths *p, size_t more)
{
    if (vec_n(&p->nodes) + (uint64_t)more >= VEC_MAX)
        return COST_OF_TOO_MANY;
    uint32_t cap = table_cap(p->cap, vec_n(&p->nodes) + (uint64_t)more);
    return vec_cost(&p->nodes, more) + (cap == p->cap ? 0 : cap * sizeof *p->edges);
}
