/*
 * Goal: the oracle expects exactly what was sent, and the least fault turns it red.
 * Method: a slow obvious one reads the generated pprofs back and adds up every stack under its text; flame graphs are drawn
 * from that and must equal what the oracle expects; then counts, names and boxes are changed, one at a time.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "oracle/answer.h"
#include "oracle/dice.h"
#include "oracle/profile_pprof.h"
#include "oracle/question.h"
#include "wire/pb.h"
#include "wire/zip.h"

enum { REQUESTS = 60, BATCH = 2, NUMBERS = REQUESTS * BATCH, PATH_MAX_BYTES = 4096 };

#define BELOW '\1' /* between two names: sorts before whatever a name may go on with */

static int64_t at_ns[REQUESTS];

static struct workload *workload_make(uint64_t seed, struct arena *a)
{
    struct workload_spec s = { .seed = seed,
                               .base_ns = 1700000000 * INT64_C(1000000000),
                               .run = SLICE("t"),
                               .tenants = 2,
                               .services = 3,
                               .pods = 4,
                               .batch = BATCH,
                               .samples = 40,
                               .shape = { 25, 30, 2, 9 },
                               .stack_zipf = 1.1,
                               .service_zipf = 0.8,
                               .churn_ns = 20 * SLOT_NS,
                               .n_kinds = 2 };

    s.kinds[0] = *kind_named(SLICE("cpu"));
    s.kinds[1] = *kind_named(SLICE("memory"));
    for (int i = 0; i < REQUESTS; i++)
        at_ns[i] = i * SLOT_NS + i * 1234567 % SLOT_NS;
    return workload_new(&s, at_ns, a);
}

/* ---- the slow one ---- */

struct row {
    char    path[PATH_MAX_BYTES];
    int64_t sum;
};

static struct row rows[4000];
static size_t     n_rows;

static void row_add(const char *path, int64_t value)
{
    size_t i = 0;

    while (i < n_rows && strcmp(rows[i].path, path) != 0)
        i++;
    assert(i < sizeof rows / sizeof *rows);
    if (i == n_rows)
        snprintf(rows[n_rows++].path, PATH_MAX_BYTES, "%s", path);
    rows[i].sum += value;
}

static struct slice nth(struct slice message, uint32_t field, uint64_t n)
{
    struct pb_cursor c = pb_cursor(message);
    struct pb_field  f;

    while (pb_next(&c, &f))
        if (f.number == field && n-- == 0)
            return pb_bytes(&f);
    assert(!"no such field");
    return (struct slice){ 0 };
}

/* The writer numbers functions and locations alike, in order, so id n is the n-th of each. */
static void sample_read(struct slice pprof, struct slice sample, uint32_t type)
{
    struct slice   ids = nth(sample, 1, 0), values = nth(sample, 2, 0);
    const uint8_t *p = (const uint8_t *)ids.p, *end = p + ids.n;
    char           path[PATH_MAX_BYTES] = "", above[PATH_MAX_BYTES];
    uint64_t       id, value = 0;

    while (p < end) {
        p = varint_read(p, end, &id);
        struct slice     function = nth(pprof, 5, id - 1);
        struct pb_cursor c = pb_cursor(function);
        struct pb_field  f;
        while (pb_next(&c, &f) && f.number != 2)
            continue;
        snprintf(above, sizeof above, "%.*s%s%.4000s", SLICE_ARGS(nth(pprof, 6, f.value)),
                 path[0] ? (char[]){ BELOW, '\0' } : "", path);
        memcpy(path, above, sizeof path);
    }
    p = (const uint8_t *)values.p;
    for (uint32_t i = 0; i <= type; i++)
        p = varint_read(p, (const uint8_t *)values.p + values.n, &value);
    row_add(path, (int64_t)value);
}

static void slow_sums(const struct workload *w, const struct ledger *l, const struct question *q)
{
    struct arena  *scratch = arena_new(0);
    struct profile p;

    memset(rows, 0, sizeof rows);
    n_rows = 0;
    for (uint64_t k = 0; k < NUMBERS; k++) {
        struct buf bytes = { 0 };
        workload_profile(w, k, &p);
        if (!fate_is_stored(ledger_get(l, k)) || !question_takes(q, &p))
            continue;
        profile_pprof(w, &p, 0, scratch, &bytes);
        struct pb_cursor c = pb_cursor(buf_view(&bytes));
        struct pb_field  f;
        while (pb_next(&c, &f))
            if (f.number == 2)
                sample_read(buf_view(&bytes), pb_bytes(&f), q->type);
        assert(!c.is_bad);
        buf_free(&bytes);
    }
    arena_free(scratch);
}

/* ---- flame graphs, drawn from the rows in the order of their paths ---- */

static int row_cmp(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->path, ((const struct row *)b)->path);
}

static size_t depth_of(const char *path)
{
    size_t n = 1;

    for (; *path; path++)
        n += *path == BELOW;
    return n;
}

/* Bytes of `path` that its first `depth` names take. */
static size_t prefix_of(const char *path, size_t depth)
{
    size_t i = 0;

    for (; path[i] && (path[i] != BELOW || --depth > 0); i++)
        continue;
    return i;
}

static uint64_t name_id(struct slice *names, size_t *n, struct slice name)
{
    for (size_t i = 0; i < *n; i++)
        if (slice_eq(names[i], name))
            return i;
    names[*n] = name;
    return (*n)++;
}

static void level_draw(size_t depth, struct slice *names, size_t *n_names, struct buf *graph)
{
    uint64_t values[16000], x = 0, end = 0;
    size_t   n = 0;

    for (size_t i = 0; i < n_rows;) {
        size_t   prefix = prefix_of(rows[i].path, depth), j = i;
        uint64_t total = 0, self = 0;
        bool     is_deep = depth_of(rows[i].path) >= depth; /* else its end is above this level */
        for (; j < (is_deep ? n_rows : i + 1) && strncmp(rows[j].path, rows[i].path, prefix) == 0 &&
               (rows[j].path[prefix] == '\0' || rows[j].path[prefix] == BELOW);
             j++) {
            total += (uint64_t)rows[j].sum;
            self += rows[j].path[prefix] == '\0' ? (uint64_t)rows[j].sum : 0;
        }
        if (is_deep) {
            size_t from = depth == 1 ? 0 : prefix_of(rows[i].path, depth - 1) + 1;
            values[n++] = x - end;
            values[n++] = total;
            values[n++] = self;
            values[n++] = name_id(names, n_names, slice_make(rows[i].path + from, prefix - from));
            end = x + total;
        }
        x += total;
        i = j;
    }
    size_t at = pb_open(graph, 2);
    pb_put_packed(graph, 1, values, n);
    pb_close(graph, at);
}

static void graph_draw(struct buf *out)
{
    struct slice names[2000] = { SLICE("total") };
    size_t       n_names = 1, deepest = 0;
    uint64_t     total = 0;
    struct buf   graph = { 0 };

    qsort(rows, n_rows, sizeof *rows, row_cmp);
    for (size_t i = 0; i < n_rows; i++) {
        total += (uint64_t)rows[i].sum;
        deepest = depth_of(rows[i].path) > deepest ? depth_of(rows[i].path) : deepest;
    }
    size_t at = pb_open(&graph, 2);
    pb_put_packed(&graph, 1, (uint64_t[]){ 0, total, 0, 0 }, 4);
    pb_close(&graph, at);
    for (size_t d = 1; d <= deepest; d++)
        level_draw(d, names, &n_names, &graph);
    pb_put_varint(&graph, 3, total);
    for (size_t i = 0; i < n_names; i++)
        pb_put_bytes(&graph, 1, names[i]);
    pb_put_bytes(out, 1, buf_view(&graph));
    buf_free(&graph);
}

static bool graph_equals(const struct oracle *o, const struct question *q, struct slice graph)
{
    struct arena           *a = arena_new(0);
    struct tally           *expected = tally_new(), *answered = tally_new();
    struct tally_difference d;
    struct fault            why;

    bool known = expect_stacks(o, q, (struct candidates){ .n = NUMBERS }, a, expected);
    assert(known && tally_n(expected) > 0);
    bool equal = answer_flame(graph, a, answered, &why) == CODE_OK && tally_equal(expected, answered, &d);
    tally_free(expected);
    tally_free(answered);
    arena_free(a);
    return equal;
}

static void test_stacks(void)
{
    static const unsigned masks[] = { 0, BY_SERVICE, BY_POD, BY_REGION, BY_SERVICE | BY_REGION };

    struct arena   *a = arena_new(0);
    struct oracle   o = { workload_make(7, a), ledger_new(NUMBERS) };
    struct question q = { .from_ns = workload_slot_ns(o.w, 5), .to_ns = workload_slot_ns(o.w, REQUESTS - 3) };
    struct profile  lost = { 0 };

    for (uint64_t k = 0; k < NUMBERS; k++)
        ledger_set(o.l, k, k % 7 == 0 ? FATE_REFUSED : FATE_ACKED);
    for (size_t m = 0; m < 2 * sizeof masks / sizeof *masks; m++) {
        struct buf graph = { 0 };
        q.by = masks[m / 2];
        workload_profile(o.w, 50 + 4 * m + m % 2, &q.like);
        q.like.kind = m % 2;
        q.type = (uint32_t)m % 2;
        slow_sums(o.w, o.l, &q);
        if (n_rows > 0) {
            graph_draw(&graph);
            assert(graph_equals(&o, &q, buf_view(&graph)));
            buf_free(&graph);
            rows[n_rows / 2].sum++;
            graph_draw(&graph);
            assert(!graph_equals(&o, &q, buf_view(&graph))); /* one more in one stack */
            buf_free(&graph);
            rows[n_rows / 2].sum--;
            rows[n_rows - 1].path[0] ^= 1;
            graph_draw(&graph);
            assert(!graph_equals(&o, &q, buf_view(&graph))); /* another tenant's marker */
            buf_free(&graph);
        }
    }
    q = (struct question){ .like.kind = 0, .from_ns = INT64_MIN, .to_ns = INT64_MAX };
    for (uint64_t k = NUMBERS; lost.number == 0; k--) { /* a profile that nobody has answered for */
        workload_profile(o.w, k - 1, &lost);
        if (!question_takes(&q, &lost))
            lost.number = 0;
    }
    ledger_set(o.l, lost.number, FATE_AMBIGUOUS);
    struct tally *t = tally_new();
    assert(!expect_stacks(&o, &q, (struct candidates){ .n = NUMBERS }, a, t));
    tally_free(t);
    ledger_free(o.l);
    arena_free(a);
}

/* ---- the rest ---- */

static void test_same_seed_same_bytes(void)
{
    struct arena    *a = arena_new(0), *scratch = arena_new(0);
    struct workload *w[] = { workload_make(1, a), workload_make(1, a), workload_make(2, a) };
    struct buf       bytes[3] = { 0 };

    for (int i = 0; i < 3; i++)
        for (uint64_t k = 0; k < NUMBERS; k++) {
            struct profile p;
            workload_profile(w[i], k, &p);
            profile_pprof(w[i], &p, 0, scratch, &bytes[i]);
        }
    assert(slice_eq(buf_view(&bytes[0]), buf_view(&bytes[1])));
    assert(!slice_eq(buf_view(&bytes[0]), buf_view(&bytes[2])));
    for (int i = 0; i < 3; i++)
        buf_free(&bytes[i]);
    arena_free(scratch);
    arena_free(a);
}

static void test_one_in_a_million(void)
{
    struct tally           *expected = tally_new(), *answered = tally_new();
    struct tally_difference d;

    for (uint64_t i = 0; i < 1000000; i++) {
        tally_add(expected, dice_mix(i), 17);
        tally_add(answered, dice_mix(i), i == 777777 ? 16 : 17);
    }
    assert(!tally_equal(expected, answered, &d));
    assert(d.n == 1 && d.what == dice_mix(777777) && d.expected == 17 && d.answered == 16);
    tally_add(answered, dice_mix(777777), 1);
    assert(tally_equal(expected, answered, &d));
    tally_add(answered, 1, 1);
    assert(!tally_equal(expected, answered, &d) && d.n == 1 && d.expected == 0);
    assert(tally_is_within(expected, answered) && !tally_is_within(answered, expected));
    tally_free(expected);
    tally_free(answered);
}

static void test_zipf(void)
{
    struct arena *a = arena_new(0);
    struct zipf   z = zipf_make(100, 1, a);
    int           hits[100] = { 0 };

    for (uint64_t i = 0; i < 100000; i++)
        hits[zipf_rank(&z, dice_mix(i))]++;
    assert(hits[0] > 17000 && hits[0] < 22000 && hits[9] > 1700 && hits[9] < 2200 && hits[99] > 100);
    arena_free(a);
}

/* A written pprof, read as a seed, has the stacks and the kind it was written with. */
static void test_seeds(void)
{
    struct arena      *a = arena_new(0), *scratch = arena_new(0);
    struct workload   *w = workload_make(3, a);
    struct buf         bytes = { 0 }, zipped = { 0 };
    struct profile     p;
    struct stack_pool *pool;
    struct kind        kind;
    struct fault       why;

    workload_profile(w, 0, &p);
    profile_pprof(w, &p, 0, scratch, &bytes);
    zip_gzip(buf_view(&bytes), &zipped);
    enum code code = stack_pool_of_pprof(buf_view(&zipped), a, &pool, &kind, &why);
    assert(code == CODE_OK);
    const struct kind *sent = &workload_spec_of(w)->kinds[p.kind];
    assert(slice_eq(kind.name, sent->name) && kind.n_types == sent->n_types && kind.period == sent->period);
    const struct stack_pool *from = workload_pool(w, p.service, p.kind);
    struct sample            s;
    workload_sample(w, &p, 0, &s); /* the first stack that was written */
    assert(pool->frame_at[1] == from->frame_at[s.stack + 1] - from->frame_at[s.stack] + 1);
    assert(slice_eq(pool->names[pool->frames[0]], workload_marker(w, p.tenant, a)));
    assert(slice_eq(pool->names[pool->frames[1]], from->names[from->frames[from->frame_at[s.stack]]]));
    assert(stack_pool_of_pprof(SLICE("no pprof"), a, &pool, &kind, &why) == CODE_INVALID_ARGUMENT);
    buf_free(&bytes);
    buf_free(&zipped);
    arena_free(scratch);
    arena_free(a);
}

static void test_points_and_sets(void)
{
    struct arena   *a = arena_new(0);
    struct oracle   o = { workload_make(9, a), ledger_new(NUMBERS) };
    struct question q = { .from_ns = workload_slot_ns(o.w, 0), .to_ns = workload_slot_ns(o.w, REQUESTS - 1) + SLOT_NS };
    struct tally   *points = tally_new(), *stacks = tally_new(), *pods = tally_new(), *more = tally_new();

    for (uint64_t k = 0; k < NUMBERS; k++)
        ledger_set(o.l, k, k % 5 ? FATE_ACKED : FATE_AMBIGUOUS);
    expect_set(&o, &q, (struct candidates){ .n = NUMBERS }, SET_SERIES, false, pods);
    expect_set(&o, &q, (struct candidates){ .n = NUMBERS }, SET_SERIES, true, more);
    assert(tally_is_within(pods, more) && tally_n(more) > tally_n(pods));
    for (uint64_t k = 0; k < NUMBERS; k += 5)
        ledger_set(o.l, k, FATE_FOUND);
    assert(expect_points(&o, &q, (struct candidates){ .n = NUMBERS }, 50, a, points));
    assert(expect_stacks(&o, &q, (struct candidates){ .n = NUMBERS }, a, stacks));
    assert(tally_total(points) == tally_total(stacks) && tally_total(points) > 0);
    tally_free(points);
    tally_free(stacks);
    tally_free(pods);
    tally_free(more);
    ledger_free(o.l);
    arena_free(a);
}

static void test_ledger(void)
{
    struct ledger *l = ledger_new(4);

    ledger_set(l, 0, FATE_ACKED);
    ledger_set(l, 1, FATE_SENT);
    ledger_set(l, 2, FATE_REFUSED);
    assert(ledger_settled(l) == 1 && ledger_count(l, FATE_PLANNED) == 1);
    ledger_set(l, 1, FATE_AMBIGUOUS);
    assert(ledger_settled(l) == 3);
    ledger_free(l);
}

int main(void)
{
    test_stacks();
    test_same_seed_same_bytes();
    test_one_in_a_million();
    test_zipf();
    test_seeds();
    test_points_and_sets();
    test_ledger();
    puts("oracle_test: fine");
    return 0;
}
