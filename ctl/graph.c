#include <stdlib.h>

#include "ctl/graph.h"

static size_t level_boxes(const struct graph_level *levels, size_t n)
{
    size_t boxes = 0;

    for (size_t i = 0; i < n; i++)
        boxes += levels[i].n / 4;
    return boxes;
}

/* The boxes of one level, whose parents are boxes [above, made) in ascending x. */
static enum code level_make(const struct graph_level *level, uint32_t depth, size_t n_names, struct box *boxes,
                            size_t above, size_t made, struct fault *why)
{
    int64_t x = 0;
    size_t  parent = above;

    for (size_t i = 0; i < level->n / 4; i++) {
        const int64_t *v = level->values + 4 * i;
        if (v[0] < 0 || v[1] < 0 || v[2] < 0 || v[2] > v[1] || v[3] < 0 || (uint64_t)v[3] >= n_names ||
            __builtin_add_overflow(x, v[0], &x))
            return fail(why, CODE_DATA_LOSS, "the flame graph is broken: level %u, box %zu", depth, i);
        struct box *b = &boxes[made + i];
        *b = (struct box){ .x = x, .total = v[1], .self = v[2], .name = (uint32_t)v[3], .level = depth };
        if (__builtin_add_overflow(x, v[1], &x))
            return fail(why, CODE_DATA_LOSS, "the flame graph is broken: level %u goes beyond 63 bits", depth);
        if (depth == 0)
            continue;
        while (parent < made && boxes[parent].x + boxes[parent].total <= b->x)
            parent++;
        if (parent == made || b->x < boxes[parent].x || x > boxes[parent].x + boxes[parent].total)
            return fail(why, CODE_DATA_LOSS, "the flame graph is broken: level %u, box %zu lies outside its parent",
                        depth, i);
        b->parent = (uint32_t)parent;
    }
    return CODE_OK;
}

enum code graph_make(const struct slice *names, size_t n_names, const struct graph_level *levels, size_t n_levels,
                     struct arena *a, struct graph *out, struct fault *why)
{
    size_t      total = level_boxes(levels, n_levels), made = 0, above = 0;
    struct box *boxes = arena_array(a, total, sizeof *boxes);

    if (n_levels == 0 || levels[0].n != 4)
        return fail(why, CODE_DATA_LOSS, "the flame graph is broken: it has no root");
    for (size_t i = 0; i < n_levels; i++) {
        if (levels[i].n % 4 != 0)
            return fail(why, CODE_DATA_LOSS, "the flame graph is broken: level %zu has %zu values", i, levels[i].n);
        enum code code = level_make(&levels[i], (uint32_t)i, n_names, boxes, above, made, why);
        if (code != CODE_OK)
            return code;
        above = made;
        made += levels[i].n / 4;
    }
    *out = (struct graph){ .names = names, .n_names = n_names, .boxes = boxes, .n = made, .total = boxes[0].total };
    return CODE_OK;
}

void graph_collapse(const struct graph *g, struct buf *out)
{
    size_t depth = 0;

    for (size_t i = 0; i < g->n; i++)
        if (g->boxes[i].level + 1 > depth)
            depth = g->boxes[i].level + 1;
    uint32_t *path = calloc(depth, sizeof *path);
    for (size_t i = 1; i < g->n; i++) {
        const struct box *b = &g->boxes[i];
        if (b->self == 0)
            continue;
        for (uint32_t at = (uint32_t)i; at != 0; at = g->boxes[at].parent)
            path[g->boxes[at].level] = g->boxes[at].name;
        for (uint32_t level = 1; level <= b->level; level++) {
            if (level > 1)
                buf_byte(out, ';');
            buf_slice(out, g->names[path[level]]);
        }
        buf_printf(out, " %lld\n", (long long)b->self);
    }
    free(path);
}

/* Is a box of this name above box `i`? */
static bool box_recurs(const struct graph *g, size_t i)
{
    uint32_t name = g->boxes[i].name;

    for (uint32_t at = g->boxes[i].parent; at != 0; at = g->boxes[at].parent)
        if (g->boxes[at].name == name)
            return true;
    return false;
}

struct order {
    const struct graph *g;
    bool                by_total;
};

static int function_cmp(const void *left, const void *right, void *arg)
{
    const struct function_sum *l = left, *r = right;
    const struct order        *o = arg;
    int64_t                    lv = o->by_total ? l->total : l->self, rv = o->by_total ? r->total : r->self;

    if (lv != rv)
        return lv < rv ? 1 : -1;
    return slice_cmp(o->g->names[l->name], o->g->names[r->name]);
}

struct function_sum *graph_functions(const struct graph *g, bool by_total, struct arena *a, size_t *n)
{
    struct function_sum *sums = arena_zalloc(a, (g->n_names + 1) * sizeof *sums);
    bool                *seen = arena_zalloc(a, g->n_names + 1);
    size_t               kept = 0;

    for (size_t i = 1; i < g->n; i++) {
        const struct box *b = &g->boxes[i];
        seen[b->name] = true;
        sums[b->name].name = b->name;
        sums[b->name].self += b->self;
        if (!box_recurs(g, i))
            sums[b->name].total += b->total;
    }
    for (size_t i = 0; i < g->n_names; i++)
        if (seen[i])
            sums[kept++] = sums[i];
    qsort_r(sums, kept, sizeof *sums, function_cmp, &(struct order){ g, by_total });
    *n = kept;
    return sums;
}
