/*
 * How near is the core to inflating?  For each profile beside the checkout (generated ones when there is none): what it costs
 * to inflate it alone, to make a batch of it (inflating included), and to append that batch to a bucket: cold, when nothing
 * of it is known yet; warm, as an agent sends it minute after minute; and mixed, as an agent sends it whose program met its
 * functions, locations and samples in an order of its own.
 *
 *     ratio = inflate / (decode + append, warm)      50 % is the aim: the rest costs no more than the bytes themselves
 *
 * Best of several rounds, CPU time of the thread.
 */
#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "index/bucket.h"
#include "ingest/ingest.h"
#include "ingest/pprof_make.h"
#include "ingest/shared_files.h"
#include "wire/pb.h"
#include "wire/zip.h"

enum { ROUNDS = 30, COLD_ROUNDS = 5, GENERATED = 4 };

struct figure {
    int64_t inflate_ns, decode_ns, cold_ns, warm_ns, mixed_ns;
    size_t  packed, raw, rows;
};

static const struct decode_limits no_limits = {
    .profile_bytes_max = INT64_MAX,
    .samples_max = INT64_MAX,
    .sample_labels_max = INT64_MAX,
    .depth_max = 1000,
    .symbol_bytes_max = 65535,
    .label_names_max = INT64_MAX,
    .label_name_bytes_max = 1024,
    .label_value_bytes_max = 2048,
    .oldest_ns = INT64_MIN,
    .newest_ns = INT64_MAX,
};

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void keep_best(int64_t *best, int64_t since_ns)
{
    int64_t took = cpu_ns() - since_ns;

    if (took < *best)
        *best = took;
}

static void inflate_once(struct slice body, struct figure *f)
{
    struct arena *a = arena_new(body.n * 12);
    struct fault  why;
    struct slice  out;
    int64_t       since = cpu_ns();
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
    int64_t              since = cpu_ns();
    enum code            code = ingest_pprof(body, &source, &no_limits, a, b, &raw, &why);

    keep_best(&f->decode_ns, since);
    f->rows = code == CODE_OK ? b->n_rows : 0;
    return f->rows > 0;
}

static void append_once(struct bucket *to, const struct batch *b, int64_t *best)
{
    struct fault why;
    int64_t      since = cpu_ns();
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

static struct figure measure(struct slice body)
{
    struct figure  f = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, body.n, 0, 0 };
    struct bucket *bucket = bucket_new(SLICE("t"), 0, ROUNDS, NULL);
    struct bucket *mixed = bucket_new(SLICE("t"), 0, ROUNDS, NULL);
    uint64_t       x = 1;

    for (int i = 0; i < ROUNDS; i++) {
        struct arena *a = arena_new(body.n * 4);
        struct batch  b;
        inflate_once(body, &f);
        if (decode_once(body, a, &b, &f)) {
            b.time_ns = i;
            append_once(bucket, &b, i == 0 ? &f.cold_ns : &f.warm_ns);
        }
        for (int k = 0; i == 0 && f.rows > 0 && k < COLD_ROUNDS; k++) {
            struct bucket *empty = bucket_new(SLICE("t"), 0, ROUNDS, NULL);
            append_once(empty, &b, &f.cold_ns);
            bucket_unref(empty);
        }
        arena_free(a);
        append_mixed(body, &x, i, mixed, &f);
    }
    bucket_unref(bucket);
    bucket_unref(mixed);
    return f;
}

static double micros(int64_t ns) { return (double)ns / 1e3; }

static void show(const char *name, struct figure f)
{
    printf("%-38.38s %9zu %7zu %9.1f %9.1f %9.1f %9.1f %9.1f %7.1f %%\n", name, f.raw, f.rows, micros(f.inflate_ns),
           micros(f.decode_ns), micros(f.cold_ns), micros(f.mixed_ns), micros(f.warm_ns),
           100.0 * (double)f.inflate_ns / (double)(f.decode_ns + f.warm_ns));
}

static void add(struct figure *sum, const char *name, struct slice body)
{
    struct buf packed = { 0 };

    if (!zip_is_gzip(body)) {
        zip_gzip(body, &packed);
        body = buf_view(&packed);
    }
    struct figure f = measure(body);
    if (f.rows > 0) {
        show(name, f);
        sum->inflate_ns += f.inflate_ns;
        sum->decode_ns += f.decode_ns;
        sum->cold_ns += f.cold_ns;
        sum->warm_ns += f.warm_ns;
        sum->mixed_ns += f.mixed_ns;
        sum->raw += f.raw;
        sum->rows += f.rows;
    }
    buf_free(&packed);
}

/* A program of 2,000 functions, sampled: stacks of 10 to 40 frames. */
static void generate(struct pprof_make *m, uint64_t seed)
{
    struct arena *a = arena_new(0);
    uint64_t      frames[2000], stack[40], x = seed * 2654435761u + 1;

    pprof_make_init(m);
    pprof_make_type(m, SLICE("samples"), SLICE("count"));
    pprof_make_type(m, SLICE("cpu"), SLICE("nanoseconds"));
    for (int i = 0; i < 2000; i++)
        frames[i] = pprof_make_frame(
            m, arena_printf(a, "example.com/service/package%d.(*Type%d).Method%d", i % 37, i % 211, i));
    for (int i = 0; i < 3000; i++) {
        size_t depth = 10 + x % 31;
        for (size_t j = 0; j < depth; j++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            stack[j] = frames[(x >> 33) % (50 * (depth - j))];
        }
        pprof_make_sample(m, stack, depth, (int64_t[]){ 1, 10000000 }, 2, NULL, 0);
    }
    arena_free(a);
}

static void folder_add(struct figure *sum, const char *pattern)
{
    glob_t found = shared_glob(pattern);

    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct arena *a = arena_new(0);
        struct slice  body = file_read(found.gl_pathv[i], a);
        if (body.n > 0 && strstr(found.gl_pathv[i], ".json") == NULL && strstr(found.gl_pathv[i], ".txt") == NULL)
            add(sum, strrchr(found.gl_pathv[i], '/') + 1, body);
        arena_free(a);
    }
    globfree(&found);
}

int main(void)
{
    struct figure sum = { 0 };

    printf("%-38s %9s %7s %9s %9s %9s %9s %9s %9s\n", "profile", "raw", "rows", "inflate", "decode", "cold", "mixed",
           "warm us", "ratio");
    folder_add(&sum, "testdata/pprof/*");
    folder_add(&sum, "testdata/pprof/*/*");
    for (int i = 0; sum.rows == 0 && i < GENERATED; i++) {
        struct pprof_make m;
        generate(&m, (uint64_t)i);
        add(&sum, "generated", pprof_make_bytes(&m));
        pprof_make_fini(&m);
    }
    show("all", sum);
    printf("inflate / (inflate + decode): %.1f %%; inflate / (inflate + decode + append): warm %.1f %%, cold %.1f %%\n",
           100.0 * (double)sum.inflate_ns / (double)sum.decode_ns,
           100.0 * (double)sum.inflate_ns / (double)(sum.decode_ns + sum.warm_ns),
           100.0 * (double)sum.inflate_ns / (double)(sum.decode_ns + sum.cold_ns));
    return 0;
}
