#include "index/call_site.h"

/* How many names the path of a function node matches; OFF: it left the site. */
enum { OFF = UINT16_MAX, NAMES_MAX = UINT16_MAX - 1 };

static uint16_t *depths(const struct group *g, const struct slice *names, size_t n, struct arena *a)
{
    const struct vec *nodes = &g->stacks.functions.nodes;
    uint32_t          n_nodes = vec_n(nodes), run;
    uint16_t         *depth = arena_array(a, n_nodes, sizeof *depth);

    depth[0] = 0;
    for (uint32_t i = 1; i < n_nodes; i += run) {
        const struct path *at = vec_run(nodes, i, n_nodes, &run);
        for (uint32_t k = 0; k < run; k++) {
            uint16_t above = depth[at[k].parent], mine = above;
            if (above < n) /* neither OFF nor at the site already */
                mine = slice_eq(symtab_text(&g->symtab, at[k].key), names[above]) ? (uint16_t)(above + 1) : OFF;
            depth[i + k] = mine;
        }
    }
    return depth;
}

const bool *call_site_stacks(const struct group *g, uint32_t n_stacks, const struct slice *names, size_t n, struct arena *a)
{
    bool           *passes = arena_zalloc(a, n_stacks);
    const uint16_t *depth;
    uint32_t        run;

    assert(n > 0);
    if (n > NAMES_MAX)
        return passes; /* deeper than any stack */
    depth = depths(g, names, n, a);
    for (uint32_t i = 0; i < n_stacks; i += run) {
        const struct stack *at = vec_run(&g->stacks.all, i, n_stacks, &run);
        for (uint32_t k = 0; k < run; k++)
            passes[i + k] = depth[at[k].function] == n;
    }
    return passes;
}
