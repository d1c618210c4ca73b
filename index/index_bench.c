/*
 * What the index costs: append per sample, live bytes per stored sample, rows and trees per query.
 *
 * The queries are asked of the live bucket and of what becomes of it when it is sealed.
 *
 * Data: one service (bench_load.h), of each series a profile of 200 events every 15 seconds: 40 of them are ten minutes.  Also
 * the same data in several buckets, one behind the other, each of which has to learn the symbols and stacks again
 * (generations, shard/retain.c).  index_bench [series [profiles [events]]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/bench_load.h"
#include "index/block_merge.h"
#include "index/bucket.h"
#include "index/reading.h"
#include "index/rows.h"
#include "index/select.h"

struct load {
    uint32_t series, profiles, events;
    double   d, theta;
};

static struct bucket *bucket_for(const struct load *l)
{
    return bucket_new(SLICE("t"), 0, l->profiles * PERIOD_NS, NULL);
}

static struct bucket *fill(const struct load *l)
{
    struct bucket *b = bucket_for(l);
    struct fault   why;
    int64_t        spent = 0, cost = 0;

    n_stacks = n_events = 0;
    for (uint32_t p = 0; p < l->profiles; p++)
        for (uint32_t s = 0; s < l->series; s++) {
            struct arena       *a = arena_new(1 << 18);
            const struct batch *batch = make_batch(a, s, p, l->events, l->d, l->theta);
            int64_t             from = clock_thread_ns();
            size_t              most = bucket_cost_max(b, batch);
            int64_t             then = clock_thread_ns();
            if (bucket_append(b, batch, &why) != CODE_OK || most == 0)
                abort();
            spent += clock_thread_ns() - then;
            cost += then - from;
            arena_free(a);
        }
    struct bucket_stats now = bucket_stats(b);
    const struct group *g = group_at(b, 0);
    printf("  %lld profiles, %lld samples (2 types), %u stacks, %u nodes, %u function nodes\n", (long long)now.profiles,
           (long long)now.samples, vec_n(&g->stacks.all), vec_n(&g->stacks.locations.nodes),
           vec_n(&g->stacks.functions.nodes));
    printf("  append      %7.1f ns/sample  %7.1f us/profile   (bucket_cost_max %.1f us)\n",
           (double)spent / (double)now.samples, (double)spent / 1e3 / (double)now.profiles,
           (double)cost / 1e3 / (double)now.profiles);
    printf("  live        %7.2f B/sample   %7.1f MB\n", (double)bucket_bytes(b) / (double)now.samples,
           (double)bucket_bytes(b) / 1e6);
    return b;
}

/* The same load cut into n live buckets by time. */
static void fill_parts(const struct load *l, uint32_t n, struct bucket **parts)
{
    struct fault why;

    n_stacks = n_events = 0;
    for (uint32_t i = 0; i < n; i++)
        parts[i] = bucket_for(l);
    for (uint32_t p = 0; p < l->profiles; p++)
        for (uint32_t s = 0; s < l->series; s++) {
            struct arena *a = arena_new(1 << 18);
            if (bucket_append(parts[p * n / l->profiles], make_batch(a, s, p, l->events, l->d, l->theta), &why) !=
                CODE_OK)
                abort();
            arena_free(a);
        }
}

enum { PARTS_MAX = 16, MERGED = 12 };

/* Live bytes per sample then. */
static double live_in(const struct load *l, uint32_t n)
{
    struct bucket *parts[PARTS_MAX];
    int64_t        bytes = 0, samples = 0;

    fill_parts(l, n, parts);
    for (uint32_t i = 0; i < n; i++) {
        bytes += (int64_t)bucket_bytes(parts[i]);
        samples += bucket_stats(parts[i]).samples;
        bucket_unref(parts[i]);
    }
    return (double)bytes / (double)samples;
}

static int64_t best_of(int rounds, int64_t (*run)(const struct bucket *b), const struct bucket *b)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < rounds; i++) {
        int64_t spent = run(b);
        best = spent < best ? spent : best;
    }
    return best;
}

static const struct selection cpu = { .start_ns = 0,
                                      .end_ns = INT64_MAX,
                                      .profile_type = { "process_cpu:cpu:nanoseconds:cpu:nanoseconds", 43 } };

static int64_t run_rows(const struct bucket *b)
{
    static int64_t      sums[STACKS_MAX];
    int64_t             from = clock_thread_ns(), values[ROWS_PACK];
    uint32_t            ids[ROWS_PACK], n;
    struct stream_read  stream;
    const struct point *p;

    for (uint32_t i = 0; i < bucket_series_n(b); i++) {
        struct series_read  s = bucket_series(b, i);
        struct streams_walk w = streams_of(b, &s);
        if (!stream_next(&w, &stream))
            abort();
        for (struct points_walk points = points_of(b, &stream); (p = points_next(&points)) != NULL;) {
            struct rows_cursor c = rows_open(p->rows, p->column);
            while ((n = rows_next(&c, ids, values)) > 0)
                for (uint32_t at = 0; at < n; at++)
                    sums[ids[at]] += values[at];
        }
    }
    return clock_thread_ns() - from;
}

static int64_t run_tree(const struct bucket *b)
{
    struct tree *t = tree_new();
    struct fault why;
    int64_t      from = clock_thread_ns();

    if (select_tree(b, &cpu, t, &why) != CODE_OK || t->n < 2)
        abort();
    int64_t spent = clock_thread_ns() - from;
    tree_free(t);
    return spent;
}

/* Into an answer that has every node already, as the second of two buckets finds it. */
static int64_t run_again(const struct bucket *b)
{
    struct tree *t = tree_new();
    struct fault why;

    if (select_tree(b, &cpu, t, &why) != CODE_OK)
        abort();
    tree_child(t, 0, 0); /* the slots are filled now and not in the measured part */
    int64_t from = clock_thread_ns();
    if (select_tree(b, &cpu, t, &why) != CODE_OK)
        abort();
    int64_t spent = clock_thread_ns() - from;
    tree_free(t);
    return spent;
}

static int64_t run_merge(const struct bucket *b)
{
    struct tree *t = tree_new(), *into = tree_new();
    struct fault why;

    if (select_tree(b, &cpu, t, &why) != CODE_OK)
        abort();
    int64_t from = clock_thread_ns();
    tree_merge(into, t);
    int64_t spent = clock_thread_ns() - from;
    tree_free(into);
    tree_free(t);
    return spent;
}

static void image_free(struct slice bytes) { free((char *)bytes.p); }

static struct bucket *sealed(const struct bucket *live, bool is_told)
{
    struct bucket_stats now = bucket_stats(live);
    struct buf          out = { 0 };
    struct bucket      *b;
    struct fault        why;
    int64_t             from = clock_thread_ns();

    if (block_write(live, &(struct block_origin){ 0 }, &out, &why) != CODE_OK)
        abort();
    int64_t then = clock_thread_ns();
    if (block_open(&(struct block_image){ buf_view(&out), image_free, NULL }, NULL, &b, &why) != CODE_OK)
        abort();
    if (is_told)
        printf("  sealed      %7.2f B/sample   %7.2f MB: %.1f ns/sample, checked in %.1f\n",
               (double)out.n / (double)now.samples, (double)out.n / 1e6, (double)(then - from) / (double)now.samples,
               (double)(clock_thread_ns() - then) / (double)now.samples);
    return b;
}

/* `all`: stacks. */
static void measure_queries(const struct bucket *b, uint32_t all, uint32_t nodes)
{
    struct bucket_stats now = bucket_stats(b);
    int64_t rows = best_of(7, run_rows, b), tree = best_of(7, run_tree, b), merge = best_of(7, run_merge, b);
    int64_t again = best_of(7, run_again, b);

    printf("limit  %s: %.2f ns a row, tree %.1f ns a stack and %.1f ns a node\n", bucket_is_sealed(b) ? "sealed" : "live",
           (double)rows / ((double)now.samples / 2), (double)tree / all, (double)tree / nodes);
    printf("  select_tree %7.2f ms        %7.1f ns/stack: rows %.1f, names and hashing into the answer ~%.1f, the rest "
           "%.1f\n",
           (double)tree / 1e6, (double)tree / all, (double)rows / all, (double)merge / all,
           (double)(tree - rows - merge) / all);
    printf("  again       %7.2f ms        %7.1f ns/stack: into an answer that has every node\n", (double)again / 1e6,
           (double)again / all);
}

static int64_t run_trees(struct bucket *const *parts, uint32_t n, const struct selection *what)
{
    struct tree *t = tree_new();
    struct fault why;
    int64_t      from = clock_thread_ns();

    for (uint32_t i = 0; i < n; i++)
        if (select_tree(parts[i], what, t, &why) != CODE_OK)
            abort();
    int64_t spent = clock_thread_ns() - from;
    tree_free(t);
    return spent;
}

/* The same load sealed in parts, and those merged. */
static void measure_merge(const struct load *l)
{
    struct bucket *parts[PARTS_MAX], *live;
    struct fault   why;
    size_t         bytes = 0;

    fill_parts(l, MERGED, parts);
    for (uint32_t i = 0; i < MERGED; i++) {
        struct bucket *b = parts[i];
        parts[i] = sealed(b, i == 0);
        bytes += block_image(parts[i]).n;
        bucket_unref(b);
    }
    int64_t from = clock_thread_ns();
    if (block_merge(parts, MERGED, NULL, &live, &why) != CODE_OK)
        abort();
    int64_t spent = clock_thread_ns() - from, trees = run_trees(parts, MERGED, &cpu);
    double  samples = (double)bucket_stats(live).samples;
    printf("  %d such     %7.2f B/sample   %7.2f MB: merged in %.1f ns/sample, select_tree %.2f ms\n", MERGED,
           (double)bytes / samples, (double)bytes / 1e6, (double)spent / samples, (double)trees / 1e6);
    struct bucket   *b = sealed(live, true);
    struct selection most = cpu;
    most.end_ns = bucket_stats(b).newest_ns - 1; /* so it reads no rollup */
    printf("  merged      select_tree %.2f ms, of all but the last profiles %.2f ms\n",
           (double)run_trees(&b, 1, &cpu) / 1e6, (double)run_trees(&b, 1, &most) / 1e6);
    for (uint32_t i = 0; i < MERGED; i++)
        bucket_unref(parts[i]);
    bucket_unref(live);
    bucket_unref(b);
}

static void measure(const char *name, const struct load *l)
{
    printf("%s: %u series x %u profiles of %u events\n", name, l->series, l->profiles, l->events);
    struct bucket *live = fill(l);
    uint32_t       all = vec_n(&group_at(live, 0)->stacks.all), nodes = vec_n(&group_at(live, 0)->stacks.functions.nodes);

    measure_queries(live, all, nodes);
    struct bucket *b = sealed(live, true);
    measure_queries(b, all, nodes);
    bucket_unref(live);
    bucket_unref(b);
    printf("  live        %7.2f B/sample in 1 bucket, %.2f in 4, %.2f in 16\n", live_in(l, 1), live_in(l, 4),
           live_in(l, 16));
    measure_merge(l);
}

int main(int argc, char **argv)
{
    struct load jvm = { 20, 40, 200, 0.75, 68 }, calm = { 20, 40, 200, 0.55, 30 };

    if (argc > 1)
        jvm.series = calm.series = (uint32_t)atoi(argv[1]);
    if (argc > 2)
        jvm.profiles = calm.profiles = (uint32_t)atoi(argv[2]);
    if (argc > 3)
        jvm.events = calm.events = (uint32_t)atoi(argv[3]);
    stacks = mem_alloc(STACKS_MAX * sizeof *stacks);
    events = mem_alloc(EVENTS_MAX * sizeof *events);
    local_stacks = local_new(STACKS_MAX);
    local_locations = local_new(FUNCTIONS * LOCATIONS_PER_FUNCTION);
    local_functions = local_new(FUNCTIONS);
    if ((uint64_t)jvm.series * jvm.profiles * jvm.events > EVENTS_MAX) {
        fprintf(stderr, "at most %d events in all\n", EVENTS_MAX);
        return 2;
    }
    measure("heavy tail (d = 0.75)", &jvm);
    measure("calm (d = 0.55)", &calm);
    free(stacks);
    free(events);
    return 0;
}
