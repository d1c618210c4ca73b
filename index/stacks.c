#include "index/stacks.h"

#include <string.h>

#include "base/hash.h"

enum { GROUP = 32, SEEN_MIN = 64, SEEN_MAX = 1 << 15 };
#define HASH_STEP 0xD6E8FEB86659FD93u

/* That the path of a node is the n locations from `at` on of the list. */
struct seen {
    uint32_t node, at, n;
};

/*
 * What one call of stacks_add knows.  Stacks of a profile share most of their paths: a node that was verified for one of them
 * is not walked again for the others, their lists are compared instead.
 */
struct add {
    struct stacks           *k;
    struct slab             *s;
    const struct symtab     *t;
    const struct stack_list *list;
    struct seen             *seen; /* [mask + 1], by node */
    uint32_t                 mask;
    uint32_t                 stack; /* the one before */
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
uint32_t stacks_node(struct stacks *k, struct slab *s, const struct symtab *t, uint32_t parent, uint32_t location,
                     bool *is_new)
{
    uint32_t node = paths_child(&k->locations, s, parent, location, is_new);

    if (*is_new) {
        uint32_t below = frames_below(k, s, t, vec_u32(&k->function_of, parent), location);
        vec_add(&k->function_of, s, &below);
    }
    return node;
}

static uint32_t begin_of(const struct stack_list *list, uint32_t i) { return i ? list->ends[i - 1] : 0; }

static uint32_t location_at(const struct add *x, uint32_t at) { return x->list->of[x->list->locations[at]]; }

/* Of what the stack is in the bucket; four sums side by side, as none then waits for the one before. */
static uint64_t stack_hash(const struct add *x, uint32_t i)
{
    uint32_t begin = begin_of(x->list, i), n = x->list->ends[i] - begin, k = 0;
    uint64_t sum[4] = { n };

    for (; k + 4 <= n; k += 4)
        for (uint32_t j = 0; j < 4; j++)
            sum[j] = (sum[j] + location_at(x, begin + k + j)) * HASH_STEP;
    for (; k < n; k++)
        sum[k % 4] = (sum[k % 4] + location_at(x, begin + k)) * HASH_STEP;
    return hash_pair(hash_pair(sum[0], sum[1]), hash_pair(sum[2], sum[3]));
}

/* Takes back what a walk from `leaf` to `end` has claimed. */
static void path_forget(struct add *x, uint32_t leaf, uint32_t end)
{
    for (struct climb c = climb_from(&x->k->locations, leaf); c.node != end; climb_up(&x->k->locations, &c))
        x->seen[c.node & x->mask].node = 0;
}

static bool seen_is(const struct add *x, const struct seen *seen, uint32_t node, uint32_t at, uint32_t n)
{
    const uint32_t *locations = x->list->locations;

    return seen->node == node && seen->n == n &&
           memcmp(locations + seen->at, locations + at, n * sizeof *locations) == 0;
}

/* Exact, without trust in hashes: the path read upwards is stack i. */
static bool path_is(struct add *x, uint32_t leaf, uint32_t i)
{
    const struct paths *paths = &x->k->locations;
    struct climb        c = climb_from(paths, leaf);
    uint32_t            at = begin_of(x->list, i), end = x->list->ends[i];

    for (; at < end && c.node != 0; at++, climb_up(paths, &c)) {
        struct seen *seen = &x->seen[c.node & x->mask];
        if (seen_is(x, seen, c.node, at, end - at))
            return true;
        if (c.at->key != location_at(x, at))
            break;
        *seen = (struct seen){ c.node, at, end - at }; /* so it will be, or it is taken back */
    }
    if (at == end && c.node == 0)
        return true;
    path_forget(x, leaf, c.node);
    return false;
}

static uint32_t leaf_at(const struct stacks *k, uint32_t i)
{
    return ((const struct stack *)vec_at(&k->all, i))->location;
}

/* How many of the last frames two lists that end there have in common, `most` at most. */
static uint32_t frames_shared(const uint32_t *a_end, const uint32_t *b_end, uint32_t most)
{
    uint32_t n = 0;

    while (n < most && *(a_end - n - 1) == *(b_end - n - 1))
        n++;
    return n;
}

/* The node up to which stack i is the one before, and how many frames that are. */
static uint32_t node_shared(const struct add *x, uint32_t i, uint32_t *shared)
{
    const struct stack_list *list = x->list;

    *shared = 0;
    if (i == 0)
        return 0;
    uint32_t n = list->ends[i] - begin_of(list, i), n_before = list->ends[i - 1] - begin_of(list, i - 1);
    if (n > 0 && n_before > 0)
        *shared = frames_shared(list->locations + list->ends[i], list->locations + list->ends[i - 1],
                                n < n_before ? n : n_before);
    struct climb c = climb_from(&x->k->locations, leaf_at(x->k, x->stack));
    for (uint32_t left = n_before - *shared; left > 0; left--)
        climb_up(&x->k->locations, &c);
    return c.node;
}

static uint32_t stack_add(struct stacks *k, struct slab *s, uint32_t node, uint64_t hash)
{
    uint32_t id = vec_add(&k->all, s, &(struct stack){ node, vec_u32(&k->function_of, node) });

    table_put(&k->ids, s, hash, id);
    return id;
}

/* Where stacks_leaf keeps the stack of a node: a path is its last node, so nobody has to walk it (T4). */
static uint64_t leaf_hash(uint32_t node) { return hash_pair(node, HASH_STEP); }

static bool leaf_find(const struct stacks *k, uint32_t node, uint32_t *id)
{
    struct table_walk w = table_walk(&k->ids, leaf_hash(node));

    while (table_next(&k->ids, &w, id))
        if (leaf_at(k, *id) == node)
            return true;
    return false;
}

/* The next one who looks for it finds it by its path. */
static uint32_t stack_known(struct add *x, uint32_t id, uint64_t hash)
{
    table_put(&x->k->ids, x->s, hash, id);
    return id;
}

/* Not under its hash: it is made, unless it came here by its leaf. */
static uint32_t stack_make(struct add *x, uint32_t i, uint64_t hash)
{
    struct stacks *k = x->k;
    uint32_t       shared, node = node_shared(x, i, &shared), id;
    bool           is_new = false;

    for (uint32_t at = x->list->ends[i] - shared; at > begin_of(x->list, i); at--)
        node = stacks_node(k, x->s, x->t, node, location_at(x, at - 1), &is_new);
    if (!is_new && leaf_find(k, node, &id))
        return stack_known(x, id, hash);
    return stack_add(k, x->s, node, hash);
}

static uint32_t stack_find(struct add *x, uint32_t i, uint64_t hash)
{
    struct table_walk w = table_walk(&x->k->ids, hash);
    uint32_t          id;

    while (table_next(&x->k->ids, &w, &id))
        if (path_is(x, leaf_at(x->k, id), i))
            return id;
    return stack_make(x, i, hash);
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

static void seen_init(struct add *x, struct arena *scratch)
{
    uint32_t n = SEEN_MIN;

    while (n < SEEN_MAX && n / 2 < x->list->n)
        n *= 2;
    x->seen = arena_zalloc(scratch, n * sizeof *x->seen);
    x->mask = n - 1;
}

/* Stacks that come in the order in which they came before: no hash, no lookup.  What is behind them is returned. */
static uint32_t run_find(struct add *x, uint32_t at, uint32_t *ids)
{
    const struct stacks *k = x->k;

    for (; at < x->list->n && x->stack + 1 < vec_n(&k->all) && path_is(x, leaf_at(k, x->stack + 1), at); at++)
        ids[at] = ++x->stack;
    return at;
}

static uint32_t group_add(struct add *x, uint32_t at, uint32_t *ids)
{
    uint32_t            n = x->list->n - at < GROUP ? x->list->n - at : GROUP;
    uint64_t            hashes[GROUP];
    const struct stack *found[GROUP];

    for (uint32_t j = 0; j < n; j++)
        table_warm(&x->k->ids, hashes[j] = stack_hash(x, at + j));
    leaves_warm(x->k, hashes, n, found, ids + at);
    for (uint32_t j = 0; j < n; j++) {
        if (found[j] == NULL || !path_is(x, found[j]->location, at + j))
            ids[at + j] = stack_find(x, at + j, hashes[j]);
        x->stack = ids[at + j];
    }
    return at + n;
}

void stacks_add(struct stacks *k, struct slab *s, const struct symtab *t, const struct stack_list *list,
                struct arena *scratch, uint32_t *ids)
{
    struct add x = { .k = k, .s = s, .t = t, .list = list, .stack = UINT32_MAX };

    seen_init(&x, scratch);
    for (uint32_t at = 0; at < list->n; at = group_add(&x, at, ids))
        at = run_find(&x, at, ids);
}

/* ---- one by one ----------------------------------------------------------------------------------------------------- */

bool stacks_leaf(struct stacks *k, struct slab *s, uint32_t node)
{
    uint32_t id;

    if (leaf_find(k, node, &id))
        return false;
    stack_add(k, s, node, leaf_hash(node));
    return true;
}

size_t stacks_cost(const struct stacks *k, size_t stacks, size_t nodes, size_t frames)
{
    return paths_cost(&k->locations, nodes) + vec_cost(&k->function_of, nodes) + paths_cost(&k->functions, frames) +
           vec_cost(&k->all, stacks) + table_cost(&k->ids, stacks);
}
