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
    slab_give(s, k->by_leaf, k->n_by_leaf * sizeof *k->by_leaf);
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

static uint32_t node_add(struct stacks *k, struct slab *s, const struct symtab *t, uint32_t parent, uint32_t location,
                         bool *is_new)
{
    uint32_t node = paths_child(&k->locations, s, parent, location, is_new);

    if (*is_new) {
        uint32_t below = frames_below(k, s, t, vec_u32(&k->function_of, parent), location);
        vec_add(&k->function_of, s, &below);
    }
    return node;
}

uint32_t stacks_node(struct stacks *k, struct slab *s, const struct symtab *t, uint32_t parent, uint32_t location)
{
    bool is_new;

    return node_add(k, s, t, parent, location, &is_new);
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

/* Of those that came by their leaves: a path is its last node, so nobody has to walk it (T4). */
static bool leaf_find(const struct stacks *k, uint32_t node, uint32_t *id)
{
    if (node >= k->n_by_leaf || k->by_leaf[node] == 0)
        return false;
    *id = k->by_leaf[node] - 1;
    return true;
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
        node = node_add(k, x->s, x->t, node, location_at(x, at - 1), &is_new);
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

    assert(vec_n(&k->function_of) == vec_n(&k->locations.nodes));
    seen_init(&x, scratch);
    for (uint32_t at = 0; at < list->n; at = group_add(&x, at, ids))
        at = run_find(&x, at, ids);
}

/* ---- of a log ------------------------------------------------------------------------------------------------------- */

enum { MANY = UINT32_MAX };

static uint32_t nodes_unmade(const struct stacks *k) { return vec_n(&k->locations.nodes) - vec_n(&k->function_of); }

size_t stacks_make_cost(const struct stacks *k, size_t nodes, size_t frames)
{
    return paths_cost(&k->locations, nodes) + vec_cost(&k->function_of, nodes_unmade(k) + nodes) +
           paths_cost(&k->functions, k->unmade.frames + frames) +
           (vec_n(&k->locations.nodes) + nodes - k->n_by_leaf) * sizeof *k->by_leaf;
}

void stacks_take(struct stacks *k, struct slab *s, const struct stacks_log *log)
{
    vec_extend(&k->locations.nodes, s, log->nodes, log->n_nodes);
    vec_extend(&k->all, s, log->stacks, log->n_stacks);
    k->unmade.stacks += log->n_stacks;
    k->unmade.frames += log->frames;
}

/* The name that each location shows, or MANY. */
static uint32_t *names_of(const struct symtab *t, struct arena *scratch)
{
    uint32_t  n = vec_n(&t->locations);
    uint32_t *names = arena_array(scratch, n, sizeof *names);

    for (uint32_t i = 0; i < n; i++) {
        const struct symbol_location *l = vec_at(&t->locations, i);
        names[i] = l->n_lines == 0 ? l->line_at : MANY;
        if (l->n_lines == 1) {
            const struct symbol_line *line = vec_at(&t->lines, l->line_at);
            names[i] = ((const struct symbol_function *)vec_at(&t->functions, line->function))->name;
        }
    }
    return names;
}

/* The function nodes of all location nodes, in an array: most follow at once from the one before. */
static uint32_t *functions_of(const struct stacks *k, struct arena *scratch)
{
    uint32_t *of = arena_array(scratch, vec_n(&k->locations.nodes), sizeof *of);

    for (uint32_t i = 0; i < vec_n(&k->function_of); i++)
        of[i] = vec_u32(&k->function_of, i);
    return of;
}

static bool functions_make(struct stacks *k, struct slab *s, const struct symtab *t, struct arena *scratch)
{
    const uint32_t *names = names_of(t, scratch);
    uint32_t        first = vec_n(&k->function_of), n = vec_n(&k->locations.nodes), *of = functions_of(k, scratch);
    uint32_t        end = vec_n(&k->functions.nodes) + k->unmade.frames;
    bool            is_new;

    /* what frames come to is checked below: until then no more is taken for them than for nodes, which are there */
    paths_reserve(&k->functions, s, k->unmade.frames < n - first ? k->unmade.frames : n - first);
    for (uint32_t i = first; i < n && vec_n(&k->functions.nodes) <= end; i++) {
        struct path at = paths_at(&k->locations, i);
        of[i] = names[at.key] != MANY ? paths_child(&k->functions, s, of[at.parent], names[at.key], &is_new)
                                      : frames_below(k, s, t, of[at.parent], at.key);
    }
    if (vec_n(&k->functions.nodes) != end)
        return false;
    vec_extend(&k->function_of, s, of + first, n - first);
    return true;
}

/* Nobody has seen a stack that is unmade: it may still change. */
static bool leaves_make(struct stacks *k, struct slab *s)
{
    uint32_t n = vec_n(&k->all), made = n - k->unmade.stacks;
    bool     is_each_once = true;

    slab_give(s, k->by_leaf, k->n_by_leaf * sizeof *k->by_leaf);
    k->n_by_leaf = vec_n(&k->locations.nodes);
    k->by_leaf = slab_take(s, k->n_by_leaf * sizeof *k->by_leaf);
    for (uint32_t i = 0; i < n; i++) {
        struct stack *at = (struct stack *)vec_at(&k->all, i);
        if (i >= made)
            at->function = vec_u32(&k->function_of, at->location);
        is_each_once &= k->by_leaf[at->location] == 0;
        k->by_leaf[at->location] = i + 1;
    }
    return is_each_once;
}

bool stacks_make(struct stacks *k, struct slab *s, const struct symtab *t, struct arena *scratch)
{
    if (nodes_unmade(k) == 0 && k->unmade.stacks == 0)
        return true;
    bool is_good = paths_index(&k->locations, s) && functions_make(k, s, t, scratch) && leaves_make(k, s);
    k->unmade.stacks = k->unmade.frames = 0;
    return is_good;
}

size_t stacks_cost(const struct stacks *k, size_t stacks, size_t nodes, size_t frames)
{
    return paths_cost(&k->locations, nodes) + vec_cost(&k->function_of, nodes) + paths_cost(&k->functions, frames) +
           vec_cost(&k->all, stacks) + table_cost(&k->ids, stacks);
}
