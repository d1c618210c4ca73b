/*
 * Bytes to tables, in one walk over the top level; how many of each there are nobody says beforehand.  What is wrong with a
 * message within is told only when nothing is wrong with the top level.
 */
#include "ingest/pprof_tables.h"

#include <assert.h>

/* Fields of google.v1.Profile. */
enum {
    P_SAMPLE_TYPE = 1,
    P_SAMPLE = 2,
    P_MAPPING = 3,
    P_LOCATION = 4,
    P_FUNCTION = 5,
    P_STRING = 6,
    P_TIME = 9,
    P_DURATION = 10,
    P_PERIOD_TYPE = 11,
    P_PERIOD = 12,
};

/* A guess at how long strings are, and room for labels behind them. */
enum { USUAL_STRING = 32, EXTRA_STRINGS = 24, EXTRA_BYTES = 512 };

static enum code broken(struct fault *why, const char *what)
{
    return fail(why, CODE_INVALID_ARGUMENT, "failed to decode pprof: malformed %s", what);
}

static inline const uint8_t *span_end(struct slice span) { return (const uint8_t *)span.p + span.n; }

/* The sample at `at` and those that follow it at once: counted; they are read when ids mean something. */
static void samples_skim(struct pprof *p, struct pb_cursor *c, struct slice s, const uint8_t *at)
{
    if (p->n_samples == 0)
        p->samples = slice_make(at, 0);
    p->samples_are_together = p->n_samples == 0 || (p->samples_are_together && span_end(p->samples) == at);
    do {
        p->n_samples++;
        if (s.n > p->longest_sample.n)
            p->longest_sample = s;
    } while (pb_expect_bytes(c, P_SAMPLE << 3 | PB_BYTES, &s));
    p->samples.n = (size_t)((const char *)c->p - p->samples.p);
}

/* The string and all that follow it at once; one too long keeps its last bytes. */
static void strings_read(struct pprof *p, struct pb_cursor *c, struct slice s)
{
    uint64_t     max = (uint64_t)p->limits->symbol_bytes_max;
    const char  *end = (const char *)c->end;
    size_t       rest = (size_t)(end - s.p);
    struct texts t =
        p->strings.at != NULL ? p->strings : texts_new(p->a, rest / USUAL_STRING + EXTRA_STRINGS, rest + EXTRA_BYTES);

    do
        texts_add(&t, s.n > max ? slice_from(s, s.n - (size_t)max) : s, end);
    while (pb_expect_bytes(c, P_STRING << 3 | PB_BYTES, &s));
    p->strings = t;
}

/* One field, and those of its kind that follow it at once.  Returns what is malformed in it, or NULL. */
static const char *field_read(struct pprof *p, struct pb_cursor *c, const struct pb_field *f, const uint8_t *at)
{
    struct slice bytes = pb_bytes(f);

    switch (f->number) {
    case P_SAMPLE_TYPE:
        return type_read(bytes, type_new(p)) ? NULL : "sample type";
    case P_SAMPLE:
        samples_skim(p, c, bytes, at);
        return NULL;
    case P_MAPPING:
        return mapping_read(p, bytes) ? NULL : "mapping";
    case P_LOCATION:
        return locations_read(p, c, bytes) ? NULL : "location";
    case P_FUNCTION:
        return functions_read(p, c, bytes) ? NULL : "function";
    case P_STRING:
        strings_read(p, c, bytes);
        return NULL;
    case P_TIME:
        p->time_ns = (int64_t)f->value;
        return NULL;
    case P_DURATION:
        p->duration_ns = (int64_t)f->value;
        return NULL;
    case P_PERIOD:
        p->period = (int64_t)f->value;
        return NULL;
    default:
        return NULL;
    }
}

static enum code fields_read(struct pprof *p, struct fault *why)
{
    struct pb_cursor c = pb_cursor(p->bytes);
    struct pb_field  f;
    const char      *first = NULL;

    for (const uint8_t *at = c.p; pb_next(&c, &f); at = c.p) {
        if (f.wire != PB_BYTES && f.number <= P_STRING)
            return broken(why, "field: a message or a string is a number");
        if (f.number == P_PERIOD_TYPE && !type_read(pb_bytes(&f), &p->period_type))
            return broken(why, "period type");
        const char *what = field_read(p, &c, &f, at);
        first = first != NULL ? first : what;
    }
    if (c.is_bad)
        return broken(why, "field, or data cut short");
    return first != NULL ? broken(why, first) : CODE_OK;
}

static const struct slice GO_SHAPE = SLICE("[go.shape.");

/* As slice_find would tell, by looking for the first byte alone: it is rare, and memchr is faster than any search. */
static bool occurs(struct slice in, struct slice what)
{
    if (in.n == 0) /* and nowhere at all */
        return false;
    for (const char *p = in.p, *end = p + in.n; (p = memchr(p, what.p[0], (size_t)(end - p))) != NULL; p++)
        if ((size_t)(end - p) < what.n)
            return false;
        else if (memcmp(p, what.p, what.n) == 0)
            return true;
    return false;
}

static bool strings_have_brackets(const struct texts *t)
{
    bool do_they = occurs(slice_make(t->bytes, texts_bytes(t)), GO_SHAPE); /* one look for all; most have none */

    for (uint32_t i = 0; do_they && i < t->n; i++)
        if (occurs(texts_at(t, i), GO_SHAPE))
            return true;
    return false;
}

enum code pprof_read(struct slice bytes, const struct decode_limits *limits, struct arena *scratch, struct arena *a,
                     struct pprof *out, struct fault *why)
{
    *out = (struct pprof){ .scratch = scratch, .a = a, .limits = limits, .bytes = bytes };
    if (bytes.n > INT32_MAX) /* counts and sums of counts below fit 32 bits */
        return fail(why, CODE_INVALID_ARGUMENT, "failed to decode pprof: %zu bytes are too many", bytes.n);
    enum code code = fields_read(out, why);
    if (code != CODE_OK)
        return code;
    if (out->strings.at == NULL)
        out->strings = texts_new(a, EXTRA_STRINGS, EXTRA_BYTES);
    out->n_table = out->strings.n;
    out->has_brackets = strings_have_brackets(&out->strings);
    return CODE_OK;
}
