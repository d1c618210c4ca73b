/*
 * Goal: what a user has becomes what is sent, named by what was profiled, with the time asked for; or it is refused.
 * Method: small pprofs written field by field, plain and gzip; then bytes that are none.
 */
#include <assert.h>
#include <string.h>

#include "ctl/profile_file.h"
#include "wire/pb.h"
#include "wire/zip.h"

/* A pprof with these sample types (NULL ends), and a time of 7. */
static struct slice pprof_of(struct arena *a, const char *const *types)
{
    struct buf out = { 0 };

    for (uint64_t i = 0; types[i] != NULL; i++) {
        size_t opened = pb_open(&out, 1);
        pb_put_varint(&out, 1, i + 1);
        pb_close(&out, opened);
    }
    pb_put_bytes(&out, 6, SLICE(""));
    for (size_t i = 0; types[i] != NULL; i++)
        pb_put_bytes(&out, 6, slice_of(types[i]));
    pb_put_varint(&out, 9, 7);
    struct slice kept = arena_copy(a, buf_view(&out));
    buf_free(&out);
    return kept;
}

/* The last time_nanos: the one that counts. */
static uint64_t time_of(struct slice pprof)
{
    struct pb_cursor c = pb_cursor(pprof);
    struct pb_field  f;
    uint64_t         time = 0;

    while (pb_next(&c, &f))
        if (f.number == 9)
            time = f.value;
    assert(!c.is_bad);
    return time;
}

static void check_names(struct arena *a)
{
    static const struct {
        const char *types[4];
        const char *name;
    } rows[] = {
        { { "samples", "cpu" }, "process_cpu" }, { { "alloc_objects", "alloc_space", "inuse_space" }, "memory" },
        { { "contentions", "delay" }, "mutex" }, { { "sample", "wall" }, "wall" },
        { { "goroutine" }, "goroutine" },        { { "exception" }, "exception" },
        { { "objects", "space" }, "memory" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct profile_file file;
        struct fault        why;
        assert(profile_file_make(pprof_of(a, rows[i].types), 0, a, &file, &why) == CODE_OK);
        assert(slice_is(file.name, rows[i].name));
    }
}

static void check_time(struct arena *a)
{
    static const char *const types[] = { "cpu", NULL };
    struct slice             plain = pprof_of(a, types);
    struct profile_file      file;
    struct fault             why;
    struct buf               zipped = { 0 };

    assert(profile_file_make(plain, 0, a, &file, &why) == CODE_OK && time_of(file.pprof) == 7);
    assert(profile_file_make(plain, 1234567890123, a, &file, &why) == CODE_OK && time_of(file.pprof) == 1234567890123);
    zip_gzip(plain, &zipped);
    assert(profile_file_make(buf_view(&zipped), 99, a, &file, &why) == CODE_OK && time_of(file.pprof) == 99);
    zipped.n -= 9;
    assert(profile_file_make(buf_view(&zipped), 99, a, &file, &why) == CODE_INVALID_ARGUMENT);
    buf_free(&zipped);
}

static void check_perf(struct arena *a)
{
    struct profile_file file;
    struct fault        why;
    struct slice        text = SLICE("work 12 5678.900001: 1000 cycles:\n\t10 inner+0x1 (/bin/work)\n\n");

    assert(profile_file_make(text, 55, a, &file, &why) == CODE_OK);
    assert(slice_is(file.name, "process_cpu") && time_of(file.pprof) == 55);
}

static void check_refused(struct arena *a)
{
    static const struct slice bad[] = { SLICE(""), SLICE("hello, world\n"), SLICE("\x0a\xff\xff\x01"),
                                        SLICE("\x32\x01x"), SLICE("\x1f\x8b\x08\x00") };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct profile_file file;
        struct fault        why = { 0 };
        assert(profile_file_make(bad[i], 1, a, &file, &why) == CODE_INVALID_ARGUMENT && why.text[0]);
    }
}

int main(void)
{
    struct arena *a = arena_new(0);
    check_names(a);
    check_time(a);
    check_perf(a);
    check_refused(a);
    arena_free(a);
    return 0;
}
