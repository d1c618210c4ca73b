/*
 * One layout for both graphs: a difference has two sides, each with its own values on the nodes of one tree, and boxes that
 * are as wide on a side as their total there.
 */
#include "query/flame.h"

#include <assert.h>

#include "base/mem.h"
#include "query/cut.h"

struct side {
    int64_t *total, *self; /* [nodes] */
};

/* A rectangle of the graph. */
struct box {
    int64_t  x[2], total[2], self[2];
    uint32_t level;
    uint32_t name; /* its index in flame.names */
};

/* One still to be drawn, with all below. */
struct todo {
    int64_t  x[2], rest[2];
    bool     is_rest; /* the parent's leaf `other` instead of a node */
    uint32_t node, level;
};

struct draw {
    struct cut    cut;
    struct side   side[2];
    unsigned      n_sides;
    bool          keeps_other; /* a function called `other` stays apart from what was cut beside it */
    struct arena *arena;
    struct flame *out;
    uint32_t     *index;       /* [names of the tree]: index in flame.names + 1; 0: not yet */
    uint32_t      other_index; /* the same for a leaf `other` when no function is called so */
    struct box   *boxes;
    size_t        n_boxes, boxes_cap;
    struct todo  *todo;
    size_t        n_todo, todo_cap;
    size_t        names_cap, n_levels;
};

static int64_t sum(int64_t a, int64_t b)
{
    int64_t s;

    return __builtin_add_overflow(a, b, &s) ? INT64_MAX : s;
}

static uint32_t name_add(struct draw *d, struct slice name)
{
    struct flame *f = d->out;

    if (f->n_names == d->names_cap) {
        d->names_cap = d->names_cap ? d->names_cap * 2 : 64;
        struct slice *more = arena_array(d->arena, d->names_cap, sizeof *more);
        if (f->n_names > 0)
            memcpy(more, f->names, f->n_names * sizeof *more);
        f->names = more;
    }
    f->names[f->n_names] = name;
    return (uint32_t)f->n_names++;
}

/* Names are numbered in the order in which they are drawn: depth first, the rightmost child first. */
static uint32_t name_index(struct draw *d, const struct todo *t)
{
    const struct tree *tree = d->cut.tree;
    uint32_t           id = t->is_rest ? d->cut.other : tree->name[t->node];
    uint32_t          *index = id == UINT32_MAX ? &d->other_index : &d->index[id];

    if (*index == 0)
        *index = name_add(d, id == UINT32_MAX ? SLICE("other") : strset_at(tree->names, id)) + 1;
    return *index - 1;
}

static void box_add(struct draw *d, struct box b)
{
    if (d->n_boxes == d->boxes_cap) {
        d->boxes_cap = d->boxes_cap ? d->boxes_cap * 2 : 256;
        d->boxes = mem_resize(d->boxes, d->boxes_cap * sizeof *d->boxes);
    }
    d->boxes[d->n_boxes++] = b;
    for (unsigned s = 0; s < d->n_sides; s++)
        if (b.self[s] > d->out->max_self)
            d->out->max_self = b.self[s];
    if (b.level >= d->n_levels)
        d->n_levels = b.level + 1;
}

static void todo_push(struct draw *d, struct todo t)
{
    if (d->n_todo == d->todo_cap) {
        d->todo_cap = d->todo_cap ? d->todo_cap * 2 : 256;
        d->todo = mem_resize(d->todo, d->todo_cap * sizeof *d->todo);
    }
    d->todo[d->n_todo++] = t;
}

/* From left to right: the node's own time, its children by name, `other`.  `at` is where they begin. */
static void children_push(struct draw *d, uint32_t node, struct todo at)
{
    struct cut_children below = cut_children(&d->cut, node, d->keeps_other);

    for (uint32_t i = 0; i < below.n; i++) {
        at.node = below.at[i];
        todo_push(d, at);
        for (unsigned s = 0; s < d->n_sides; s++)
            at.x[s] = sum(at.x[s], d->side[s].total[at.node]);
    }
    if (below.rest == 0)
        return;
    at.is_rest = true;
    for (uint32_t i = below.n; i < below.n + below.n_cut; i++)
        for (unsigned s = 0; s < d->n_sides; s++)
            at.rest[s] = sum(at.rest[s], d->side[s].total[below.at[i]]);
    todo_push(d, at);
}

static void draw_all(struct draw *d)
{
    while (d->n_todo > 0) {
        struct todo t = d->todo[--d->n_todo], below = { .level = t.level + 1 };
        struct box  b = { .level = t.level, .name = name_index(d, &t) };

        for (unsigned s = 0; s < d->n_sides; s++) {
            b.x[s] = t.x[s];
            b.total[s] = t.is_rest ? t.rest[s] : d->side[s].total[t.node];
            b.self[s] = t.is_rest ? t.rest[s] : d->side[s].self[t.node];
            below.x[s] = sum(t.x[s], b.self[s]);
        }
        box_add(d, b);
        if (!t.is_rest)
            children_push(d, t.node, below);
    }
}

/* From places to distances from the neighbour on the left, of one side. */
static void level_relate(const struct flame_level *l, size_t step, size_t first)
{
    int64_t edge = 0;

    for (int64_t *v = l->values + first; v < l->values + l->n; v += step) {
        int64_t x = v[0];
        v[0] = x - edge; /* both are in [0, INT64_MAX] */
        edge = sum(x, v[1]);
    }
}

/* Boxes were drawn from the right: each level is filled from its end. */
static void levels_fill(struct draw *d)
{
    struct flame *f = d->out;
    size_t       *at = mem_zalloc(d->n_levels * sizeof *at), step = 3 * d->n_sides + 1;

    f->levels = arena_array(d->arena, d->n_levels, sizeof *f->levels);
    f->n_levels = d->n_levels;
    for (size_t i = 0; i < d->n_boxes; i++)
        at[d->boxes[i].level] += step;
    for (size_t l = 0; l < d->n_levels; l++)
        f->levels[l] = (struct flame_level){ arena_array(d->arena, at[l], sizeof(int64_t)), at[l] };
    for (size_t i = 0; i < d->n_boxes; i++) {
        const struct box *b = &d->boxes[i];
        int64_t          *v = f->levels[b->level].values + (at[b->level] -= step);
        for (unsigned s = 0; s < d->n_sides; s++)
            *v++ = b->x[s], *v++ = b->total[s], *v++ = b->self[s];
        *v = b->name;
    }
    for (size_t l = 0; l < d->n_levels; l++)
        for (unsigned s = 0; s < d->n_sides; s++)
            level_relate(&f->levels[l], step, 3 * s);
    free(at);
}

/* `shares_root`: the function name that has the root's entry among the names. */
static void flame_draw(struct draw *d, struct slice shares_root)
{
    const struct tree *t = d->cut.tree;
    struct box         root = { 0 };
    uint32_t           id;

    *d->out = (struct flame){ 0 };
    d->index = mem_zalloc(strset_n(t->names) * sizeof *d->index);
    name_add(d, SLICE("total"));
    if (strset_find(t->names, shares_root, &id))
        d->index[id] = 1;
    for (unsigned s = 0; s < d->n_sides; s++) {
        root.total[s] = d->side[s].total[0] - d->side[s].self[0]; /* samples without a stack are not shown */
        d->out->ticks[s] = root.total[s];
        d->out->total = sum(d->out->total, root.total[s]);
    }
    box_add(d, root);
    children_push(d, 0, (struct todo){ .level = 1 });
    draw_all(d);
    levels_fill(d);
    free(d->index);
    free(d->boxes);
    free(d->todo);
    cut_fini(&d->cut);
}

void flame_build(const struct tree *t, int64_t max_nodes, struct arena *a, struct flame *out)
{
    struct draw d = { .n_sides = 1, .arena = a, .out = out };

    cut_init(&d.cut, t, max_nodes);
    d.side[0] = (struct side){ d.cut.total, t->self };
    flame_draw(&d, SLICE("total"));
}

/* The nodes of `from` in `both`, made there when missing; the caller frees the list. */
static uint32_t *nodes_align(const struct tree *from, struct tree *both)
{
    uint32_t  n_names = strset_n(from->names);
    uint32_t *name = mem_alloc(n_names * sizeof *name), *node = mem_alloc(from->n * sizeof *node);

    for (uint32_t i = 0; i < n_names; i++)
        name[i] = tree_name(both, strset_at(from->names, i));
    node[0] = 0;
    for (uint32_t i = 1; i < from->n; i++)
        node[i] = tree_child(both, node[from->parent[i]], name[from->name[i]]);
    free(name);
    return node;
}

static struct side side_make(const struct tree *from, const uint32_t *node, const struct tree *both)
{
    int64_t *self = mem_zalloc(both->n * sizeof *self), *total = mem_alloc(both->n * sizeof *total);

    for (uint32_t i = 0; i < from->n; i++)
        self[node[i]] = from->self[i];
    memcpy(total, self, both->n * sizeof *total);
    for (uint32_t i = both->n; --i > 0;)
        total[both->parent[i]] = sum(total[both->parent[i]], total[i]);
    return (struct side){ total, self };
}

void flame_diff(const struct tree *left, const struct tree *right, int64_t max_nodes, struct arena *a,
                struct flame *out)
{
    const struct tree *from[2] = { left, right };
    struct tree       *both = tree_new();
    struct draw        d = { .n_sides = 2, .keeps_other = true, .arena = a, .out = out };
    uint32_t          *node[2];

    for (int s = 0; s < 2; s++)
        node[s] = nodes_align(from[s], both);
    int64_t *larger = mem_zalloc(both->n * sizeof *larger);
    for (int s = 0; s < 2; s++) {
        d.side[s] = side_make(from[s], node[s], both);
        for (uint32_t i = 0; i < both->n; i++)
            larger[i] = larger[i] > d.side[s].total[i] ? larger[i] : d.side[s].total[i];
    }
    cut_init_by(&d.cut, both, larger, cut_least(larger, both->n, max_nodes)); /* here the root counts as a node */
    flame_draw(&d, SLICE(""));
    for (size_t i = 0; i < out->n_names; i++)
        out->names[i] = arena_copy(a, out->names[i]); /* `both` goes */
    for (int s = 0; s < 2; s++) {
        free(node[s]);
        free(d.side[s].total);
        free(d.side[s].self);
    }
    tree_free(both);
}
