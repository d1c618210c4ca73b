/*
 * Goal: a difference shows both sides of every node exactly, laid out and cut as Pyroscope does it, but once.
 * Method: vectors from Pyroscope's tests and answers; then random samples, where every box found by its path is checked
 * against sums over the plain list of samples, and what is not shown has to be below the model's limit.
 */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "query/flame.h"

enum { SAMPLES = 30, DEPTH = 5, BOXES_MAX = 400 };

static uint64_t seed = 11;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

struct sample {
    char    path[DEPTH * 2 + 1]; /* "a;b;": every name is one letter */
    int     side;
    int64_t value;
};

static void tree_put(struct tree *t, const char *path, int64_t value)
{
    uint32_t node = 0;

    for (const char *at = path; *at != '\0';) {
        size_t n = strcspn(at, ";");
        node = tree_child(t, node, tree_name(t, slice_make(at, n)));
        at += n + 1;
    }
    tree_add(t, node, value);
}

static void print(struct buf *out, const struct flame *f)
{
    for (size_t i = 0; i < f->n_names; i++)
        buf_printf(out, "%s%.*s", i ? "," : "", SLICE_ARGS(f->names[i]));
    for (size_t l = 0; l < f->n_levels; l++) {
        buf_text(out, " |");
        for (size_t i = 0; i < f->levels[l].n; i++)
            buf_printf(out, "%s%lld", i % 7 ? " " : i ? ", " : " ", (long long)f->levels[l].values[i]);
    }
    buf_printf(out, " | %lld %lld %lld %lld", (long long)f->total, (long long)f->max_self, (long long)f->ticks[0],
               (long long)f->ticks[1]);
}

/* "a;b; 3" items, separated by commas. */
static struct tree *tree_of(const char *text)
{
    struct tree *t = tree_new();
    char         path[64];
    long long    value;
    int          n;

    for (; sscanf(text, "%63s %lld%n", path, &value, &n) == 2; text += n + (text[n] == ','))
        tree_put(t, path, value);
    return t;
}

static void expect(const char *left, const char *right, int64_t max_nodes, const char *expected)
{
    struct arena *a = arena_new(0);
    struct tree  *l = tree_of(left), *r = tree_of(right);
    struct flame  f;
    struct buf    got = { 0 };

    flame_diff(l, r, max_nodes, a, &f);
    tree_free(l);
    tree_free(r);
    print(&got, &f);
    if (!slice_is(buf_view(&got), expected))
        fprintf(stderr, "%s against %s, %lld\n is  %.*s\n not %s\n", left, right, (long long)max_nodes,
                SLICE_ARGS(buf_view(&got)), expected),
            assert(!"not as expected");
    buf_free(&got);
    arena_free(a);
}

static void vectors(void)
{
    static const char *left = "a; 2,a;b; 10,a;c; 3,a;c;e; 1,d; 40", *right = "a;b; 5,a;c;f; 30,d; 1,g; 3";

    expect("a;b; 1,a;c; 2", "a;b; 4,a;c; 8", 0,
           "total,a,c,b | 0 3 0 0 12 0 0 | 0 3 0 0 12 0 1 | 0 1 1 0 4 4 3, 0 2 2 0 8 8 2 | 15 8 3 12");
    expect("", "", 0, "total | 0 0 0 0 0 0 0 | 0 0 0 0");
    expect("a; 5", "", 0, "total,a | 0 5 0 0 0 0 0 | 0 5 5 0 0 0 1 | 5 5 5 0");
    expect("a; 5", "b; 7", 0, "total,b,a | 0 5 0 0 7 0 0 | 0 5 5 0 0 0 2, 0 0 0 0 7 7 1 | 12 7 5 7");
    /* an empty name has the root's entry, `total` has its own */
    expect("a;; 2,b;total; 3", "", 0,
           "total,b,total,a | 0 5 0 0 0 0 0 | 0 2 0 0 0 0 3, 0 3 0 0 0 0 1 | 0 2 2 0 0 0 0, 0 3 3 0 0 0 2 | 5 3 5 0");
    expect(left, right, 1, "total,other | 0 56 0 0 39 0 0 | 0 56 56 0 39 39 1 | 95 56 56 39");
    expect(left, right, 2, "total,other,d | 0 56 0 0 39 0 0 | 0 40 40 0 1 1 2, 0 16 16 0 38 38 1 | 95 40 56 39");
    expect(left, right, 3,
           "total,other,d,a | 0 56 0 0 39 0 0 | 0 16 2 0 35 0 3, 0 40 40 0 1 1 2, 0 0 0 0 3 3 1 | 2 14 14 0 35 35 1 | "
           "95 40 56 39");
    /* a function called `other` is shown, however small, beside what was cut */
    expect("a; 9,b; 1,other;x; 1", "a; 9", 2,
           "total,other,a | 0 11 0 0 9 0 0 | 0 9 9 0 9 9 2, 0 1 0 0 0 0 1, 0 1 1 0 0 0 1 | 9 1 1 9 0 0 1 | 20 9 11 9");
}

/* ---- random samples ------------------------------------------------------------------------------------------------- */

struct found {
    char    path[64];
    int64_t total[2], self[2], x, end;
    bool    is_rest;
};

/* Boxes by their paths, each inside one of the level above. */
static size_t boxes_find(const struct flame *f, struct found *out)
{
    size_t n = 0, above = 0, above_end = 0;

    for (size_t l = 0; l < f->n_levels; above = above_end, above_end = n, l++) {
        int64_t edge = 0;
        for (size_t i = 0; i < f->levels[l].n; i += 7) {
            const int64_t *v = f->levels[l].values + i;
            struct found  *b = &out[n++];
            assert(n < BOXES_MAX);
            *b = (struct found){ .total = { v[1], v[4] }, .self = { v[2], v[5] }, .x = edge + v[0] + v[3] };
            b->end = edge = b->x + v[1] + v[4];
            if (l == 0)
                continue;
            while (b->x >= out[above].end)
                assert(++above < above_end);
            assert(b->x >= out[above].x + out[above].self[0] + out[above].self[1] && b->end <= out[above].end);
            snprintf(b->path, sizeof b->path, "%.40s%.*s;", out[above].path, SLICE_ARGS(f->names[v[6]]));
            b->is_rest = slice_is(f->names[v[6]], "other");
        }
        if (l == 0)
            above_end = 0;
    }
    return n;
}

static int64_t total_of(const struct sample *at, const char *path, int side, bool is_self)
{
    int64_t sum = 0;

    for (size_t i = 0; i < SAMPLES; i++)
        if (at[i].side == side && strncmp(at[i].path, path, strlen(path)) == 0 &&
            (!is_self || !strcmp(at[i].path, path)))
            sum += at[i].value;
    return sum;
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static int64_t larger_of(const struct sample *at, const char *path)
{
    int64_t l = total_of(at, path, 0, false), r = total_of(at, path, 1, false);
    return l > r ? l : r;
}

/* Every distinct path and prefix of one, the root first. */
static size_t paths_list(const struct sample *at, char out[][DEPTH * 2 + 1])
{
    size_t n = 1;

    out[0][0] = '\0';
    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t depth = 1; depth <= strlen(at[i].path) / 2; depth++) {
            char path[DEPTH * 2 + 1];
            bool is_new = true;
            snprintf(path, sizeof path, "%.*s", (int)depth * 2, at[i].path);
            for (size_t k = 0; k < n; k++)
                is_new = is_new && strcmp(out[k], path) != 0;
            if (is_new)
                memcpy(out[n++], path, sizeof path);
        }
    return n;
}

static void check(const struct sample *at, const struct flame *f, int64_t least, char paths[][DEPTH * 2 + 1],
                  size_t n_paths)
{
    static struct found boxes[BOXES_MAX];
    size_t              n = boxes_find(f, boxes), shown = 0, expected = 0;
    int64_t             selfs[2] = { 0 };

    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < 2; s++) {
            selfs[s] += boxes[i].self[s];
            shown += !boxes[i].is_rest && s == 0;
            assert(boxes[i].is_rest || (boxes[i].total[s] == total_of(at, boxes[i].path, s, false) &&
                                        boxes[i].self[s] == total_of(at, boxes[i].path, s, i > 0) * (i > 0)));
        }
    for (size_t i = 0; i < n_paths; i++)
        expected += i == 0 || (larger_of(at, paths[i]) > 0 && larger_of(at, paths[i]) >= least);
    assert(shown == expected); /* totals fall towards the leaves, so nothing shown hangs below what is not */
    for (int s = 0; s < 2; s++)
        assert(selfs[s] == f->ticks[s] && f->ticks[s] == total_of(at, "", s, false));
}

static void random_samples(void)
{
    for (int round = 0; round < 200; round++) {
        struct sample at[SAMPLES];
        char          paths[SAMPLES * DEPTH + 1][DEPTH * 2 + 1];
        int64_t       sorted[SAMPLES * DEPTH + 1];
        struct tree  *t[2] = { tree_new(), tree_new() };
        struct arena *a = arena_new(0);
        struct flame  f;

        for (size_t i = 0; i < SAMPLES; i++) {
            at[i] = (struct sample){ .side = (int)roll(2), .value = roll(40) };
            for (uint32_t depth = 1 + roll(DEPTH - 1), k = 0; k < depth; k++)
                snprintf(at[i].path + 2 * k, 3, "%c;", 'a' + (int)roll(4));
            tree_put(t[at[i].side], at[i].path, at[i].value);
        }
        size_t n = paths_list(at, paths);
        for (size_t i = 0; i < n; i++)
            sorted[i] = larger_of(at, paths[i]);
        qsort(sorted, n, sizeof *sorted, descending);
        for (size_t max_nodes = 0; max_nodes < n + 2; max_nodes += 1 + roll(5)) {
            flame_diff(t[0], t[1], (int64_t)max_nodes, a, &f);
            check(at, &f, max_nodes == 0 || n <= max_nodes ? 0 : sorted[max_nodes - 1], paths, n);
        }
        tree_free(t[0]);
        tree_free(t[1]);
        arena_free(a);
    }
}

int main(void)
{
    vectors();
    random_samples();
    puts("flame diff: ok");
    return 0;
}
