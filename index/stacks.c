#include "index/stacks.h"

enum { AHEAD = 32, WALKS = 16 }; /* stacks whose places are asked for before the first is read */

/* What one call of stacks_add knows. */
struct add {
    struct stacks           *k;
    struct slab             *s;
    const struct symtab     *t;
    const struct stack_list *list;
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
    stack_ids_free(&k->ids, s);
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

/* A stack on its way down: of its locations so many are left below `node`. */
struct walk {
    uint32_t stack, node, left;
};

static uint32_t location_next(const struct stack_list *list, const struct walk *w)
{
    return list->of[list->locations[begin_of(list, w->stack) + w->left - 1]];
}

/* As far as nodes are there, all a step at a time: the waits for memory overlap. */
static void walk_down(const struct add *x, struct walk *walks, uint32_t n)
{
    struct walk *on[WALKS];
    uint32_t     keys[WALKS], n_on = 0, n_still;

    for (uint32_t i = 0; i < n; i++)
        if (walks[i].left > 0)
            on[n_on++] = &walks[i];
    for (; n_on > 0; n_on = n_still) {
        for (uint32_t i = 0; i < n_on; i++) {
            keys[i] = location_next(x->list, on[i]);
            paths_warm(&x->k->locations, on[i]->node, keys[i]);
        }
        n_still = 0;
        for (uint32_t i = 0; i < n_on; i++)
            if (paths_find(&x->k->locations, on[i]->node, keys[i], &on[i]->node) && --on[i]->left > 0)
                on[n_still++] = on[i];
    }
}

static uint32_t stack_new(struct add *x, uint32_t node)
{
    return vec_add(&x->k->all, x->s, &(struct stack){ node, vec_u32(&x->k->function_of, node) });
}

/* Of those that came by their leaves: a path is its last node, so nobody has to walk it (T4). */
static bool leaf_find(const struct stacks *k, uint32_t node, uint32_t *id)
{
    if (node >= k->n_by_leaf || k->by_leaf[node] == 0)
        return false;
    *id = k->by_leaf[node] - 1;
    return true;
}

/* Not under its hash: it is made, unless it came here by its leaf.  Who looks for it next finds it by its hash. */
static uint32_t stack_add(struct add *x, const struct walk *w)
{
    struct walk down = *w;
    bool        is_new = false;
    uint32_t    id;

    for (; down.left > 0; down.left--)
        down.node = node_add(x->k, x->s, x->t, down.node, location_next(x->list, &down), &is_new);
    if (is_new || !leaf_find(x->k, down.node, &id))
        id = stack_new(x, down.node);
    stack_ids_put(&x->k->ids, x->s, x->list->hashes[w->stack], id);
    return id;
}

uint32_t stacks_find(const struct stacks *k, const struct hash128 *hashes, uint32_t n, uint32_t *ids)
{
    uint32_t n_unknown = 0;

    for (uint32_t at = 0; at < n && at < AHEAD; at++)
        stack_ids_warm(&k->ids, hashes[at]);
    for (uint32_t at = 0; at < n; at++) {
        if (n - at > AHEAD)
            stack_ids_warm(&k->ids, hashes[at + AHEAD]);
        if (!stack_ids_get(&k->ids, hashes[at], &ids[at])) {
            ids[at] = STACK_UNKNOWN;
            n_unknown++;
        }
    }
    return n_unknown;
}

/* The unknown ones from stack *at on: at most WALKS. */
static uint32_t unknown_next(const struct stack_list *list, const uint32_t *ids, uint32_t *at, struct walk *walks)
{
    uint32_t n = 0;

    for (; *at < list->n && n < WALKS; ++*at)
        if (ids[*at] == STACK_UNKNOWN)
            walks[n++] = (struct walk){ *at, 0, list->ends[*at] - begin_of(list, *at) };
    return n;
}

void stacks_add(struct stacks *k, struct slab *s, const struct symtab *t, const struct stack_list *list, uint32_t *ids)
{
    struct add  x = { .k = k, .s = s, .t = t, .list = list };
    struct walk walks[WALKS];

    assert(vec_n(&k->function_of) == vec_n(&k->locations.nodes));
    for (uint32_t at = 0, n; (n = unknown_next(list, ids, &at, walks)) > 0;) {
        walk_down(&x, walks, n);
        for (uint32_t i = 0; i < n; i++)
            if (!stack_ids_get(&k->ids, list->hashes[walks[i].stack], &ids[walks[i].stack])) /* it may be there twice */
                ids[walks[i].stack] = stack_add(&x, &walks[i]);
    }
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
           vec_cost(&k->all, stacks) + stack_ids_cost(&k->ids, stacks);
}
