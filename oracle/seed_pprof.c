/* A pprof as a pool of stacks: names only, which is all that answers tell of a stack. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "oracle/stack_pool.h"
#include "wire/pb.h"
#include "wire/utf8.h"
#include "wire/zip.h"

enum { SEED_BYTES_MAX = 64 << 20, SEED_STACKS_MAX = 1 << 20 };
enum {
    P_SAMPLE_TYPE = 1,
    P_SAMPLE = 2,
    P_LOCATION = 4,
    P_FUNCTION = 5,
    P_STRING = 6,
    P_PERIOD_TYPE = 11,
    P_PERIOD = 12
};

/* A function's name, a location's message, by id. */
struct by_id {
    uint64_t     id;
    uint32_t     name;
    struct slice message;
};

struct table {
    struct by_id *at;
    size_t        n;
};

struct seed {
    struct arena *arena;
    struct slice  bytes;
    struct slice *strings;
    size_t        n_strings, n_samples;
    struct table  functions, locations;
    uint32_t     *frames, *frame_at;
    uint32_t      n_frames, n_stacks;
};

static int by_id_cmp(const void *a, const void *b)
{
    uint64_t x = ((const struct by_id *)a)->id, y = ((const struct by_id *)b)->id;
    return (x > y) - (x < y);
}

static const struct by_id *table_find(const struct table *t, uint64_t id)
{
    struct by_id key = { .id = id };
    return t->n ? bsearch(&key, t->at, t->n, sizeof *t->at, by_id_cmp) : NULL;
}

/* The last number of field `number` in a message; 0 when there is none. */
static uint64_t number_in(struct slice message, uint32_t number)
{
    struct pb_cursor c = pb_cursor(message);
    struct pb_field  f;
    uint64_t         v = 0;

    while (pb_next(&c, &f))
        if (f.number == number && f.wire == PB_VARINT)
            v = f.value;
    return v;
}

static struct slice string_at(const struct seed *s, uint64_t i)
{
    return i < s->n_strings ? s->strings[i] : (struct slice){ 0 };
}

static void tables_count(struct seed *s, bool *is_bad)
{
    struct pb_cursor c = pb_cursor(s->bytes);
    struct pb_field  f;

    while (pb_next(&c, &f)) {
        s->n_strings += f.number == P_STRING;
        s->n_samples += f.number == P_SAMPLE;
        s->functions.n += f.number == P_FUNCTION;
        s->locations.n += f.number == P_LOCATION;
    }
    *is_bad = c.is_bad;
}

static void tables_fill(struct seed *s)
{
    struct pb_cursor c = pb_cursor(s->bytes);
    struct pb_field  f;
    size_t           n_strings = 0, n_functions = 0, n_locations = 0;

    s->strings = arena_array(s->arena, s->n_strings, sizeof *s->strings);
    s->functions.at = arena_array(s->arena, s->functions.n, sizeof *s->functions.at);
    s->locations.at = arena_array(s->arena, s->locations.n, sizeof *s->locations.at);
    while (pb_next(&c, &f)) {
        struct slice m = pb_bytes(&f);
        if (f.number == P_STRING)
            s->strings[n_strings++] = m;
        else if (f.number == P_FUNCTION)
            s->functions.at[n_functions++] = (struct by_id){ number_in(m, 1), (uint32_t)number_in(m, 2), m };
        else if (f.number == P_LOCATION)
            s->locations.at[n_locations++] = (struct by_id){ number_in(m, 1), 0, m };
    }
    qsort(s->functions.at, s->functions.n, sizeof *s->functions.at, by_id_cmp);
    qsort(s->locations.at, s->locations.n, sizeof *s->locations.at, by_id_cmp);
}

/* The lines of one location, leaf first, behind the n frames there are; returns how many there are then. */
static size_t location_frames(const struct seed *s, uint64_t id, uint32_t *frames, size_t n)
{
    const struct by_id *l = table_find(&s->locations, id);
    struct pb_cursor    c = pb_cursor(l != NULL ? l->message : (struct slice){ 0 });
    struct pb_field     f;

    while (n < STACK_DEPTH_MAX && pb_next(&c, &f)) {
        if (f.number != 4 || f.wire != PB_BYTES)
            continue;
        const struct by_id *function = table_find(&s->functions, number_in(pb_bytes(&f), 1));
        struct slice        name = string_at(s, function != NULL ? function->name : UINT64_MAX);
        if (name.n > 0 && name.n <= 1024 && utf8_is_valid(name) && memchr(name.p, '\0', name.n) == NULL)
            frames[n++] = function->name;
    }
    return n;
}

/* Frames of a sample, leaf first; location ids come packed or one by one. */
static size_t sample_frames(const struct seed *s, struct slice sample, uint32_t *frames)
{
    struct pb_cursor c = pb_cursor(sample);
    struct pb_field  f;
    size_t           n = 0;

    while (pb_next(&c, &f)) {
        if (f.number == 1 && f.wire == PB_VARINT)
            n = location_frames(s, f.value, frames, n);
        if (f.number != 1 || f.wire != PB_BYTES)
            continue;
        const uint8_t *p = f.bytes, *end = f.bytes + f.value;
        uint64_t       id;
        while (p < end && (p = varint_read(p, end, &id)) != NULL)
            n = location_frames(s, id, frames, n);
    }
    return n;
}

static bool has_room(const struct seed *s, size_t n) { return s->n_frames + n < SEED_BYTES_MAX / sizeof(uint32_t); }

static void stacks_fill(struct seed *s)
{
    struct pb_cursor c = pb_cursor(s->bytes);
    struct pb_field  f;
    uint32_t         leaf_first[STACK_DEPTH_MAX], cap = 0;

    s->frame_at = arena_array(s->arena, s->n_samples + 1, sizeof *s->frame_at);
    s->frame_at[0] = 0;
    while (pb_next(&c, &f) && s->n_stacks < SEED_STACKS_MAX) {
        size_t n = f.number == P_SAMPLE ? sample_frames(s, pb_bytes(&f), leaf_first) : 0;
        if (n == 0 || !has_room(s, n))
            continue;
        if (s->n_frames + n > cap) {
            uint32_t *wider = arena_array(s->arena, (size_t)cap * 2 + STACK_DEPTH_MAX, sizeof *wider);
            if (s->n_frames > 0)
                memcpy(wider, s->frames, s->n_frames * sizeof *wider);
            s->frames = wider;
            cap = cap * 2 + STACK_DEPTH_MAX;
        }
        for (size_t i = 0; i < n; i++)
            s->frames[s->n_frames++] = leaf_first[n - 1 - i];
        s->frame_at[++s->n_stacks] = s->n_frames;
    }
}

static struct value_type value_type_of(const struct seed *s, struct slice message)
{
    struct value_type t = { .type = string_at(s, number_in(message, 1)), .unit = string_at(s, number_in(message, 2)) };

    t.scale = slice_is(t.unit, "nanoseconds") ? 10000000 : slice_is(t.unit, "bytes") ? 48 : 1;
    return t;
}

static void kind_fill(const struct seed *s, struct kind *k)
{
    struct pb_cursor c = pb_cursor(s->bytes);
    struct pb_field  f;

    *k = (struct kind){ .word = SLICE("seed"), .period = 1 };
    while (pb_next(&c, &f)) {
        if (f.number == P_SAMPLE_TYPE && k->n_types < KIND_TYPES_MAX)
            k->types[k->n_types++] = value_type_of(s, pb_bytes(&f));
        else if (f.number == P_PERIOD_TYPE)
            k->period_type = value_type_of(s, pb_bytes(&f)).type, k->period_unit = value_type_of(s, pb_bytes(&f)).unit;
        else if (f.number == P_PERIOD && f.wire == PB_VARINT && f.value > 0 && f.value < INT64_MAX)
            k->period = (int64_t)f.value;
    }
    if (k->period_type.n == 0 && k->n_types > 0) /* many clients say none, and a type's id has to */
        k->period_type = k->types[0].type, k->period_unit = k->types[0].unit;
    k->name = kind_name_of(k->types, k->n_types);
}

static struct stack_pool *pool_of(const struct seed *s)
{
    struct stack_pool *p = arena_zalloc(s->arena, sizeof *p);
    uint64_t          *hashes = arena_array(s->arena, s->n_strings, sizeof *hashes);

    for (size_t i = 0; i < s->n_strings; i++)
        hashes[i] = hash_slice(s->strings[i]);
    *p = (struct stack_pool){ .names = s->strings,
                              .name_hash = hashes,
                              .frames = s->frames,
                              .frame_at = s->frame_at,
                              .n_names = (uint32_t)s->n_strings,
                              .n_stacks = s->n_stacks };
    return p;
}

/* A part of a profile type's id: not empty, no colon. */
static bool is_part(struct slice s)
{
    return s.n > 0 && s.n < 128 && slice_find(s, SLICE(":")) == s.n && utf8_is_valid(s);
}

static bool kind_is_whole(const struct kind *k)
{
    bool is_whole = k->n_types > 0 && is_part(k->name) && is_part(k->period_type) && is_part(k->period_unit);

    for (uint32_t i = 0; i < k->n_types; i++) {
        is_whole &= is_part(k->types[i].type) && is_part(k->types[i].unit);
        for (uint32_t j = 0; j < i; j++) /* twice the same would be one stream */
            is_whole &= !slice_eq(k->types[i].type, k->types[j].type);
    }
    return is_whole;
}

enum code stack_pool_of_pprof(struct slice pprof, struct arena *a, struct stack_pool **out, struct kind *kind,
                              struct fault *why)
{
    struct seed s = { .arena = a, .bytes = pprof };
    bool        is_bad;

    if (zip_is_gzip(pprof)) {
        enum code code = zip_gunzip(pprof, SEED_BYTES_MAX, a, &s.bytes, why);
        if (code != CODE_OK)
            return code;
    }
    tables_count(&s, &is_bad);
    if (is_bad || s.n_samples == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "not a pprof with samples");
    tables_fill(&s);
    stacks_fill(&s);
    kind_fill(&s, kind);
    if (s.n_stacks == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "none of its %zu samples has functions with names", s.n_samples);
    if (!kind_is_whole(kind))
        return fail(why, CODE_INVALID_ARGUMENT, "its sample types or its period's are not named, or named twice");
    *out = pool_of(&s);
    return CODE_OK;
}
