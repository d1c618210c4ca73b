/*
 * Goal: a graph shows every number of the tree exactly, laid out as Pyroscope lays it out, cut once by max_nodes.
 * Method: the vectors of Pyroscope's own tests and of its answers; then random trees, where a plain model (sort all totals,
 * walk recursively) has to agree on what is shown at every max_nodes, and the levels have to nest.
 */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "query/flame.h"

static uint64_t seed = 7;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* "a;b;c 3" lines. */
static struct tree *tree_of(const char *text)
{
    struct tree *t = tree_new();

    while (*text != '\0') {
        uint32_t node = 0;
        size_t   end = strcspn(text, " ");
        for (size_t from = 0; from <= end;) {
            size_t n = 0;
            while (from + n < end && text[from + n] != ';')
                n++;
            node = tree_child(t, node, tree_name(t, slice_make(text + from, n)));
            from += n + 1;
        }
        tree_add(t, node, strtoll(text + end, (char **)&text, 10));
        text += *text == '\n';
    }
    return t;
}

static void print(struct buf *out, const struct flame *f)
{
    for (size_t i = 0; i < f->n_names; i++)
        buf_printf(out, "%s%.*s", i ? "," : "", SLICE_ARGS(f->names[i]));
    for (size_t l = 0; l < f->n_levels; l++) {
        buf_text(out, " |");
        for (size_t i = 0; i < f->levels[l].n; i++)
            buf_printf(out, "%s%lld", i % 4 ? " " : i ? ", " : " ", (long long)f->levels[l].values[i]);
    }
    buf_printf(out, " | %lld %lld", (long long)f->total, (long long)f->max_self);
}

static void expect(const char *text, int64_t max_nodes, const char *expected)
{
    struct arena *a = arena_new(0);
    struct tree  *t = tree_of(text);
    struct flame  f;
    struct buf    got = { 0 };

    flame_build(t, max_nodes, a, &f);
    print(&got, &f);
    if (!slice_is(buf_view(&got), expected))
        fprintf(stderr, "%s cut to %lld\n is  %.*s\n not %s\n", text, (long long)max_nodes, SLICE_ARGS(buf_view(&got)),
                expected),
            assert(!"not as expected");
    buf_free(&got);
    tree_free(t);
    arena_free(a);
}

static void vectors(void)
{
    static const char *abc = "a;b;e 1\na;c 2\na;c;d 1", *cut = "a 2\na;b 10\na;c 3\na;c;e 1\nd 40";
    static const char *names = "main;other 1\nmain; 2\nmain2;total 3\nother;x 4";

    expect(abc, 0, "total,a,c,d,b,e | 0 4 0 0 | 0 4 0 1 | 0 1 0 4, 0 3 2 2 | 0 1 1 5, 2 1 1 3 | 4 2");
    expect("", 0, "total | 0 0 0 0 | 0 0");
    expect("a 0", 0, "total | 0 0 0 0 | 0 0");
    /* a function called `other` loses its subtree, one called `total` has the root's name, an empty name is a name */
    expect(names, 0,
           "total,other,main2,main, | 0 10 0 0 | 0 3 0 3, 0 3 0 2, 0 4 4 1 | 0 2 2 4, 0 1 1 1, 0 3 3 0 | 10 4");
    expect(cut, 5, "total,d,a,c,e,b | 0 56 0 0 | 0 16 2 2, 0 40 40 1 | 2 10 10 5, 0 4 3 3 | 15 1 1 4 | 56 40");
    expect(cut, 4, "total,d,a,c,other,b | 0 56 0 0 | 0 16 2 2, 0 40 40 1 | 2 10 10 5, 0 4 3 3 | 15 1 1 4 | 56 40");
    expect(cut, 3, "total,d,a,other,b | 0 56 0 0 | 0 16 2 2, 0 40 40 1 | 2 10 10 4, 0 4 4 3 | 56 40");
    expect(cut, 2, "total,d,a,other | 0 56 0 0 | 0 16 2 2, 0 40 40 1 | 2 14 14 3 | 56 40");
    expect(cut, 1, "total,other,d | 0 56 0 0 | 0 40 40 2, 0 16 16 1 | 56 40");
    /* a tie stays, also beyond max_nodes */
    expect("a;b 40\na;c 23\nd 40\nq 1", 2,
           "total,other,d,a,b | 0 104 0 0 | 0 63 0 3, 0 40 40 2, 0 1 1 1 | 0 40 40 4, 0 23 23 1 | 104 40");
}

static void expect_tree(const char *text, int64_t max_nodes, const char *bytes, size_t n)
{
    struct tree *t = tree_of(text);
    struct buf   got = { 0 };

    flame_tree_bytes(t, max_nodes, &got);
    assert(slice_eq(buf_view(&got), slice_make(bytes, n)));
    buf_free(&got);
    tree_free(t);
}

#define EXPECT_TREE(text, max_nodes, bytes) expect_tree(text, max_nodes, bytes, sizeof(bytes) - 1)

static void tree_bytes(void)
{
    EXPECT_TREE("", 0, "");
    EXPECT_TREE("a;b 1\na;c 200", 0,
                "\0\0\1"
                "\1a\0\2"
                "\1c\xc8\1\0"
                "\1b\1\0");
    EXPECT_TREE("a 5\nb 3\nc 1", 1,
                "\0\0\2"
                "\5other\4\0"
                "\1a\5\0");
    /* `other` stays with its subtree, though small, and takes in what was cut */
    EXPECT_TREE("a 5\nb 3\nother;x 1", 1,
                "\0\0\2"
                "\5other\3\1"
                "\5other\1\0"
                "\1a\5\0");
}

static int64_t total_of(const struct tree *t, uint32_t node)
{
    int64_t total = t->self[node];

    for (uint32_t i = node + 1; i < t->n; i++)
        total += t->parent[i] == node ? total_of(t, i) : 0;
    return total;
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Boxes that the model draws below `node`, and the sum of their selfs. */
static size_t boxes_of(const struct tree *t, const int64_t *total, uint32_t node, int64_t least, int64_t *selfs)
{
    size_t  n = 0;
    int64_t rest = 0;

    for (uint32_t i = 1; i < t->n; i++) {
        if (t->parent[i] != node || total[i] == 0)
            continue;
        if (total[i] < least || slice_is(strset_at(t->names, t->name[i]), "other")) {
            rest += total[i];
            continue;
        }
        *selfs += t->self[i];
        n += 1 + boxes_of(t, total, i, least, selfs);
    }
    *selfs += rest;
    return n + (rest > 0);
}

/* Every box lies inside one of the level above it, none overlap, and selfs and children fill a box exactly. */
static void check_nesting(const struct flame *f, size_t *n_boxes)
{
    int64_t filled = 0;

    *n_boxes = 0;
    for (size_t l = 0; l < f->n_levels; l++) {
        int64_t edge = 0, up_edge = 0;
        size_t  up = 0;
        for (size_t i = 0; i < f->levels[l].n; i += 4) {
            const int64_t *v = f->levels[l].values + i;
            assert(v[0] >= 0 && v[1] >= v[2] && v[3] >= 0 && (size_t)v[3] < f->n_names);
            int64_t x = edge + v[0];
            edge = x + v[1];
            for (; l > 0; up += 4) { /* the box above that holds it */
                const struct flame_level *above = &f->levels[l - 1];
                assert(up < above->n);
                int64_t from = up_edge + above->values[up], to = from + above->values[up + 1];
                if (x < to) {
                    assert(x >= from + above->values[up + 2] && edge <= to);
                    break;
                }
                up_edge = to;
            }
            filled += v[2];
            ++*n_boxes;
        }
    }
    assert(filled == f->total);
}

static void random_trees(void)
{
    for (int round = 0; round < 200; round++) {
        struct tree  *t = tree_new();
        struct arena *a = arena_new(0);
        struct flame  f;
        uint32_t      paths = 1 + roll(60);
        for (uint32_t i = 0; i < paths; i++) {
            uint32_t node = 0;
            for (uint32_t depth = 1 + roll(6); depth > 0; depth--) {
                char     name[8];
                uint32_t k = roll(6);
                snprintf(name, sizeof name, k ? "f%u" : "other", k);
                node = tree_child(t, node, tree_name(t, slice_of(name)));
            }
            tree_add(t, node, roll(50));
        }
        int64_t *total = mem_alloc(t->n * sizeof *total), *sorted = mem_alloc(t->n * sizeof *sorted);
        for (uint32_t i = 0; i < t->n; i++)
            sorted[i] = total[i] = total_of(t, i);
        qsort(sorted + 1, t->n - 1, sizeof *sorted, descending);
        for (uint32_t max_nodes = 0; max_nodes < t->n + 2; max_nodes += 1 + roll(4)) {
            int64_t least = max_nodes == 0 || max_nodes >= t->n - 1 ? 0 : sorted[max_nodes], selfs = 0;
            size_t  n_boxes, expected = 1 + boxes_of(t, total, 0, least, &selfs);
            flame_build(t, max_nodes, a, &f);
            check_nesting(&f, &n_boxes);
            assert(f.total == total[0] && selfs == total[0] && n_boxes == expected);
        }
        free(total);
        free(sorted);
        arena_free(a);
        tree_free(t);
    }
}

/* A stack as deep as the deepest that ingest lets in many times over: nothing recurses. */
static void deep(void)
{
    struct tree  *t = tree_new();
    struct arena *a = arena_new(0);
    struct flame  f;
    struct buf    bytes = { 0 };
    uint32_t      node = 0;

    for (int i = 0; i < 200000; i++)
        node = tree_child(t, node, tree_name(t, SLICE("f")));
    tree_add(t, node, INT64_MAX);
    tree_add(t, 1, INT64_MAX);
    flame_build(t, 0, a, &f);
    assert(f.n_levels == 200001 && f.total == INT64_MAX && f.n_names == 2);
    flame_tree_bytes(t, 0, &bytes);
    buf_free(&bytes);
    arena_free(a);
    tree_free(t);
}

int main(void)
{
    vectors();
    tree_bytes();
    random_trees();
    deep();
    puts("flame: ok");
    return 0;
}
