/*
 * Goal: a writer parked at any step of the publication order stops no reader, and a reader parked inside a read stops no
 * writer; each sees whole batches.
 * Method: one thread, so that whoever had to wait for the other would wait for ever.  The writer's step hook asks all six
 * questions in the middle of an append; a reader's sink appends in the middle of a read.
 */
#include "index/publish.h"

#include <stdio.h>

#include "index/batch_make.h"
#include "index/bucket.h"
#include "index/select.h"

enum { BATCHES = 60, PER_BATCH = 5, SPAN = 1000 };

static struct bucket *bucket;
static uint32_t       n_whole, n_steps[PUBLISHED_BATCH + 1], questions;
static bool           is_asking;
static struct fault   why;

/* Five samples in two parts; every batch brings a label, a stack and symbols that are new. */
static void append(uint32_t i)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, i % 7 == 6 ? arena_printf(a, "web%u", i).p : "web", "process_cpu", i % SPAN);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, arena_printf(a, "pod=p%u", i).p);
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

static const struct selection all = { .start_ns = 0, .end_ns = SPAN };

static int64_t tree_sum(void)
{
    struct tree *t = tree_new();
    int64_t      sum = 0;

    assert(select_tree(bucket, &all, t, &why) == CODE_OK);
    for (uint32_t i = 0; i < t->n; i++)
        sum += t->self[i];
    tree_free(t);
    return sum;
}

struct sums {
    int64_t  total;
    uint32_t n_streams, n_points;
    bool     appends; /* in the middle of the read */
};

static void *open_stream(void *arg, struct labels labels)
{
    struct sums *s = arg;

    assert(labels.n >= 8 && labels_are_sorted(labels));
    s->n_streams++;
    return arg;
}

static void one_point(void *arg, void *stream, int64_t time_ns, int64_t total)
{
    struct sums *s = stream;

    assert(arg == stream && time_ns >= 0 && time_ns < SPAN);
    s->n_points++;
    s->total += total;
    for (uint32_t i = 0; s->appends && i < BATCHES; i++)
        append(n_whole++);
    s->appends = false;
}

static struct sums points_sum(bool appends)
{
    struct sums       s = { .appends = appends };
    struct point_sink sink = { &s, open_stream, one_point };

    assert(select_points(bucket, &all, &sink, &why) == CODE_OK);
    return s;
}

static uint32_t asked_n(enum code (*ask)(const struct bucket *, const struct selection *, struct strset *, struct fault *))
{
    struct arena  *a = arena_new(0);
    struct strset *set = strset_new(a);

    assert(ask(bucket, &all, set, &why) == CODE_OK);
    uint32_t n = strset_n(set);
    arena_free(a);
    return n;
}

static enum code ask_pods(const struct bucket *b, const struct selection *s, struct strset *out, struct fault *f)
{
    return select_label_values(b, s, SLICE("pod"), out, f);
}

static enum code ask_series(const struct bucket *b, const struct selection *s, struct strset *out, struct fault *f)
{
    struct slice name = SLICE("pod");
    return select_series(b, s, &name, 1, out, f);
}

void publish_parked(enum publish_step step)
{
    uint32_t seen = n_whole + (step == PUBLISHED_BATCH);

    if (!is_asking)
        return;
    n_steps[step]++;
    questions += 6;
    assert(tree_sum() == (int64_t)seen * PER_BATCH);
    struct sums s = points_sum(false);
    assert(s.total == (int64_t)seen * PER_BATCH && s.n_points == seen * 2);
    assert(asked_n(select_types) == (seen > 0));
    assert(asked_n(select_label_names) == (seen > 0 ? 10u : 0));
    assert(asked_n(ask_pods) == seen);
    assert(asked_n(ask_series) == seen + (seen > 0));
}

int main(void)
{
    bucket = bucket_new(SLICE("t"), 0, SPAN, NULL);
    is_asking = true;
    for (; n_whole < BATCHES; n_whole++)
        append(n_whole);
    for (int i = 0; i <= PUBLISHED_BATCH; i++)
        assert(n_steps[i] >= BATCHES);

    is_asking = false;
    struct sums s = points_sum(true);
    assert(n_whole == 2 * BATCHES && s.total == BATCHES * PER_BATCH); /* what was there when the read began */
    assert(points_sum(false).total == 2 * BATCHES * PER_BATCH);
    printf("%u questions inside appends; %d appends inside a read\n", questions, BATCHES);
    bucket_unref(bucket);
    return 0;
}
