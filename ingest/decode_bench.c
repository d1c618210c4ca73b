/*
 * How near is decoding to inflating?  For each profile beside the checkout (generated ones when there is none): the
 * best time of several rounds to inflate it alone, and to take it all the way to a batch, inflating included.  The
 * ratio is inflate / (inflate + decode): 100 % would be decoding for nothing.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "ingest/ingest.h"
#include "ingest/pprof_make.h"
#include "ingest/shared_files.h"
#include "wire/zip.h"

enum { ROUNDS = 30, GENERATED = 4 };

struct figure {
    int64_t inflate_ns, decode_ns;
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

static int64_t inflate_once(struct slice body, size_t *raw)
{
    struct arena *a = arena_new(body.n * 12);
    struct fault  why;
    struct slice  out;
    int64_t       t = clock_mono_ns();
    enum code     code = zip_gunzip(body, 1 << 28, a, &out, &why);

    t = clock_mono_ns() - t;
    assert(code == CODE_OK);
    *raw = out.n;
    arena_free(a);
    return t;
}

static int64_t decode_once(struct slice body, size_t *rows)
{
    struct label labels[] = { { SLICE("__name__"), SLICE("process_cpu") }, { SLICE("service_name"), SLICE("bench") } };
    struct ingest_source source = { .tenant = SLICE("t"), .labels = { labels, 2 }, .now_ns = 1 };
    struct arena        *a = arena_new(body.n * 4);
    struct batch         b;
    struct fault         why;
    size_t               raw;
    int64_t              t = clock_mono_ns();
    enum code            code = ingest_pprof(body, &source, &no_limits, a, &b, &raw, &why);

    t = clock_mono_ns() - t;
    *rows = code == CODE_OK ? b.n_rows : 0;
    arena_free(a);
    return t;
}

static struct figure measure(struct slice body)
{
    struct figure best = { INT64_MAX, INT64_MAX, body.n, 0, 0 };

    for (int i = 0; i < ROUNDS; i++) {
        int64_t inflate = inflate_once(body, &best.raw), decode = decode_once(body, &best.rows);
        best.inflate_ns = inflate < best.inflate_ns ? inflate : best.inflate_ns;
        best.decode_ns = decode < best.decode_ns ? decode : best.decode_ns;
    }
    return best;
}

static void show(const char *name, struct figure f)
{
    printf("%-38.38s %8zu %9zu %7zu %9.1f %9.1f %7.1f %%\n", name, f.packed, f.raw, f.rows, (double)f.inflate_ns / 1e3,
           (double)f.decode_ns / 1e3, 100.0 * (double)f.inflate_ns / (double)f.decode_ns);
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
        sum->packed += f.packed;
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

    printf("%-38s %8s %9s %7s %9s %9s %9s\n", "profile", "gz", "raw", "rows", "inflate", "whole us", "ratio");
    folder_add(&sum, "testdata/pprof/*");
    folder_add(&sum, "testdata/pprof/*/*");
    for (int i = 0; sum.rows == 0 && i < GENERATED; i++) {
        struct pprof_make m;
        generate(&m, (uint64_t)i);
        add(&sum, "generated", pprof_make_bytes(&m));
        pprof_make_fini(&m);
    }
    show("all", sum);
    printf("decode alone: %.0f MB/s of inflated bytes; inflate alone: %.0f MB/s\n",
           (double)sum.raw * 1e3 / (double)(sum.decode_ns - sum.inflate_ns),
           (double)sum.raw * 1e3 / (double)sum.inflate_ns);
    return 0;
}
