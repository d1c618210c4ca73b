/*
 * How near is the core to inflating?  For each profile beside the checkout (generated ones when there is none): what it costs
 * to inflate it alone, to make a batch of it (inflating included), and to append that batch to a bucket: cold, when nothing
 * of it is known yet; warm, as an agent sends it minute after minute; and mixed, as an agent sends it whose program met its
 * functions, locations and samples in an order of its own.
 *
 *     ratio = inflate / (decode + append, warm)      50 % is the aim: the rest costs no more than the bytes themselves
 *
 * Best of several rounds, in each of which all profiles take turns in another order, as in a server; CPU time of the thread.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/bucket.h"
#include "ingest/shared_files.h"
#include "server/bench.h"
#include "wire/pb.h"
#include "wire/zip.h"

enum { ROUNDS = 15, COLD_ROUNDS = 2, GENERATED = 4, PROFILES_MAX = 256 };

struct figure {
    int64_t inflate_ns, decode_ns, cold_ns, warm_ns, mixed_ns;
    size_t  packed, raw, rows;
};

static void keep_best(int64_t *best, int64_t since_ns)
{
    int64_t took = clock_thread_ns() - since_ns;

    if (took < *best)
        *best = took;
}

static void inflate_once(struct slice body, struct figure *f)
{
    struct arena *a = arena_new(body.n * 12);
    struct fault  why;
    struct slice  out;
    int64_t       since = clock_thread_ns();
    enum code     code = zip_gunzip(body, 1 << 28, a, &out, &why);

    keep_best(&f->inflate_ns, since);
    assert(code == CODE_OK);
    f->raw = out.n;
    arena_free(a);
}

/* The batch lives in `a`; false: it is refused, or nothing remains of it. */
static bool decode_once(struct slice body, struct arena *a, struct batch *b, struct figure *f)
{
    struct label labels[] = { { SLICE("__name__"), SLICE("process_cpu") }, { SLICE("service_name"), SLICE("bench") } };
    struct ingest_source source = { .tenant = SLICE("t"), .labels = { labels, 2 }, .now_ns = 1 };
    struct fault         why;
    size_t               raw;
    int64_t              since = clock_thread_ns();
    enum code            code = ingest_pprof(body, &source, &no_limits, a, b, &raw, &why);

    keep_best(&f->decode_ns, since);
    f->rows = code == CODE_OK ? b->n_rows : 0;
    return f->rows > 0;
}

static void append_once(struct bucket *to, const struct batch *b, int64_t *best)
{
    struct fault why;
    int64_t      since = clock_thread_ns();
    size_t       most = bucket_cost_roughly(to, b); /* as the shard asks before each append */
    enum code    code = bucket_append(to, b, &why);

    keep_best(best, since);
    assert(code == CODE_OK && most > 0);
}

/* The bytes of `from` at random: its samples, locations and functions, which are known by their ids wherever they stand. */
static void fields_mix(struct slice from, uint64_t *x, struct arena *a, struct buf *out)
{
    enum { SAMPLE = 2, LOCATION = 4, FUNCTION = 5 };
    struct slice    *moved = arena_array(a, from.n, sizeof *moved);
    size_t           n = 0;
    struct pb_cursor c = pb_cursor(from);
    struct pb_field  f;

    for (const uint8_t *at = c.p; pb_next(&c, &f); at = c.p) {
        struct slice field = slice_make((const char *)at, (size_t)(c.p - at));
        if (f.number == SAMPLE || f.number == LOCATION || f.number == FUNCTION)
            moved[n++] = field;
        else
            buf_put(out, field.p, field.n);
    }
    for (; n > 0; n--) {
        *x = *x * 6364136223846793005u + 1442695040888963407u;
        size_t k = (*x >> 33) % n;
        buf_put(out, moved[k].p, moved[k].n);
        moved[k] = moved[n - 1];
    }
}

static void append_mixed(struct slice body, uint64_t *x, int i, struct bucket *to, struct figure *f)
{
    struct arena *a = arena_new(body.n * 4);
    struct buf    mixed = { 0 };
    struct figure ignored = *f;
    struct batch  b;
    struct slice  raw;
    struct fault  why;
    enum code     code = zip_gunzip(body, 1 << 28, a, &raw, &why);

    assert(code == CODE_OK);
    fields_mix(raw, x, a, &mixed);
    if (decode_once(buf_view(&mixed), a, &b, &ignored)) {
        b.time_ns = i;
        append_once(to, &b, i == 0 ? &ignored.mixed_ns : &f->mixed_ns);
    }
    buf_free(&mixed);
    arena_free(a);
}

struct profile {
    const char    *name;
    struct slice   body;
    struct bucket *warm, *mixed;
    struct figure  figure;
};

static struct profile all[PROFILES_MAX];
static size_t         n_all;

static void measure_cold(struct figure *f, const struct batch *b)
{
    for (int k = 0; k < COLD_ROUNDS; k++) {
        struct bucket *empty = bucket_new(SLICE("t"), 0, ROUNDS, NULL);
        append_once(empty, b, &f->cold_ns);
        bucket_unref(empty);
    }
}

static void measure(struct profile *p, int round, uint64_t *x)
{
    struct arena  *a = arena_new(p->body.n * 4);
    struct figure *f = &p->figure;
    struct batch   b;

    inflate_once(p->body, f);
    if (decode_once(p->body, a, &b, f)) {
        b.time_ns = round;
        append_once(p->warm, &b, round == 0 ? &f->cold_ns : &f->warm_ns);
        if (round == 0)
            measure_cold(f, &b);
        append_mixed(p->body, x, round, p->mixed, f);
    }
    arena_free(a);
}

/* In another order each time, so that nobody finds in the caches what he left there. */
static void shuffle(size_t *order, size_t n, uint64_t *x)
{
    for (size_t i = n; i > 1; i--) {
        *x = *x * 6364136223846793005u + 1442695040888963407u;
        size_t k = (*x >> 33) % i, swap = order[k];
        order[k] = order[i - 1];
        order[i - 1] = swap;
    }
}

static void measure_all(void)
{
    size_t  *order = mem_alloc(n_all * sizeof *order);
    uint64_t x = 1;

    for (size_t i = 0; i < n_all; i++)
        order[i] = i;
    for (int round = 0; round < ROUNDS; round++) {
        shuffle(order, n_all, &x);
        for (size_t i = 0; i < n_all; i++)
            measure(&all[order[i]], round, &x);
    }
    free(order);
}

static double micros(int64_t ns) { return (double)ns / 1e3; }

static void show(const char *name, struct figure f)
{
    printf("%-38.38s %9zu %7zu %9.1f %9.1f %9.1f %9.1f %9.1f %7.1f %%\n", name, f.raw, f.rows, micros(f.inflate_ns),
           micros(f.decode_ns), micros(f.cold_ns), micros(f.mixed_ns), micros(f.warm_ns),
           100.0 * (double)f.inflate_ns / (double)(f.decode_ns + f.warm_ns));
}

static void add(const char *name, struct slice body, struct arena *a)
{
    struct buf packed = { 0 };

    if (n_all == PROFILES_MAX)
        return;
    if (!zip_is_gzip(body)) {
        zip_gzip(body, &packed);
        body = arena_copy(a, buf_view(&packed));
        buf_free(&packed);
    }
    all[n_all++] = (struct profile){ .name = name,
                                     .body = body,
                                     .warm = bucket_new(SLICE("t"), 0, ROUNDS, NULL),
                                     .mixed = bucket_new(SLICE("t"), 0, ROUNDS, NULL),
                                     .figure = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, body.n, 0, 0 } };
}

static void sum_add(struct figure *sum, const struct figure *f)
{
    sum->inflate_ns += f->inflate_ns;
    sum->decode_ns += f->decode_ns;
    sum->cold_ns += f->cold_ns;
    sum->warm_ns += f->warm_ns;
    sum->mixed_ns += f->mixed_ns;
    sum->raw += f->raw;
    sum->rows += f->rows;
}

static void folder_add(const char *pattern, struct arena *a)
{
    glob_t found = shared_glob(pattern);

    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct slice body = file_read(found.gl_pathv[i], a);
        if (body.n > 0 && strstr(found.gl_pathv[i], ".json") == NULL && strstr(found.gl_pathv[i], ".txt") == NULL)
            add(arena_copy(a, slice_of(strrchr(found.gl_pathv[i], '/') + 1)).p, body, a);
    }
    globfree(&found);
}

static void generated_add(struct arena *a)
{
    for (int i = 0; i < GENERATED; i++) {
        struct pprof_make m;
        bench_generate(&m, (uint64_t)i);
        add("generated", pprof_make_bytes(&m), a);
        pprof_make_fini(&m);
    }
}

int main(void)
{
    struct arena *a = arena_new(0);
    struct figure sum = { 0 };

    folder_add("testdata/pprof/*", a);
    folder_add("testdata/pprof/*/*", a);
    if (n_all == 0)
        generated_add(a);
    measure_all();
    printf("%-38s %9s %7s %9s %9s %9s %9s %9s %9s\n", "profile", "raw", "rows", "inflate", "decode", "cold", "mixed",
           "warm us", "ratio");
    for (size_t i = 0; i < n_all; i++) {
        if (all[i].figure.rows > 0) {
            show(all[i].name, all[i].figure);
            sum_add(&sum, &all[i].figure);
        }
        bucket_unref(all[i].warm);
        bucket_unref(all[i].mixed);
    }
    show("all", sum);
    printf("limit  inflate alone is %.1f %% of decode + append (aim: 50 %%); of decode %.1f %%, of decode + append when all is new "
           "%.1f %%\n",
           100.0 * (double)sum.inflate_ns / (double)(sum.decode_ns + sum.warm_ns),
           100.0 * (double)sum.inflate_ns / (double)sum.decode_ns,
           100.0 * (double)sum.inflate_ns / (double)(sum.decode_ns + sum.cold_ns));
    arena_free(a);
    return 0;
}
