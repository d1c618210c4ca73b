#include "index/harvest.h"

#include "index/call_site.h"
#include "index/rows.h"

/*
 * One group's sums and nodes, in its arena: all of them are gone through, and zeros are written in less time than new pages are
 * made, which is what a large calloc comes to.
 */
struct harvest {
    uint32_t                   id;
    const struct group        *group; /* NULL until a row is met, as is by_stack */
    const struct harvest_kind *kind;
    struct arena              *thawed; /* what a sealed group is read from */
    const struct vec          *nodes;  /* struct path */
    uint32_t                   n_stacks, n_nodes, n_needed;
    int64_t                   *by_stack;
    uint32_t                  *node;   /* of each path node: 0, then NEEDED, then its place in the answer */
    bool                      *rolled; /* [types]: taken by its rollup */
    bool                       is_clamped;
};

enum { NEEDED = 1 }; /* no confusion: it is asked for before there are places */

static void sum_into(struct harvest *h, int64_t *to, int64_t value)
{
    if (__builtin_add_overflow(*to, value, to)) {
        *to = INT64_MAX;
        h->is_clamped = true;
    }
}

static void take_rows(struct harvest *h, const uint8_t *rows, uint32_t column)
{
    struct rows_cursor c = rows_open(rows, column);
    uint32_t           ids[ROWS_PACK], n;
    int64_t            values[ROWS_PACK];

    while ((n = rows_next(&c, ids, values)) > 0) {
        assert(ids[n - 1] < h->n_stacks); /* the word that shows the rows was loaded before n_stacks */
        for (uint32_t i = 0; i < n; i++)
            sum_into(h, &h->by_stack[ids[i]], values[i]);
    }
}

/* Rows have been seen, so what is loaded from now on has their stacks. */
static void open_group(struct harvest *h, const struct view *v)
{
    unsigned what = h->kind->by_location ? THAW_LOCATIONS : THAW_FUNCTIONS;

    if (v->what->n_call_site > 0)
        what |= THAW_FUNCTIONS;
    h->group = group_thaw(v->bucket, h->id, what, h->thawed);
    h->n_stacks = vec_n(&h->group->stacks.all);
    h->by_stack = arena_zalloc(h->thawed, h->n_stacks * sizeof *h->by_stack);
}

static void take_stream(struct harvest *h, const struct view *v, const struct stream_read *s)
{
    struct point_walk   w = view_points(v, s);
    const struct point *p;

    while ((p = point_next(&w)) != NULL) {
        if (h->group == NULL)
            open_group(h, v);
        take_rows(h, p->rows, p->column);
    }
}

/* The types of the group's rollups but those that a series has which is not in the view. */
static void choose_rollups(struct harvest *h, const struct view *v, struct range rollups)
{
    uint32_t left = 0, n = group_series_n(v->bucket, h->id);

    for (uint32_t i = rollups.at; i < rollups.end; i++) {
        uint32_t type = bucket_rollup(v->bucket, i).type;
        left += h->rolled[type] = v->types[type];
    }
    for (uint32_t i = 0; i < n && left > 0; i++) {
        uint32_t id = group_series_at(v->bucket, h->id, i);
        if (view_has(v, id))
            continue;
        struct series_read  series = bucket_series(v->bucket, id);
        struct streams_walk w = streams_of(v->bucket, &series);
        for (struct stream_read s; stream_next(&w, &s); h->rolled[s.type] = false)
            left -= h->rolled[s.type];
    }
}

/* In place of the rows of all points of a type, what they come to. */
static void take_rollups(struct harvest *h, const struct view *v)
{
    struct range rollups = group_rollups(v->bucket, h->id);

    memset(h->rolled, 0, v->n_types * sizeof *h->rolled);
    if (!v->covers)
        return;
    choose_rollups(h, v, rollups);
    for (uint32_t i = rollups.at; i < rollups.end; i++) {
        struct rollup r = bucket_rollup(v->bucket, i);
        if (!h->rolled[r.type])
            continue;
        if (h->group == NULL)
            open_group(h, v);
        take_rows(h, r.rows, r.column);
    }
}

static void take_group(struct harvest *h, const struct view *v)
{
    struct stream_read s;
    uint32_t           at = 0, id;

    while ((id = view_group_next(v, h->id, &at)) < v->n_series) {
        struct series_read  series = bucket_series(v->bucket, id);
        struct streams_walk w = streams_of(v->bucket, &series);
        while (stream_next(&w, &s))
            if (s.type < v->n_types && !h->rolled[s.type])
                take_stream(h, v, &s);
    }
}

static void keep_below(struct harvest *h, const struct view *v)
{
    const struct selection *what = v->what;
    const bool             *passes;

    if (what->n_call_site == 0)
        return;
    passes = call_site_stacks(h->group, h->n_stacks, what->call_site, what->n_call_site, v->arena);
    for (uint32_t i = 0; i < h->n_stacks; i++)
        if (!passes[i])
            h->by_stack[i] = 0;
}

static uint32_t node_of(const struct harvest *h, const struct stack *s)
{
    return h->kind->by_location ? s->location : s->function;
}

static void mark_leaves(struct harvest *h)
{
    uint32_t run;

    for (uint32_t i = 0; i < h->n_stacks; i += run) {
        const struct stack *at = vec_run(&h->group->stacks.all, i, h->n_stacks, &run);
        for (uint32_t k = 0; k < run; k++)
            if (h->by_stack[i + k] != 0)
                h->node[node_of(h, &at[k])] = NEEDED;
    }
}

/* From the last node to the first: who has something below is needed. */
static void mark_parents(struct harvest *h)
{
    for (uint32_t end = h->n_nodes; end > 0;) {
        uint32_t           from = end - 1 - vec_place(h->nodes, end - 1).offset;
        const struct path *at = vec_at(h->nodes, from);
        for (uint32_t i = end; i > from; i--)
            if (h->node[i - 1] != 0) {
                h->node[at[i - 1 - from].parent] = NEEDED;
                h->n_needed++;
            }
        end = from;
    }
}

static uint32_t keys_n(const struct harvest *h)
{
    return vec_n(h->kind->by_location ? &h->group->symtab.locations : &h->group->symtab.strings);
}

/* From the first to the last: a parent has its place before its children. */
static enum code emit_nodes(struct harvest *h, struct tree *out, struct fault *why)
{
    uint32_t *name = arena_zalloc(h->thawed, keys_n(h) * sizeof *name); /* its id there + 1 */
    uint32_t  had = out->n, run;
    enum code code = CODE_OK;

    tree_reserve(out, h->n_needed);
    h->node[0] = 0;
    for (uint32_t i = 1; i < h->n_nodes && code == CODE_OK; i += run) {
        const struct path *at = vec_run(h->nodes, i, h->n_nodes, &run);
        for (uint32_t k = 0; k < run && code == CODE_OK; k++) {
            if (h->node[i + k] != NEEDED)
                continue;
            uint32_t *named = &name[at[k].key], parent = h->node[at[k].parent], id;
            if (*named == 0) {
                code = h->kind->name(h->kind->arg, h->group, at[k].key, out, &id, why);
                if (code != CODE_OK)
                    break;
                *named = id + 1;
            }
            bool is_new = parent >= had || had == 1; /* what grows on a new node can only be new: no lookup */
            h->node[i + k] = is_new ? tree_grow(out, parent, *named - 1) : tree_child(out, parent, *named - 1);
        }
    }
    return code;
}

static void emit_values(struct harvest *h, struct tree *out)
{
    uint32_t run;

    for (uint32_t i = 0; i < h->n_stacks; i += run) {
        const struct stack *at = vec_run(&h->group->stacks.all, i, h->n_stacks, &run);
        for (uint32_t k = 0; k < run; k++)
            if (h->by_stack[i + k] != 0 && node_of(h, &at[k]) != 0) /* the empty stack is no node of a tree */
                tree_add(out, h->node[node_of(h, &at[k])], h->by_stack[i + k]);
    }
}

static enum code harvest_rows(struct harvest *h, const struct view *v, struct tree *out, struct fault *why)
{
    const struct stacks *k = &h->group->stacks;

    h->nodes = h->kind->by_location ? &k->locations.nodes : &k->functions.nodes;
    h->n_nodes = vec_n(h->nodes);
    h->node = arena_zalloc(h->thawed, h->n_nodes * sizeof *h->node);
    keep_below(h, v);
    mark_leaves(h);
    mark_parents(h);
    enum code code = emit_nodes(h, out, why);
    if (code == CODE_OK)
        emit_values(h, out);
    out->is_clamped |= h->is_clamped;
    return code;
}

static enum code harvest_group(const struct view *v, uint32_t group, const struct harvest_kind *kind,
                               struct arena *thawed, bool *rolled, struct tree *out, struct fault *why)
{
    struct harvest h = { .id = group, .kind = kind, .thawed = thawed, .rolled = rolled };

    arena_reset(thawed);
    take_rollups(&h, v);
    take_group(&h, v);
    return h.group != NULL ? harvest_rows(&h, v, out, why) : CODE_OK;
}

enum code harvest_bucket(const struct bucket *b, const struct selection *what, const struct harvest_kind *kind,
                         struct tree *out, struct fault *why)
{
    struct view   v;
    struct arena *thawed = arena_new(0);
    enum code     code = view_open(&v, b, what, why);
    bool         *rolled = arena_array(v.arena, v.n_types, sizeof *rolled);

    if (code == CODE_OK && !v.is_empty)
        for (uint32_t i = 0, n = bucket_groups_n(b); i < n && code == CODE_OK; i++)
            code = harvest_group(&v, i, kind, thawed, rolled, out, why);
    view_close(&v);
    arena_free(thawed);
    return code;
}
