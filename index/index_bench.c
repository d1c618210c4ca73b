/*
 * What the index costs: append per sample, live bytes per stored sample, rows and trees per query.
 *
 * The queries are asked of the live bucket and of what becomes of it when it is sealed.
 *
 * Data: one service, of each series a profile of 200 events every 15 seconds (40 of them are ten minutes), stacks drawn by
 * a Pitman-Yor process (the stack counts of real CPU profiles follow one: d = 0.75, theta = 68 fits a JVM), new stacks
 * branching off old ones near the leaf.  Also the same data in several buckets, one behind the other, each of which has to
 * learn the symbols and stacks again (generations, shard/retain.c).  index_bench [series [profiles [events]]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/block_merge.h"
#include "index/bucket.h"
#include "index/reading.h"
#include "index/rows.h"
#include "index/select.h"

enum { FUNCTIONS = 4000, LOCATIONS_PER_FUNCTION = 3, DEPTH_MAX = 64, STACKS_MAX = 1 << 20, EVENTS_MAX = 1 << 26 };

#define PERIOD_NS (15 * NS_PER_S) /* from one profile of a series to its next */

static uint64_t seed = 42;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static double dice01(void) { return dice(1u << 30) / (double)(1u << 30); }

/* ---- stacks that a service has ever had ----------------------------------------------------------------------------- */

struct drawn {
    uint32_t n, at[DEPTH_MAX]; /* locations from the root */
};

static struct drawn *stacks;
static uint32_t      n_stacks, n_events;
static uint32_t     *events; /* the stack of each event so far */

static void new_stack(void)
{
    struct drawn *s = &stacks[n_stacks];

    *s = (struct drawn){ 0 };
    if (n_stacks > 0) {
        *s = stacks[dice(n_stacks)];
        uint32_t back = 1 + dice(6);
        s->n = s->n > back ? s->n - back : 1;
    }
    for (uint32_t more = n_stacks ? 1 + dice(8) : 20; more > 0 && s->n < DEPTH_MAX; more--)
        s->at[s->n++] =
            dice(1 + dice(1 + dice(FUNCTIONS * LOCATIONS_PER_FUNCTION))); /* some functions are everywhere */
    n_stacks++;
}

/* Pitman-Yor: a new stack with probability (theta + d * stacks) / (theta + events), else that of an event of the past. */
static uint32_t next_event(double d, double theta)
{
    uint32_t at;

    if (n_stacks < STACKS_MAX && dice01() * (theta + n_events) < theta + d * n_stacks) {
        new_stack();
        at = n_stacks - 1;
    } else
        at = events[dice(n_events)];
    return events[n_events++] = at;
}

/* ---- batches -------------------------------------------------------------------------------------------------------- */

struct local {
    uint32_t *of, *stamp, n, now;
};

static uint32_t local_id(struct local *l, uint32_t i, bool *is_new)
{
    *is_new = l->stamp[i] != l->now;
    if (*is_new) {
        l->stamp[i] = l->now;
        l->of[i] = l->n++;
    }
    return l->of[i];
}

static struct local local_new(uint32_t n)
{
    return (struct local){ mem_zalloc(n * sizeof(uint32_t)), mem_zalloc(n * sizeof(uint32_t)), 0, 0 };
}

static void local_begin(struct local *l) { l->n = 0, l->now++; }

struct texts {
    struct buf bytes, end;
    uint32_t   n;
};

static uint32_t text_add(struct texts *t, const char *text)
{
    buf_text(&t->bytes, text);
    uint32_t end = (uint32_t)t->bytes.n;
    buf_put(&t->end, &end, sizeof end);
    return t->n++;
}

static const void *keep(struct arena *a, struct buf *b)
{
    const void *kept = arena_copy(a, buf_view(b)).p;
    buf_free(b);
    return kept;
}

static struct local local_stacks, local_locations, local_functions;

static void add_location(struct batch *b, uint32_t location, struct texts *t, struct buf *functions, struct buf *lines,
                         struct buf *locations)
{
    uint32_t f = location / LOCATIONS_PER_FUNCTION;
    bool     is_new;
    char     name[96];

    struct batch_line     line = { .function = local_id(&local_functions, f, &is_new), .line = 10 + location % 90 };
    struct batch_location l = {
        .address = 0x400000 + location * 16, .mapping = 0, .line_at = b->n_lines++, .n_lines = 1
    };
    if (is_new) {
        snprintf(name, sizeof name, "org/apache/service/package%u/Component%u.method%u", f % 40, f / 10, f);
        struct batch_function made = { .name = text_add(t, name) };
        made.system_name = made.name;
        snprintf(name, sizeof name, "Component%u.java", f / 10);
        made.file = text_add(t, name);
        buf_put(functions, &made, sizeof made);
    }
    buf_put(lines, &line, sizeof line);
    buf_put(locations, &l, sizeof l);
}

static const struct batch *make_batch(struct arena *a, uint32_t series, uint32_t profile, uint32_t events_per_profile,
                                      double d, double theta)
{
    struct batch *b = arena_zalloc(a, sizeof *b);
    struct texts  t = { 0 };
    struct buf    functions = { 0 }, lines = { 0 }, locations = { 0 }, stack_end = { 0 }, stack_locations = { 0 };
    int64_t      *counts = mem_zalloc(events_per_profile * sizeof *counts), *values;
    struct batch_mapping mapping = { .start = 0x400000, .limit = 0x4000000 };
    char                 pod[32];
    bool                 is_new;

    local_begin(&local_stacks), local_begin(&local_locations), local_begin(&local_functions);
    text_add(&t, "");
    for (uint32_t i = 0; i < events_per_profile; i++) {
        uint32_t stack = next_event(d, theta), id = local_id(&local_stacks, stack, &is_new);
        counts[id]++;
        if (!is_new)
            continue;
        for (uint32_t k = stacks[stack].n; k > 0; k--) {
            uint32_t at = stacks[stack].at[k - 1], to = local_id(&local_locations, at, &is_new);
            if (is_new)
                add_location(b, at, &t, &functions, &lines, &locations);
            buf_put(&stack_locations, &to, sizeof to);
            b->n_stack_locations++;
        }
        buf_put(&stack_end, &b->n_stack_locations, sizeof b->n_stack_locations);
    }
    b->n_stacks = b->n_rows = local_stacks.n;
    uint32_t *row_stack = arena_array(a, b->n_rows, sizeof *row_stack);
    b->row_values = values = arena_array(a, b->n_rows, 2 * sizeof *values);
    for (uint32_t i = 0; i < b->n_rows; i++) {
        row_stack[i] = i;
        values[i] = counts[i];
        values[b->n_rows + i] = counts[i] * 10000000;
    }
    free(counts);
    b->row_stack = row_stack;
    b->time_ns = profile * PERIOD_NS + series;
    b->name = text_add(&t, "process_cpu");
    b->service = text_add(&t, "kafka");
    b->period_type = text_add(&t, "cpu");
    b->period_unit = text_add(&t, "nanoseconds");
    mapping.file = text_add(&t, "/usr/lib/jvm/libjvm.so");
    struct batch_type types[] = { { text_add(&t, "samples"), text_add(&t, "count") },
                                  { b->period_type, b->period_unit } };
    snprintf(pod, sizeof pod, "kafka-%u", series);
    struct batch_label labels[] = { { text_add(&t, "pod"), text_add(&t, pod) },
                                    { text_add(&t, "service_name"), b->service } };
    struct batch_part  part = { 0, 2, 0, b->n_rows };
    b->types = (const void *)arena_copy(a, slice_make(types, sizeof types)).p;
    b->labels = (const void *)arena_copy(a, slice_make(labels, sizeof labels)).p;
    b->parts = (const void *)arena_copy(a, slice_make(&part, sizeof part)).p;
    b->mappings = (const void *)arena_copy(a, slice_make(&mapping, sizeof mapping)).p;
    b->n_types = 2, b->n_labels = 2, b->n_parts = 1, b->n_mappings = 1;
    b->n_functions = local_functions.n;
    b->n_locations = local_locations.n;
    b->n_strings = t.n;
    b->functions = keep(a, &functions);
    b->lines = keep(a, &lines);
    b->locations = keep(a, &locations);
    b->stack_end = keep(a, &stack_end);
    b->stack_locations = keep(a, &stack_locations);
    b->string_end = keep(a, &t.end);
    b->string_bytes = keep(a, &t.bytes);
    return b;
}

/* ---- figures -------------------------------------------------------------------------------------------------------- */

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
