/*
 * Goal: what a rollup answers is what the rows would, there is none that is not exact or not worth it, and it is read for
 * just the questions that take every point of its type.
 * Method: hand-made batches; the live bucket, which has no rollups, answers first.  Who reads points instead is seen when they
 * are spoilt.  Random questions are model_test's.
 */
#include <stdio.h>

#include "index/batch_make.h"
#include "index/block_probe.h"
#include "index/reading.h"

enum { STACKS = 100 };

static struct fault why;

struct load {
    const char *service, *profile;
    int         pods, profiles, types;
    int64_t     value;
};

static void append(struct bucket *b, const struct load *l, int pod, int64_t time_ns)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;
    int64_t           values[8];

    make_begin(&m, a, l->service, l->profile, time_ns);
    for (int i = 0; i < l->types; i++)
        make_type(&m, arena_printf(a, "t%d", i).p, "count");
    make_part(&m, arena_printf(a, "pod=p%d", pod).p);
    for (int i = 0; i < STACKS; i++) {
        for (int k = 0; k < l->types; k++)
            values[k] = (i + k) % 3 ? l->value + i : 0;
        make_row(&m, arena_printf(a, "main;f%d;g%d", i % 7, i).p, values);
    }
    assert(bucket_append(b, make_end(&m), &why) == CODE_OK);
    arena_free(a);
}

static struct bucket *live_of(const struct load *loads, size_t n)
{
    struct bucket *b = bucket_new(SLICE("t"), 0, 1000, NULL);

    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < loads[i].pods * loads[i].profiles; k++)
            append(b, &loads[i], k % loads[i].pods, 100 + k);
    return b;
}

static struct bucket *sealed_of(const struct bucket *live)
{
    struct buf     image = { 0 };
    struct bucket *b;

    assert(block_write(live, &(struct block_origin){ 0 }, &image, &why) == CODE_OK);
    struct block_image own = probe_copy(buf_view(&image));
    assert(block_open(&own, NULL, &b, &why) == CODE_OK);
    buf_free(&image);
    return b;
}

/* Of all paths and their sums, whatever their order. */
static uint64_t print_of(struct tree *t)
{
    uint64_t *path = mem_zalloc(t->n * sizeof *path), all = t->is_clamped;

    for (uint32_t i = 1; i < t->n; i++) {
        struct slice name = strset_at(t->names, t->name[i]);
        path[i] = hash_pair(path[t->parent[i]], hash64(name.p, name.n));
        all += hash_pair(path[i], (uint64_t)t->self[i]);
    }
    free(path);
    tree_free(t);
    return all;
}

static struct tree *profile_of(const struct bucket *b, const struct selection *s)
{
    struct tree   *t = tree_new();
    struct naming *names = naming_new(t, SIZE_MAX);

    assert(select_profile(b, s, names, &why) == CODE_OK);
    naming_free(names);
    return t;
}

static bool are_equal(const struct bucket *a, const struct bucket *b, const struct selection *s)
{
    struct tree *t[4] = { tree_new(), profile_of(a, s), tree_new(), profile_of(b, s) };

    assert(select_tree(a, s, t[0], &why) == CODE_OK && select_tree(b, s, t[2], &why) == CODE_OK);
    uint64_t graphs = print_of(t[0]) - print_of(t[2]), profiles = print_of(t[1]) - print_of(t[3]);
    return (graphs | profiles) == 0;
}

static uint32_t rollups_n(const struct bucket *b)
{
    uint32_t n = 0;

    for (uint32_t g = 0; g < bucket_groups_n(b); g++) {
        struct range r = group_rollups(b, g);
        n += r.end - r.at;
    }
    return n;
}

static void expect(const struct load *loads, size_t n, uint32_t n_rollups)
{
    const struct selection all = { .start_ns = 0, .end_ns = 1000 };
    struct bucket         *live = live_of(loads, n), *b = sealed_of(live);

    assert(rollups_n(b) == n_rollups && are_equal(live, b, &all));
    bucket_unref(live);
    bucket_unref(b);
}

static void only_what_is_exact_and_worth_it(void)
{
    expect(&(struct load){ "web", "cpu", 3, 4, 2, 5 }, 1, 2);
    expect(&(struct load){ "web", "cpu", 1, 1, 2, 5 }, 1, 0);
    expect(&(struct load){ "web", "cpu", 1, 3, 2, 5 }, 1, 0);             /* a third of the rows */
    expect(&(struct load){ "web", "cpu", 3, 4, 2, INT64_MAX / 4 }, 1, 0); /* no sum */
    expect(&(struct load){ "web", "cpu", 3, 4, 7, 5 }, 1, 7);             /* two blocks of columns */
    expect((struct load[]){ { "web", "cpu", 3, 4, 2, 5 }, { "web", "heap", 2, 4, 4, 7 }, { "db", "cpu", 1, 1, 1, 1 } },
           3, 6);
}

/* The first point of each stream of the first type gets the values of the second; done again, it has its own. */
static void spoil(struct bucket *b)
{
    const struct block   *sealed = b->sealed;
    const struct section *types = &sealed->of[B_STREAM_TYPES];
    uint8_t              *points = (uint8_t *)sealed->of[B_POINTS].at;

    for (uint32_t i = 0; i < types->n; i += 2) {
        struct range r = range_at(&sealed->of[B_POINT_ENDS], i);
        uint64_t     part;
        uint8_t     *at = points + r.at;
        for (int k = 0; k < 3; k++)
            at += uvarint_get(at, &part) - at;
        *at = 1 - *at;
    }
}

static bool reads_points(struct bucket *b, const struct bucket *live, struct selection s, const char *matchers)
{
    struct arena   *a = arena_new(0);
    struct selector selector;

    assert(selector_parse(slice_of(matchers), a, &selector, &why) == CODE_OK);
    s.selectors = &selector;
    s.n_selectors = 1;
    bool is = are_equal(live, b, &s);
    spoil(b);
    is = is && !are_equal(live, b, &s);
    spoil(b);
    assert(are_equal(live, b, &s));
    selector_free(&selector);
    arena_free(a);
    return is;
}

static void just_where_all_points_are_taken(void)
{
    const struct load      loads[] = { { "web", "cpu", 3, 4, 2, 5 }, { "db", "cpu", 2, 6, 2, 5 } };
    const struct selection all = { .start_ns = 100, .end_ns = 111 };
    const struct selection cut[] = { { .start_ns = 101, .end_ns = 111 }, { .start_ns = 100, .end_ns = 110 } };
    const struct slice     site[] = { SLICE("main"), SLICE("f3") };
    struct selection       below = all, one = all;
    struct bucket         *live = live_of(loads, 2), *b = sealed_of(live);

    below.call_site = site;
    below.n_call_site = 2;
    one.profile_type = SLICE("cpu:t0:count:cpu:nanoseconds");
    assert(rollups_n(b) == 4);
    assert(!reads_points(b, live, all, "{}") && !reads_points(b, live, all, "{service_name=\"web\"}"));
    assert(!reads_points(b, live, below, "{}") && !reads_points(b, live, one, "{pod=~\"p.\"}"));
    assert(!reads_points(b, live, all, "{service_name=\"db\",pod!=\"p2\"}"));
    assert(reads_points(b, live, all, "{pod!=\"p2\"}") && reads_points(b, live, one, "{pod=\"p0\"}"));
    assert(reads_points(b, live, cut[0], "{}") && reads_points(b, live, cut[1], "{}"));
    bucket_unref(live);
    bucket_unref(b);
}

int main(void)
{
    only_what_is_exact_and_worth_it();
    just_where_all_points_are_taken();
    puts("rollup: ok");
    return 0;
}
