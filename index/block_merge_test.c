/*
 * Goal: merged blocks answer as they did together, are smaller than they were, and roll up what each alone would not.
 * Method: hand-made batches in blocks of ten-minute spans; all questions are asked of the blocks in turn and of what they were merged
 * into.  Random batches are model_test's, forged blocks block_test's.
 */
#include <stdio.h>

#include "index/batch_make.h"
#include "index/block_probe.h"
#include "index/reading.h"

enum { SPANS = 12, STACKS = 50, SPAN = 600 };

static struct fault why;

/* A profile of a pod whose stacks depend on the span, some new in each. */
static void append(struct bucket *b, const char *pod, int64_t time_ns, int64_t span)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, "web", "process_cpu", time_ns);
    make_type(&m, "samples", "count");
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, arena_printf(a, "pod=%s", pod).p);
    for (int64_t i = span % 3 * 5; i < STACKS; i++) {
        int64_t n = 1 + (i * 7 + span) % 13;
        make_row(&m, arena_printf(a, "main;f%lld;g%lld>h;!/lib@%llx", (long long)(i % 9), (long long)i, (long long)i).p,
                 (int64_t[]){ n, n * 10000000 });
    }
    assert(bucket_append(b, make_end(&m), &why) == CODE_OK);
    arena_free(a);
}

static struct bucket *sealed_of(const struct bucket *live, const struct block_origin *origin)
{
    struct buf     image = { 0 };
    struct bucket *b;

    assert(block_write(live, origin, &image, &why) == CODE_OK);
    struct block_image own = probe_copy(buf_view(&image));
    assert(block_open(&own, NULL, &b, &why) == CODE_OK);
    buf_free(&image);
    return b;
}

static void make_blocks(struct bucket **out)
{
    for (int64_t i = 0; i < SPANS; i++) {
        struct bucket *live = bucket_new(SLICE("t"), i * SPAN, (i + 1) * SPAN, NULL);
        for (int k = 0; k < 3; k++)
            append(live, k == 1 ? "b" : "a", i * SPAN + 100 * k, i);
        out[i] = sealed_of(live, &(struct block_origin){ 0 });
        bucket_unref(live);
    }
}

static struct bucket *merge(struct bucket *const *from, size_t n)
{
    struct bucket *live;

    assert(block_merge(from, n, NULL, &live, &why) == CODE_OK);
    struct bucket *b = sealed_of(live, &(struct block_origin){ 0 });
    bucket_unref(live);
    return b;
}

/* Of all paths and their sums, whatever their order. */
static uint64_t print_of(const struct tree *t)
{
    uint64_t *path = mem_zalloc(t->n * sizeof *path), all = t->is_clamped;

    for (uint32_t i = 1; i < t->n; i++) {
        struct slice name = strset_at(t->names, t->name[i]);
        path[i] = hash_pair(path[t->parent[i]], hash64(name.p, name.n));
        all += hash_pair(path[i], (uint64_t)t->self[i]);
    }
    free(path);
    return all;
}

static uint64_t graph_of(struct bucket *const *from, size_t n, const struct selection *s)
{
    struct tree *t = tree_new();

    for (size_t i = 0; i < n; i++)
        assert(select_tree(from[i], s, t, &why) == CODE_OK);
    uint64_t print = print_of(t);
    tree_free(t);
    return print;
}

static void ranges_answer_the_same(struct bucket *const *from, struct bucket *merged)
{
    for (int64_t start = 0; start < SPANS * SPAN; start += 250)
        for (int64_t end = start; end < SPANS * SPAN; end += 350) {
            struct selection s = { .start_ns = start, .end_ns = end };
            assert(graph_of(from, SPANS, &s) == graph_of(&merged, 1, &s));
        }
}

static uint32_t rollups_n(const struct bucket *b)
{
    struct range r = group_rollups(b, 0);
    return r.end - r.at;
}

static void twelve_become_one(void)
{
    struct bucket *from[SPANS];
    size_t         bytes = 0;

    make_blocks(from);
    struct bucket *all = merge(from, SPANS), *again = merge(from, SPANS);
    for (int i = 0; i < SPANS; i++) {
        bytes += block_image(from[i]).n;
        assert(rollups_n(from[i]) == 0);
    }
    printf("%d blocks of %zu bytes become one of %zu\n", SPANS, bytes, block_image(all).n);
    assert(slice_eq(block_image(all), block_image(again))); /* M2 */
    assert(block_image(all).n < bytes / 4 && rollups_n(all) == 2);
    struct bucket_stats is = bucket_stats(all);
    assert(is.profiles == 3 * SPANS && is.series == 2 && is.oldest_ns == 0 && is.newest_ns == (SPANS - 1) * SPAN + 200);
    assert(bucket_start_ns(all) == 0 && bucket_end_ns(all) == SPANS * SPAN && slice_is(bucket_tenant(all), "t"));
    ranges_answer_the_same(from, all);
    for (int i = 0; i < SPANS; i++)
        bucket_unref(from[i]);
    bucket_unref(all);
    bucket_unref(again);
}

static void sources_are_kept(void)
{
    const struct block_source sources[] = { { 3, 10 }, { 4, 0 } };
    struct bucket            *live = bucket_new(SLICE("t"), 0, SPAN, NULL);

    append(live, "a", 5, 0);
    struct bucket      *b = sealed_of(live, &(struct block_origin){ .sources = slice_make(sources, sizeof sources) });
    struct block_origin is = block_origin(b);
    assert(slice_eq(is.sources, slice_make(sources, sizeof sources)) && is.keys.n == 0 && is.first_seq == 0);
    bucket_unref(live);
    bucket_unref(b);
}

static void what_does_not_fit_is_refused(void)
{
    struct bucket *far[2], *merged;

    for (int i = 0; i < 2; i++) {
        int64_t        start_ns = i ? INT64_MAX - SPAN : INT64_MIN;
        struct bucket *live = bucket_new(SLICE("t"), start_ns, start_ns + SPAN, NULL);
        far[i] = sealed_of(live, &(struct block_origin){ 0 });
        bucket_unref(live);
    }
    assert(block_merge(far, 2, NULL, &merged, &why) == CODE_RESOURCE_EXHAUSTED);
    bucket_unref(far[0]);
    bucket_unref(far[1]);
}

int main(void)
{
    twelve_become_one();
    sources_are_kept();
    what_does_not_fit_is_refused();
    puts("block merge: ok");
    return 0;
}
