#include "ctl/profile_file.h"
#include "ingest/perf_text.h"
#include "wire/pb.h"
#include "wire/zip.h"

enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_STRING_TABLE = 6, PROFILE_TIME_NANOS = 9, VALUE_TYPE_TYPE = 1, TYPES_MAX = 32 };

/* What the outermost fields tell. */
struct outline {
    uint64_t     type_at[TYPES_MAX]; /* in the string table */
    struct slice type[TYPES_MAX];
    size_t       n_types;
    uint64_t     n_strings, n_fields;
};

static uint64_t value_type_at(struct slice message)
{
    struct pb_cursor c = pb_cursor(message);
    struct pb_field  f;
    uint64_t         at = 0;

    while (pb_next(&c, &f))
        if (f.number == VALUE_TYPE_TYPE && f.wire == PB_VARINT)
            at = f.value;
    return at;
}

static bool outline_read(struct slice pprof, struct outline *o)
{
    struct pb_cursor c = pb_cursor(pprof);
    struct pb_field  f;

    *o = (struct outline){ 0 };
    for (; pb_next(&c, &f); o->n_fields++)
        if (f.number == PROFILE_SAMPLE_TYPE && o->n_types < TYPES_MAX)
            o->type_at[o->n_types++] = value_type_at(pb_bytes(&f));
    if (c.is_bad)
        return false;
    for (c = pb_cursor(pprof); pb_next(&c, &f);) {
        if (f.number != PROFILE_STRING_TABLE)
            continue;
        for (size_t i = 0; i < o->n_types; i++)
            if (o->type_at[i] == o->n_strings)
                o->type[i] = pb_bytes(&f);
        o->n_strings++;
    }
    return true;
}

static bool has(struct slice text, const char *word) { return slice_find(text, slice_of(word)) < text.n; }

/* A sample type's family, by the words that agents use; none: empty. */
static struct slice family_of(struct slice type)
{
    if (has(type, "cpu") || slice_is(type, "samples"))
        return SLICE("process_cpu");
    if (has(type, "alloc_") || has(type, "inuse_") || slice_is(type, "space") || slice_is(type, "objects"))
        return SLICE("memory");
    if (has(type, "block_"))
        return SLICE("block");
    if (has(type, "mutex_") || slice_is(type, "contentions") || slice_is(type, "delay"))
        return SLICE("mutex");
    return has(type, "goroutine") ? SLICE("goroutine") : (struct slice){ 0 };
}

/* As the server names what agents send to /ingest: wall before all, else the first known family, else the last type. */
static struct slice series_name(const struct outline *o)
{
    for (size_t i = 0; i < o->n_types; i++)
        if (slice_is(o->type[i], "wall"))
            return SLICE("wall");
    for (size_t i = 0; i < o->n_types; i++)
        if (family_of(o->type[i]).n > 0)
            return family_of(o->type[i]);
    return o->n_types > 0 && o->type[o->n_types - 1].n > 0 ? o->type[o->n_types - 1] : SLICE("process_cpu");
}

/* Of two values of one field the last counts, so the time is set by appending it. */
static struct slice time_set(struct slice pprof, int64_t time_ns, struct arena *a)
{
    struct buf longer = { 0 };

    buf_slice(&longer, pprof);
    pb_put_varint(&longer, PROFILE_TIME_NANOS, (uint64_t)time_ns);
    struct slice kept = arena_copy(a, buf_view(&longer));
    buf_free(&longer);
    return kept;
}

static enum code perf_make(struct slice text, int64_t time_ns, struct arena *a, struct profile_file *out,
                           struct fault *why)
{
    struct buf pprof = { 0 };
    enum code  code = perf_text_to_pprof(text, true, time_ns, &pprof, why);

    if (code == CODE_OK)
        *out = (struct profile_file){ .pprof = arena_copy(a, buf_view(&pprof)), .name = SLICE("process_cpu") };
    buf_free(&pprof);
    return code;
}

enum code profile_file_make(struct slice bytes, int64_t time_ns, struct arena *a, struct profile_file *out,
                            struct fault *why)
{
    struct outline o;
    struct slice   pprof = bytes;

    if (zip_is_gzip(bytes)) {
        enum code code = zip_gunzip(bytes, PROFILE_FILE_BYTES_MAX, a, &pprof, why);
        if (code != CODE_OK)
            return code;
    }
    if (perf_text_is(pprof))
        return perf_make(pprof, time_ns, a, out, why);
    if (!outline_read(pprof, &o) || o.n_fields == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "neither a pprof (plain or gzip) nor the text of `perf script`");
    if (o.n_types == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "a pprof without sample types, or another protobuf");
    *out = (struct profile_file){ .pprof = time_ns ? time_set(pprof, time_ns, a) : pprof, .name = series_name(&o) };
    return CODE_OK;
}
