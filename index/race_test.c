/*
 * Goal: readers beside a writer see whole batches in order, and nothing of it is a data race.
 * Method: one writer appends batches of a known sum, with new labels, symbols and stacks in each; three readers ask
 * questions all the while.  Every sum must be that of k whole batches, with k between what was published before and after
 * the question.  The last reference is dropped by whoever ends last.  Under the tsan preset this is the proof of publish.h.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "index/batch_make.h"
#include "index/bucket.h"
#include "index/select.h"

enum { READERS = 3, BATCHES = 1500, PER_BATCH = 5, SPAN = 1000, QUESTIONS_MIN = 20, BATCHES_PER_ROUND = 4 };

static struct bucket *bucket;
static _Atomic bool   is_over;
static _Atomic long   rounds; /* of questions, by all readers */

static void append(uint32_t i)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;
    struct fault      why;

    make_begin(&m, a, i % 50 == 49 ? arena_printf(a, "web%u", i).p : "web", "process_cpu", i % SPAN);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, arena_printf(a, "pod=p%u", i / 3).p);
    make_row(&m, "main;work", (int64_t[]){ 1 });
    make_row(&m, arena_printf(a, "main;work;f%u", i).p, (int64_t[]){ 1 });
    make_row(&m, arena_printf(a, "main;g%u;work", i / 2).p, (int64_t[]){ 1 });
    make_part(&m, "zone=b");
    make_row(&m, "main;work", (int64_t[]){ 1 });
    make_row(&m, arena_printf(a, "start%u;work;read", i).p, (int64_t[]){ 1 });
    enum code code = bucket_append(bucket, make_end(&m), &why);
    assert(code == CODE_OK);
    arena_free(a);
}

static void *open_stream(void *arg, struct labels labels)
{
    assert(labels_are_sorted(labels));
    return arg;
}

static void one_point(void *arg, void *stream, int64_t time_ns, int64_t total)
{
    assert(arg == stream && time_ns < SPAN);
    *(int64_t *)arg += total;
}

static int64_t points_sum(const struct selection *s, struct fault *why)
{
    int64_t           sum = 0;
    struct point_sink sink = { &sum, open_stream, one_point };

    assert(select_points(bucket, s, &sink, why) == CODE_OK);
    return sum;
}

static int64_t tree_sum(const struct selection *s, struct fault *why)
{
    struct tree *t = tree_new();
    int64_t      sum = 0;

    assert(select_tree(bucket, s, t, why) == CODE_OK);
    for (uint32_t i = 0; i < t->n; i++)
        sum += t->self[i];
    tree_free(t);
    return sum;
}

static void sum_is_a_prefix(int64_t sum, int64_t before, int64_t after, int64_t per_batch)
{
    assert(sum % per_batch == 0 && sum / per_batch >= before && sum / per_batch <= after);
}

/* As many pods as a third of the batches, found through the label tables. */
static void pods_are_there(const struct selection *s, int64_t before, struct fault *why)
{
    struct arena  *a = arena_new(0);
    struct strset *set = strset_new(a);
    uint32_t       id;

    assert(select_label_values(bucket, s, SLICE("pod"), set, why) == CODE_OK);
    for (int64_t i = 0; i < before; i += 3)
        assert(strset_find(set, arena_printf(a, "p%lld", (long long)(i / 3)), &id));
    arena_free(a);
}

static void one_pod_is_found(int64_t before, struct fault *why)
{
    struct arena    *a = arena_new(0);
    struct selector  by_pod;
    struct selection s = { .end_ns = SPAN, .selectors = &by_pod, .n_selectors = 1 };

    if (before >= 3) {
        struct slice text = arena_printf(a, "{pod=\"p%lld\"}", (long long)(before / 3 - 1));
        assert(selector_parse(text, a, &by_pod, why) == CODE_OK);
        assert(tree_sum(&s, why) == 9); /* three batches, three samples each */
        selector_free(&by_pod);
    }
    arena_free(a);
}

static void *reader(void *arg)
{
    struct slice           site[] = { SLICE("main"), SLICE("work") };
    const struct selection all = { .start_ns = 0, .end_ns = SPAN };
    const struct selection below = { .start_ns = 0, .end_ns = SPAN, .call_site = site, .n_call_site = 2 };
    struct fault           why;
    long                  *asked = arg;

    for (bool last = false; !last || *asked < QUESTIONS_MIN; *asked += 5) {
        last = is_over;
        int64_t before = bucket_stats(bucket).profiles;
        int64_t sums[] = { tree_sum(&all, &why), points_sum(&all, &why), tree_sum(&below, &why) };
        int64_t after = bucket_stats(bucket).profiles;
        sum_is_a_prefix(sums[0], before, after, PER_BATCH);
        sum_is_a_prefix(sums[1], before, after, PER_BATCH);
        sum_is_a_prefix(sums[2], before, after, 3);
        pods_are_there(&all, before, &why);
        one_pod_is_found(before, &why);
        rounds++;
    }
    bucket_unref(bucket);
    return NULL;
}

int main(void)
{
    _Atomic size_t meter = 0;
    pthread_t      threads[READERS];
    long           asked[READERS] = { 0 }, sum = 0;

    bucket = bucket_new(SLICE("t"), 0, SPAN, &meter);
    for (int i = 0; i < READERS; i++) {
        bucket_ref(bucket);
        assert(pthread_create(&threads[i], NULL, reader, &asked[i]) == 0);
    }
    for (uint32_t i = 0; i < BATCHES; i++) {
        append(i);
        while (rounds < (long)i / BATCHES_PER_ROUND) /* so that questions fall all along the way */
            sched_yield();
    }
    is_over = true;
    bucket_unref(bucket);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        sum += asked[i];
    }
    assert(meter == 0);
    printf("%d batches beside %ld questions\n", BATCHES, sum);
    return 0;
}
