#include "index/stacks.h"

#include "base/hash.h"

enum { GROUP = 16 };

/*
 * The stack that was added before, node by node from the root: neighbours in a profile share much of their path, which is
 * then neither walked nor verified again.
 */
struct trail {
    uint32_t       *nodes; /* nodes[d]: the location node at depth d */
    uint32_t        n;
    const uint32_t *locations;
};

void stacks_init(struct stacks *k, struct slab *s)
{
    *k = (struct stacks){ 0 };
    paths_init(&k->locations, s);
    paths_init(&k->functions, s);
    vec_init(&k->function_of, sizeof(uint32_t), 3);
    vec_add(&k->function_of, s, &(uint32_t){ 0 }); /* the roots belong together */
    vec_init(&k->all, sizeof(struct stack), 3);
}

void stacks_free(struct stacks *k, struct slab *s)
{
    paths_free(&k->locations, s);
    paths_free(&k->functions, s);
    table_free(&k->ids, s);
}

/*
 * Exact, without trust in hashes: the path read upwards is the list.  Below depth `shared` nodes are compared; there the
 * trail has the node that the rest of the list, which is that of the stack before, leads to.
 */
static bool stack_is(const struct stacks *k, uint32_t i, struct trail *trail, uint32_t shared,
                     const uint32_t *locations, uint32_t n)
{
    uint32_t node = ((const struct stack *)vec_at(&k->all, i))->location;

    struct vec_segment at = { 0 };

    for (uint32_t depth = n; depth > shared; depth--) {
        if (node - at.first >= at.n) /* chains are made at once, so most parents lie close by */
            at = vec_segment(&k->locations.nodes, node);
        struct path p = ((const struct path *)at.items)[node - at.first];
        if (node == 0 || p.key != locations[n - depth])
            return false;
        trail->nodes[depth] = node;
        node = p.parent;
    }
    return node == trail->nodes[shared];
}

/* How much of the path from the root is that of the stack before. */
static uint32_t trail_shared(const struct trail *trail, const uint32_t *locations, uint32_t n)
{
    uint32_t most = n < trail->n ? n : trail->n, shared = 0;

    while (shared < most && locations[n - 1 - shared] == trail->locations[trail->n - 1 - shared])
        shared++;
    return shared;
}

/* The frames of one location below function node `at`. */
static uint32_t frames_below(struct stacks *k, struct slab *s, const struct symtab *t, uint32_t at, uint32_t location)
{
    const struct symbol_location *l = vec_at(&t->locations, location);
    bool                          is_new;

    if (l->n_lines == 0)
        return paths_child(&k->functions, s, at, l->line_at, &is_new);
    for (uint32_t i = l->n_lines; i > 0; i--) {
        const struct symbol_line     *line = vec_at(&t->lines, l->line_at + i - 1);
        const struct symbol_function *f = vec_at(&t->functions, line->function);
        at = paths_child(&k->functions, s, at, f->name, &is_new);
    }
    return at;
}

/* The child of location node `parent`, made with its function nodes when missing. */
static uint32_t node_below(struct stacks *k, struct slab *s, const struct symtab *t, uint32_t parent, uint32_t location)
{
    bool     is_new;
    uint32_t node = paths_child(&k->locations, s, parent, location, &is_new);

    if (is_new) {
        uint32_t below = frames_below(k, s, t, vec_u32(&k->function_of, parent), location);
        vec_add(&k->function_of, s, &below);
    }
    return node;
}

static uint32_t stack_add(struct stacks *k, struct slab *s, const struct symtab *t, struct trail *trail,
                          const uint32_t *locations, uint32_t n, uint64_t hash)
{
    struct table_walk w = table_walk(&k->ids, hash);
    uint32_t          i, shared = trail_shared(trail, locations, n);

    trail->n = n;
    trail->locations = locations;
    while (table_next(&k->ids, &w, &i))
        if (stack_is(k, i, trail, shared, locations, n))
            return i;
    for (uint32_t depth = shared; depth < n; depth++)
        trail->nodes[depth + 1] = node_below(k, s, t, trail->nodes[depth], locations[n - 1 - depth]);
    i = vec_add(&k->all, s, &(struct stack){ trail->nodes[n], vec_u32(&k->function_of, trail->nodes[n]) });
    table_put(&k->ids, s, hash, i);
    return i;
}

/* Asks for the leaves of the stacks found under hashes whose slots have been asked for. */
static void leaves_warm(const struct stacks *k, const uint64_t *hashes, uint32_t n)
{
    const struct stack *found[GROUP];
    uint32_t            n_found = 0, i;

    for (uint32_t j = 0; j < n; j++)
        if (table_peek(&k->ids, hashes[j], &i)) {
            found[n_found] = vec_at(&k->all, i);
            __builtin_prefetch(found[n_found++]);
        }
    for (uint32_t j = 0; j < n_found; j++)
        __builtin_prefetch(vec_at(&k->locations.nodes, found[j]->location));
}

void stacks_add(struct stacks *k, struct slab *s, const struct symtab *t, const struct stack_list *list, uint32_t *scratch,
                uint32_t *ids)
{
    struct trail trail = { .nodes = scratch };
    uint64_t     hashes[GROUP];
    uint32_t     depths[GROUP], from = 0, warm_from = 0;

    trail.nodes[0] = 0;
    for (uint32_t at = 0, m; at < list->n; at += m) {
        m = list->n - at < GROUP ? list->n - at : GROUP;
        for (uint32_t j = 0; j < m; j++) {
            depths[j] = list->ends[at + j] - warm_from;
            hashes[j] = depths[j] > 0 ? hash64(list->locations + warm_from, depths[j] * sizeof *list->locations) : 0;
            table_warm(&k->ids, hashes[j]);
            warm_from = list->ends[at + j];
        }
        leaves_warm(k, hashes, m);
        for (uint32_t j = 0; j < m; from += depths[j++])
            ids[at + j] = stack_add(k, s, t, &trail, list->locations + from, depths[j], hashes[j]);
    }
}

size_t stacks_cost(const struct stacks *k, size_t stacks, size_t nodes, size_t frames)
{
    return paths_cost(&k->locations, nodes) + vec_cost(&k->function_of, nodes) + paths_cost(&k->functions, frames) +
           vec_cost(&k->all, stacks) + table_cost(&k->ids, stacks);
}
