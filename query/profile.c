#include "query/profile.h"

#include <assert.h>

#include "base/mem.h"
#include "model/location.h"
#include "query/cut.h"

static struct location location_of(const struct tree *t, uint32_t name, struct arena *a)
{
    struct location l;

    if (!location_decode(strset_at(t->names, name), a, &l))
        assert(!"names are locations");
    return l;
}

static uint32_t location_add(struct tree *t, const struct location *l)
{
    struct buf text = { 0 };

    location_encode(l, &text);
    uint32_t name = tree_name(t, buf_view(&text));
    buf_free(&text);
    return name;
}

/* ---- cut ------------------------------------------------------------------------------------------------------------ */

struct cutting {
    const struct tree *whole;
    struct arena      *arena;
    struct location   *locations; /* [names of whole] */
    uint32_t         **frames;    /* [names of whole]: what its lines are called in `graph`, outermost first */
    struct tree       *graph;     /* the flame graph of the stacks */
    uint32_t          *drawn;     /* [nodes of whole]: the innermost frame's node there */
    struct cut         cut;       /* of it */
    struct tree       *out;
    uint32_t           other; /* a name there */
    uint32_t          *place; /* [nodes of whole]: its node there */
    bool              *ends;  /* [nodes of whole]: it is not shown, or not all of it; nor is what is below */
};

/* Without lines a location is a frame all the same. */
static uint32_t frames_n(const struct location *l) { return l->n_lines ? l->n_lines : 1; }

static void name_frames(struct cutting *c, uint32_t name)
{
    struct location *l = &c->locations[name];
    char             room[LOCATION_NAME_ROOM];

    *l = location_of(c->whole, name, c->arena);
    uint32_t *frames = c->frames[name] = arena_array(c->arena, frames_n(l), sizeof *frames);
    if (l->n_lines == 0)
        frames[0] = tree_name(c->graph, location_bare_name(l->mapping.file, l->address, room));
    for (uint32_t i = 0; i < l->n_lines; i++)
        frames[i] = tree_name(c->graph, l->lines[l->n_lines - 1 - i].function.name);
}

static void graph_draw(struct cutting *c)
{
    const struct tree *t = c->whole;

    for (uint32_t name = 1; name < strset_n(t->names); name++)
        name_frames(c, name);
    c->drawn[0] = 0;
    for (uint32_t i = 1; i < t->n; i++) {
        uint32_t node = c->drawn[t->parent[i]];
        for (uint32_t k = 0; k < frames_n(&c->locations[t->name[i]]); k++)
            node = tree_child(c->graph, node, c->frames[t->name[i]][k]);
        tree_add(c->graph, c->drawn[i] = node, t->self[i]);
    }
}

/* The mapping of `other` is that of the first location, so it adds none. */
static uint32_t other_add(const struct cutting *c)
{
    static const struct slice name = SLICE("other");

    struct location_line   line = { .function = { .name = name, .system_name = name } };
    struct location        other = { .lines = &line, .n_lines = 1 };
    const struct location *first = NULL;
    struct slice           least = { 0 };

    for (uint32_t i = 1; i < strset_n(c->whole->names); i++)
        if (first == NULL || slice_cmp(strset_at(c->whole->names, i), least) < 0) {
            first = &c->locations[i];
            least = strset_at(c->whole->names, i);
        }
    if (first != NULL)
        other.mapping = first->mapping;
    return location_add(c->out, &other);
}

/* How many frames of node i are shown, from the outermost. */
static uint32_t frames_shown(const struct cutting *c, uint32_t i)
{
    uint32_t n = frames_n(&c->locations[c->whole->name[i]]);

    for (uint32_t at = c->drawn[i]; n > 0 && c->cut.total[at] < c->cut.least; at = c->graph->parent[at])
        n--;
    return n;
}

static void node_place(struct cutting *c, uint32_t i)
{
    uint32_t        name = c->whole->name[i], parent = c->whole->parent[i], at = c->place[parent];
    struct location outer = c->locations[name];
    uint32_t        shown = c->ends[parent] ? 0 : frames_shown(c, i);

    c->ends[i] = shown < frames_n(&outer);
    if (!c->ends[i]) {
        at = tree_child(c->out, at, tree_name(c->out, strset_at(c->whole->names, name)));
    } else if (!c->ends[parent]) {
        outer.lines += outer.n_lines - (shown < outer.n_lines ? shown : outer.n_lines);
        outer.n_lines = shown;
        if (shown > 0)
            at = tree_child(c->out, at, location_add(c->out, &outer));
        at = tree_child(c->out, at, c->other);
    }
    tree_add(c->out, c->place[i] = at, c->whole->self[i]);
}

struct tree *profile_cut(const struct tree *whole, int64_t max_nodes)
{
    struct arena  *a = arena_new(0);
    uint32_t       n_names = strset_n(whole->names);
    struct cutting c = { .whole = whole,
                         .arena = a,
                         .locations = arena_array(a, n_names, sizeof *c.locations),
                         .frames = arena_array(a, n_names, sizeof(uint32_t *)),
                         .graph = tree_new(),
                         .drawn = mem_alloc(whole->n * sizeof *c.drawn),
                         .out = tree_new(),
                         .place = mem_alloc(whole->n * sizeof *c.place),
                         .ends = mem_zalloc(whole->n) };

    graph_draw(&c);
    cut_init(&c.cut, c.graph, max_nodes);
    c.other = other_add(&c);
    c.place[0] = 0;
    for (uint32_t i = 1; i < whole->n; i++)
        node_place(&c, i);
    c.out->is_clamped = whole->is_clamped;
    cut_fini(&c.cut);
    tree_free(c.graph);
    free(c.drawn);
    free(c.place);
    free(c.ends);
    arena_free(a);
    return c.out;
}

/* ---- nearest -------------------------------------------------------------------------------------------------------- */

struct nearing {
    const struct tree *whole;
    struct arena      *scratch;
    struct tree       *out;
    uint32_t          *name, *leaf; /* [names of whole]: what it is there, and at the end of a stack; 0: not yet */
    bool               are_callees_one;
};

static uint32_t nearing_name(struct nearing *n, uint32_t name, bool is_leaf)
{
    uint32_t *known = is_leaf ? &n->leaf[name] : &n->name[name];

    if (*known == 0 && is_leaf && n->are_callees_one) {
        arena_reset(n->scratch);
        struct location l = location_of(n->whole, name, n->scratch);
        if (l.n_lines > 0)
            l.lines[0].line = 0;
        *known = location_add(n->out, &l);
    } else if (*known == 0) {
        *known = tree_name(n->out, strset_at(n->whole->names, name));
    }
    return *known;
}

struct tree *profile_nearest(const struct tree *whole, uint32_t keep, bool are_callees_one)
{
    uint32_t       n_names = strset_n(whole->names), *path = mem_alloc(whole->n * sizeof *path);
    struct nearing n = { .whole = whole,
                         .scratch = arena_new(0),
                         .out = tree_new(),
                         .name = mem_zalloc(n_names * sizeof *n.name),
                         .leaf = mem_zalloc(n_names * sizeof *n.leaf),
                         .are_callees_one = are_callees_one };

    for (uint32_t i = 1; i < whole->n; i++) {
        uint32_t depth = 0, node = 0;
        if (whole->self[i] == 0)
            continue;
        for (uint32_t at = i; at != 0 && (keep == 0 || depth < keep); at = whole->parent[at])
            path[depth++] = at;
        while (depth-- > 0)
            node = tree_child(n.out, node, nearing_name(&n, whole->name[path[depth]], depth == 0));
        tree_add(n.out, node, whole->self[i]);
    }
    n.out->is_clamped |= whole->is_clamped;
    arena_free(n.scratch);
    free(n.name);
    free(n.leaf);
    free(path);
    return n.out;
}

struct profile_size profile_size(const struct tree *t, uint32_t keep)
{
    uint32_t           *depth = mem_alloc(t->n * sizeof *depth);
    struct profile_size size = { 0 };

    depth[0] = 0;
    for (uint32_t i = 1; i < t->n; i++) {
        depth[i] = depth[t->parent[i]] + 1;
        if (t->self[i] == 0)
            continue;
        size.stacks++;
        size.locations += keep == 0 || depth[i] < keep ? depth[i] : keep;
    }
    free(depth);
    return size;
}
