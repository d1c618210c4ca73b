#include "index/stacks.h"

#include <string.h>

#include "base/hash.h"

enum { GROUP = 16, SEEN_MIN = 64, SEEN_MAX = 1 << 13 };

/* That the path of a node is locations[0, n). */
struct seen {
    uint32_t        node, n;
    const uint32_t *locations;
};

/*
 * What one call of stacks_add knows.  Stacks of a profile share most of their paths: a node that was verified for one of them
 * is not walked again for the others, their lists are compared instead.
 */
struct add {
    struct stacks       *k;
    struct slab         *s;
    const struct symtab *t;
    struct seen         *seen; /* [mask + 1], by node */
    uint32_t             mask;
    const uint32_t      *before; /* the stack that was added before */
    uint32_t             n_before, before_stack;
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

/* Takes back what a walk from `leaf` to `end` has claimed. */
static void path_forget(struct add *x, uint32_t leaf, uint32_t end)
{
    for (; leaf != end; leaf = paths_at(&x->k->locations, leaf).parent)
        x->seen[leaf & x->mask].node = 0;
}

/* Exact, without trust in hashes: the path read upwards is the list. */
static bool path_is(struct add *x, uint32_t leaf, const uint32_t *locations, uint32_t n)
{
    uint32_t node = leaf;

    for (; n > 0 && node != 0; n--, locations++) {
        struct seen *seen = &x->seen[node & x->mask];
        if (seen->node == node) {
            if (seen->n == n && memcmp(seen->locations, locations, n * sizeof *locations) == 0)
                return true;
            break;
        }
        struct path p = paths_at(&x->k->locations, node);
        if (p.key != *locations)
            break;
        *seen = (struct seen){ node, n, locations }; /* so it will be, or it is taken back */
        node = p.parent;
    }
    if (n == 0 && node == 0)
        return true;
    path_forget(x, leaf, node);
    return false;
}

/* The node that a list of which the last `n` are those of the stack before has in common with it. */
static uint32_t node_shared(const struct add *x, const uint32_t *locations, uint32_t n, uint32_t *shared)
{
    uint32_t most = n < x->n_before ? n : x->n_before, node = 0;

    if (x->before != NULL)
        node = ((const struct stack *)vec_at(&x->k->all, x->before_stack))->location;
    for (*shared = 0; *shared < most; ++*shared)
        if (locations[n - 1 - *shared] != x->before[x->n_before - 1 - *shared])
            break;
    for (uint32_t depth = x->n_before; depth > *shared; depth--)
        node = paths_at(&x->k->locations, node).parent;
    return node;
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

static uint32_t stack_make(struct add *x, const uint32_t *locations, uint32_t n, uint64_t hash)
{
    struct stacks *k = x->k;
    uint32_t       shared, node = node_shared(x, locations, n, &shared);

    for (uint32_t left = n - shared; left > 0; left--)
        node = node_below(k, x->s, x->t, node, locations[left - 1]);
    uint32_t i = vec_add(&k->all, x->s, &(struct stack){ node, vec_u32(&k->function_of, node) });
    table_put(&k->ids, x->s, hash, i);
    return i;
}

static uint32_t stack_find(struct add *x, const uint32_t *locations, uint32_t n, uint64_t hash)
{
    struct table_walk w = table_walk(&x->k->ids, hash);
    uint32_t          i;

    while (table_next(&x->k->ids, &w, &i))
        if (path_is(x, ((const struct stack *)vec_at(&x->k->all, i))->location, locations, n))
            return i;
    return stack_make(x, locations, n, hash);
}

/* Asks for the leaves of the stacks found under hashes whose slots have been asked for. */
static void leaves_warm(const struct stacks *k, const uint64_t *hashes, uint32_t n, const struct stack **found,
                        uint32_t *ids)
{
    for (uint32_t j = 0; j < n; j++) {
        found[j] = table_peek(&k->ids, hashes[j], &ids[j]) ? vec_at(&k->all, ids[j]) : NULL;
        if (found[j] != NULL)
            __builtin_prefetch(found[j]);
    }
    for (uint32_t j = 0; j < n; j++)
        if (found[j] != NULL)
            __builtin_prefetch(vec_at(&k->locations.nodes, found[j]->location));
}

static void seen_init(struct add *x, uint32_t n_stacks, struct arena *scratch)
{
    uint32_t n = SEEN_MIN;

    while (n < SEEN_MAX && n / 2 < n_stacks)
        n *= 2;
    x->seen = arena_zalloc(scratch, n * sizeof *x->seen);
    x->mask = n - 1;
}

void stacks_add(struct stacks *k, struct slab *s, const struct symtab *t, const struct stack_list *list,
                struct arena *scratch, uint32_t *ids)
{
    struct add          x = { .k = k, .s = s, .t = t };
    uint64_t            hashes[GROUP];
    uint32_t            depths[GROUP], from = 0, warm_from = 0;
    const struct stack *found[GROUP];

    seen_init(&x, list->n, scratch);
    for (uint32_t at = 0, m; at < list->n; at += m) {
        m = list->n - at < GROUP ? list->n - at : GROUP;
        for (uint32_t j = 0; j < m; j++) {
            depths[j] = list->ends[at + j] - warm_from;
            hashes[j] = depths[j] > 0 ? hash64(list->locations + warm_from, depths[j] * sizeof *list->locations) : 0;
            table_warm(&k->ids, hashes[j]);
            warm_from = list->ends[at + j];
        }
        leaves_warm(k, hashes, m, found, ids + at);
        for (uint32_t j = 0; j < m; from += depths[j++]) {
            const uint32_t *locations = list->locations + from;
            if (found[j] == NULL || !path_is(&x, found[j]->location, locations, depths[j]))
                ids[at + j] = stack_find(&x, locations, depths[j], hashes[j]);
            x.before = locations;
            x.n_before = depths[j];
            x.before_stack = ids[at + j];
        }
    }
}

size_t stacks_cost(const struct stacks *k, size_t stacks, size_t nodes, size_t frames)
{
    return paths_cost(&k->locations, nodes) + vec_cost(&k->function_of, nodes) + paths_cost(&k->functions, frames) +
           vec_cost(&k->all, stacks) + table_cost(&k->ids, stacks);
}
