#include "query/flame.h"

#include <assert.h>

#include "base/mem.h"
#include "query/cut.h"

/* A rectangle of the graph. */
struct box {
    int64_t  x, total, self;
    uint32_t level;
    uint32_t name; /* its index in flame.names */
};

/* One still to be drawn, with all below. */
struct todo {
    int64_t  x, rest; /* rest > 0: the parent's leaf `other` instead of a node */
    uint32_t node, level;
};

struct draw {
    struct cut    cut;
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
    uint32_t           id = t->rest > 0 ? d->cut.other : tree->name[t->node];
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
    if (b.self > d->out->max_self)
        d->out->max_self = b.self;
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

/* From left to right: the node's own time, its children by name, `other`. */
static void children_push(struct draw *d, uint32_t node, int64_t x, uint32_t level)
{
    struct cut_children below = cut_children(&d->cut, node, false);

    for (uint32_t i = 0; i < below.n; i++) {
        todo_push(d, (struct todo){ .x = x, .node = below.at[i], .level = level });
        x = sum(x, d->cut.total[below.at[i]]);
    }
    if (below.rest > 0)
        todo_push(d, (struct todo){ .x = x, .rest = below.rest, .level = level });
}

static void draw_all(struct draw *d)
{
    while (d->n_todo > 0) {
        struct todo        t = d->todo[--d->n_todo];
        const struct tree *tree = d->cut.tree;
        struct box         b = { .x = t.x, .level = t.level, .name = name_index(d, &t) };

        b.total = t.rest > 0 ? t.rest : d->cut.total[t.node];
        b.self = t.rest > 0 ? t.rest : tree->self[t.node];
        box_add(d, b);
        if (t.rest == 0)
            children_push(d, t.node, sum(t.x, b.self), t.level + 1);
    }
}

/* Boxes were drawn from the right: each level is filled from its end, then made relative to the neighbour on the left. */
static void levels_fill(struct draw *d)
{
    struct flame *f = d->out;
    size_t       *at = mem_zalloc(d->n_levels * sizeof *at);

    f->levels = arena_array(d->arena, d->n_levels, sizeof *f->levels);
    f->n_levels = d->n_levels;
    for (size_t i = 0; i < d->n_boxes; i++)
        at[d->boxes[i].level] += 4;
    for (size_t l = 0; l < d->n_levels; l++)
        f->levels[l] = (struct flame_level){ arena_array(d->arena, at[l], sizeof(int64_t)), at[l] };
    for (size_t i = 0; i < d->n_boxes; i++) {
        const struct box *b = &d->boxes[i];
        int64_t          *v = f->levels[b->level].values + (at[b->level] -= 4);
        v[0] = b->x, v[1] = b->total, v[2] = b->self, v[3] = b->name;
    }
    for (size_t l = 0; l < d->n_levels; l++) {
        int64_t edge = 0;
        for (int64_t *v = f->levels[l].values; v < f->levels[l].values + f->levels[l].n; v += 4) {
            int64_t x = v[0];
            v[0] = x - edge; /* both are in [0, INT64_MAX] */
            edge = sum(x, v[1]);
        }
    }
    free(at);
}

void flame_build(const struct tree *t, int64_t max_nodes, struct arena *a, struct flame *out)
{
    struct draw d = { .arena = a, .out = out };
    uint32_t    total_id;

    *out = (struct flame){ 0 };
    cut_init(&d.cut, t, max_nodes);
    d.index = mem_zalloc(strset_n(t->names) * sizeof *d.index);
    name_add(&d, SLICE("total"));
    if (strset_find(t->names, SLICE("total"), &total_id))
        d.index[total_id] = 1;                /* a function of that name shares the root's entry */
    out->total = d.cut.total[0] - t->self[0]; /* samples without a stack are not shown */
    box_add(&d, (struct box){ .total = out->total });
    children_push(&d, 0, 0, 1);
    draw_all(&d);
    levels_fill(&d);
    free(d.index);
    free(d.boxes);
    free(d.todo);
    cut_fini(&d.cut);
}
