/*
 * Goal: real profiles become batches that keep every invariant and every value.  Method: each file beside the
 * checkout is decoded by ingest_pprof and by a plain walk that shares none of its code but the cursor; the sums per
 * type must agree, and a batch must decode to itself.  Files that are meant to be refused are
 * named below.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ingest/ingest.h"
#include "ingest/shared_files.h"
#include "wire/pb.h"
#include "wire/zip.h"

enum { TYPES_MAX = 16 };

struct sums {
    int64_t  value[TYPES_MAX];
    uint32_t n_types, n_samples;
};

static const struct decode_limits no_limits = {
    .profile_bytes_max = INT64_MAX,
    .samples_max = INT64_MAX,
    .sample_labels_max = INT64_MAX,
    .depth_max = INT64_MAX,
    .symbol_bytes_max = INT64_MAX,
    .label_names_max = INT64_MAX,
    .label_name_bytes_max = INT64_MAX,
    .label_value_bytes_max = INT64_MAX,
    .oldest_ns = INT64_MIN,
    .newest_ns = INT64_MAX,
};

/* Does some location of the sample say nothing: no line, no address? */
static bool has_empty_location(struct slice sample, const bool *is_empty)
{
    struct pb_cursor c = pb_cursor(sample);
    struct pb_field  f;
    uint64_t         id = 0;
    bool             found = false;

    while (pb_next(&c, &f)) {
        if (f.number != 1)
            continue;
        if (f.wire == PB_VARINT)
            found |= f.value < 100000 && is_empty[f.value];
        else
            for (const uint8_t *p = f.bytes; p < f.bytes + f.value;) {
                p = varint_read(p, f.bytes + f.value, &id);
                found |= id < 100000 && is_empty[id];
            }
    }
    return found;
}

static void sample_add(struct slice sample, const bool *is_empty, struct sums *sums)
{
    struct pb_cursor c = pb_cursor(sample);
    struct pb_field  f;
    int64_t          values[TYPES_MAX] = { 0 }, any = 0;
    uint32_t         n = 0;
    uint64_t         v = 0;

    while (pb_next(&c, &f)) {
        if (f.number != 2)
            continue;
        if (f.wire == PB_VARINT)
            values[n++] = (int64_t)f.value;
        else
            for (const uint8_t *p = f.bytes; p < f.bytes + f.value; values[n++] = (int64_t)v)
                p = varint_read(p, f.bytes + f.value, &v);
    }
    for (uint32_t i = 0; i < n; i++)
        any |= values[i];
    if (any <= 0 || has_empty_location(sample, is_empty))
        return;
    sums->n_samples++;
    for (uint32_t i = 0; i < n; i++)
        sums->value[i] += values[i];
}

static struct sums plain_sums(struct slice bytes)
{
    bool            *is_empty = mem_zalloc(100000);
    struct sums      sums = { 0 };
    struct pb_cursor c = pb_cursor(bytes), in;
    struct pb_field  f, g;

    while (pb_next(&c, &f)) {
        uint64_t id = 0, said = 0;
        sums.n_types += f.number == 1;
        if (f.number != 4)
            continue;
        for (in = pb_cursor(pb_bytes(&f)); pb_next(&in, &g);)
            if (g.number == 1)
                id = g.value;
            else if (g.number == 3 || g.number == 4)
                said |= g.value;
        if (id < 100000)
            is_empty[id] = said == 0;
    }
    for (c = pb_cursor(bytes); pb_next(&c, &f);)
        if (f.number == 2)
            sample_add(pb_bytes(&f), is_empty, &sums);
    free(is_empty);
    return sums;
}

static void batch_agrees(const struct batch *b, struct slice bytes)
{
    struct sums   sums = plain_sums(bytes);
    struct arena *a = arena_new(0);
    struct fault  why;
    struct buf    encoded = { 0 };
    struct batch  again;

    if (batch_check(b, a, &why) != CODE_OK) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    assert(b->n_types == sums.n_types && b->n_rows <= sums.n_samples && b->n_rows > 0);
    for (uint32_t t = 0; t < b->n_types; t++) {
        int64_t sum = 0;
        for (uint32_t r = 0; r < b->n_rows; r++)
            sum += b->row_values[(size_t)t * b->n_rows + r];
        assert(sum == sums.value[t]);
    }
    batch_encode(b, &encoded);
    assert(batch_decode(buf_view(&encoded), a, &again, &why) == CODE_OK && again.n_rows == b->n_rows);
    buf_free(&encoded);
    arena_free(a);
}

static bool is_meant_to_fail(const char *path, const char *text)
{
    static const char *const bad[][2] = { { "dotnet-pprof-3.", "function id is 0" },
                                          { "dotnet-pprof-73.", "function id is 0" },
                                          { "invalid_utf8", "invalid utf8 string hex: 0001" } };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (strstr(path, bad[i][0]) != NULL)
            return strncmp(text, bad[i][1], strlen(bad[i][1])) == 0;
    return false;
}

static void file_decodes(const char *path)
{
    struct arena *a = arena_new(0);
    struct label  labels[] = { { SLICE("__name__"), SLICE("process_cpu") }, { SLICE("service_name"), SLICE("real") } };
    struct ingest_source source = { .tenant = SLICE("t"), .labels = { labels, 2 }, .now_ns = 1 };
    struct slice         body = file_read(path, a), bytes = body;
    struct fault         why = { 0 };
    struct batch         b;
    size_t               raw;
    enum code            code = ingest_pprof(body, &source, &no_limits, a, &b, &raw, &why);

    if (code != CODE_OK) {
        if (!is_meant_to_fail(path, why.text)) {
            fprintf(stderr, "%s: %s\n", path, why.text);
            abort();
        }
    } else {
        if (zip_is_gzip(body) && zip_gunzip(body, 1 << 28, a, &bytes, &why) != CODE_OK)
            abort();
        assert(raw == bytes.n);
        batch_agrees(&b, bytes);
        printf("%s: %u rows, %u stacks, %u locations, %u functions, %u parts\n", strrchr(path, '/') + 1, b.n_rows,
               b.n_stacks, b.n_locations, b.n_functions, b.n_parts);
    }
    arena_free(a);
}

static bool is_profile(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    return strstr(name, ".json") == NULL && strstr(name, ".txt") == NULL;
}

static size_t folder_decodes(const char *pattern)
{
    glob_t found = shared_glob(pattern);
    size_t n = 0;

    for (size_t i = 0; i < found.gl_pathc; i++)
        if (is_profile(found.gl_pathv[i]) && file_is_plain(found.gl_pathv[i])) {
            file_decodes(found.gl_pathv[i]);
            n++;
        }
    globfree(&found);
    return n;
}

int main(void)
{
    size_t n = folder_decodes("testdata/pprof/*") + folder_decodes("testdata/pprof/*/*");

    if (n == 0)
        printf("pprof_real: SKIPPED, no profiles beside the checkout (HEARTH_SHARED)\n");
    else
        printf("pprof_real: %zu files ok\n", n);
    return 0;
}
