/*
 * Goal: a tree holds exactly what was added, merges exactly, and survives its encoding; hostile bytes are refused.
 * Method: random paths into a tree and into a plain list of (path, value); every answer is computed from both.
 */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "model/tree.h"

enum { PATHS = 3000, DEPTH = 12, NAMES = 20 };

static uint64_t seed = 1;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* The plain model: paths as text, "a;b;c;", one after the other. */
struct path {
    char    text[DEPTH * 4 + 1];
    int64_t value;
};

static struct path path_random(void)
{
    struct path p = { .value = (int64_t)roll(1000) };
    size_t      depth = 1 + roll(DEPTH - 1), n = 0;

    for (size_t i = 0; i < depth; i++)
        n += (size_t)snprintf(p.text + n, sizeof p.text - n, "f%02u;", roll(NAMES));
    return p;
}

static void tree_put(struct tree *t, const struct path *p)
{
    uint32_t node = 0;

    for (const char *at = p->text; *at != '\0'; at += 4)
        node = tree_child(t, node, tree_name(t, slice_make(at, 3)));
    tree_add(t, node, p->value);
}

static void path_of(const struct tree *t, uint32_t node, char *out, size_t cap)
{
    char     reversed[DEPTH][4];
    unsigned n = 0;

    for (; node != 0; node = t->parent[node]) {
        assert(t->parent[node] < node); /* T1 */
        snprintf(reversed[n++], 4, "%.*s", SLICE_ARGS(strset_at(t->names, t->name[node])));
    }
    out[0] = '\0';
    for (size_t at = 0; n-- > 0;)
        at += (size_t)snprintf(out + at, cap - at, "%s;", reversed[n]);
}

/* Every node's self and total against the list, and all of the list found. */
static void check(const struct tree *t, const struct path *paths, size_t n)
{
    int64_t *totals = mem_alloc(t->n * sizeof *totals), found = 0, all = 0;

    tree_totals(t, totals);
    for (uint32_t node = 0; node < t->n; node++) {
        char    text[DEPTH * 4 + 1];
        int64_t self = 0, total = 0;
        path_of(t, node, text, sizeof text);
        for (size_t i = 0; i < n; i++) {
            self += strcmp(paths[i].text, text) == 0 ? paths[i].value : 0;
            total += strncmp(paths[i].text, text, strlen(text)) == 0 ? paths[i].value : 0;
        }
        assert(t->self[node] == self && totals[node] == total);
        found += self;
    }
    for (size_t i = 0; i < n; i++)
        all += paths[i].value;
    assert(found == all && totals[0] == all && !t->is_clamped);
    free(totals);
}

static void random_paths(void)
{
    struct path *paths = mem_alloc(PATHS * sizeof *paths);
    struct tree *whole = tree_new(), *merged = tree_new(), *part[16];
    struct buf   bytes = { 0 };
    struct fault why;

    for (int i = 0; i < 16; i++)
        part[i] = tree_new();
    for (size_t i = 0; i < PATHS / 10; i++) {
        paths[i] = path_random();
        tree_put(whole, &paths[i]);
        tree_put(part[roll(16)], &paths[i]);
    }
    check(whole, paths, PATHS / 10);
    for (int i = 0; i < 16; i++) { /* half of them by way of their encoding */
        bytes.n = 0;
        tree_encode(part[i], &bytes);
        if (i % 2 == 0)
            tree_merge(merged, part[i]);
        else
            assert(tree_decode(buf_view(&bytes), merged, &why) == CODE_OK);
        tree_free(part[i]);
    }
    assert(merged->n == whole->n);
    check(merged, paths, PATHS / 10);
    buf_free(&bytes);
    tree_free(whole);
    tree_free(merged);
    free(paths);
}

static void clamps(void)
{
    struct tree *t = tree_new(), *u = tree_new();
    uint32_t     a = tree_child(t, 0, tree_name(t, SLICE("a"))), b = tree_child(t, a, tree_name(t, SLICE("b")));
    int64_t      totals[3];

    tree_add(t, a, INT64_MAX - 1);
    tree_add(t, b, 5);
    assert(!t->is_clamped);
    tree_totals(t, totals);
    assert(totals[0] == INT64_MAX && totals[1] == INT64_MAX && totals[2] == 5);
    tree_add(t, a, 2);
    assert(t->is_clamped && t->self[a] == INT64_MAX);
    tree_merge(u, t);
    assert(u->is_clamped && u->n == 3);
    tree_free(t);
    tree_free(u);
    tree_free(NULL);
}

static void refuses(void)
{
    static const struct {
        const char *bytes;
        size_t      n;
    } bad[] = {
        { "", 0 },                     /* nothing */
        { "\x00", 1 },                 /* no node count */
        { "\x00\x00", 2 },             /* not even a root */
        { "\x00\x02\x01\x00\x00", 5 }, /* a node without names */
        { "\x05\x01"
          "a",
          3 }, /* names missing */
        { "\x01\x7f"
          "a\x01",
          4 }, /* a name longer than the rest */
        { "\x01\x01"
          "a\x02\x00\x00\x00",
          7 }, /* its own parent */
        { "\x01\x01"
          "a\x02\x02\x00\x00",
          7 }, /* a parent before the root */
        { "\x01\x01"
          "a\x02\x01\x01\x00",
          7 }, /* no such name */
        { "\x01\x01"
          "a\x7f\x01\x00\x00",
          7 }, /* more nodes than bytes */
        { "\x01\x01"
          "a\x02\x01\x00\x00\x00",
          8 }, /* bytes behind */
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 },
        { "\x01\x01"
          "a\x02\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
          16 }, /* self above 63 bits */
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tree *t = tree_new();
        struct fault why;
        assert(tree_decode(slice_make(bad[i].bytes, bad[i].n), t, &why) == CODE_INVALID_ARGUMENT);
        tree_free(t);
    }
}

int main(void)
{
    for (int i = 0; i < 10; i++)
        random_paths();
    clamps();
    refuses();
    puts("tree: ok");
    return 0;
}
