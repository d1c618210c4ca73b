#include "query/partial.h"

#include <assert.h>

#include "base/mem.h"

struct partial *partial_new(enum question_kind kind)
{
    struct partial *p = mem_zalloc(sizeof *p);

    p->kind = kind;
    p->arena = arena_new(0);
    if (kind == ASK_TREE || kind == ASK_PROFILE)
        p->tree = tree_new();
    else if (kind == ASK_POINTS)
        p->points = points_new(p->arena);
    else
        p->set = strset_new(p->arena);
    return p;
}

void partial_free(struct partial *p)
{
    if (p == NULL)
        return;
    tree_free(p->tree);
    points_free(p->points);
    arena_free(p->arena);
    free(p);
}

static size_t weight(const struct partial *p)
{
    return p->tree ? p->tree->n : p->points ? points_n(p->points) : strset_n(p->set);
}

enum code partial_check(const struct partial *p, struct fault *why)
{
    size_t      most = p->tree ? PARTIAL_NODES_MAX : p->points ? PARTIAL_POINTS_MAX : PARTIAL_SET_MAX;
    const char *what = p->tree ? "nodes" : p->points ? "points" : "entries";

    if (p->kind == ASK_PROFILE && tree_name_bytes(p->tree) > PARTIAL_NAME_BYTES_MAX)
        most = PARTIAL_NAME_BYTES_MAX, what = "bytes of locations";
    else if (weight(p) <= most)
        return CODE_OK;
    return fail(why, CODE_RESOURCE_EXHAUSTED, "the answer has more than %zu %s: narrow the selector or the time range",
                most, what);
}

/* The larger tree takes in the smaller: the cost is that of the smaller. */
static void trees_merge(struct partial *into, struct partial *from)
{
    if (into->tree->n < from->tree->n) {
        struct tree *larger = from->tree;
        from->tree = into->tree;
        into->tree = larger;
    }
    tree_merge(into->tree, from->tree);
}

void partial_merge(struct partial *into, struct partial *from)
{
    assert(into != from && into->kind == from->kind);
    if (into->tree != NULL)
        trees_merge(into, from);
    else if (into->points != NULL)
        points_merge(into->points, from->points);
    else
        strset_add_all(into->set, strset_all(from->set), strset_n(from->set));
}

struct strset *partial_set(struct partial *p)
{
    assert(p->set != NULL);
    return p->set;
}

struct tree *partial_tree(struct partial *p)
{
    assert(p->tree != NULL);
    return p->tree;
}

const struct partial_series *partial_points(struct partial *p, size_t *n)
{
    assert(p->points != NULL);
    return points_sorted(p->points, p->arena, n);
}
