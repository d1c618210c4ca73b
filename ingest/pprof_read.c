/* Bytes to tables: skim to count, allocate exactly, fill. */
#include "ingest/pprof_raw.h"

#include <assert.h>

#include "wire/pb.h"
#include "wire/utf8.h"

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

/* Tags of what comes in runs; a line is a location's. */
enum {
    TAG_LINE = 4 << 3 | PB_BYTES,
    TAG_SAMPLE = P_SAMPLE << 3 | PB_BYTES,
    TAG_LOCATION = P_LOCATION << 3 | PB_BYTES,
    TAG_FUNCTION = P_FUNCTION << 3 | PB_BYTES,
    TAG_STRING = P_STRING << 3 | PB_BYTES,
};

enum { EXTRA_STRINGS = 64 }; /* room for labels before the table has to grow */

static enum code broken(struct fault *why, const char *what)
{
    return fail(why, CODE_INVALID_ARGUMENT, "failed to decode pprof: malformed %s", what);
}

static uint32_t ref_of(uint64_t v) { return v < REF_BAD ? (uint32_t)v : REF_BAD; }

static bool type_read(struct slice bytes, struct raw_type *t)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    while (pb_next(&c, &f))
        if (f.number == 1)
            t->type = ref_of(f.value);
        else if (f.number == 2)
            t->unit = ref_of(f.value);
    return !c.is_bad;
}

/* Fields of one kind lie together: who looks for them need not walk over the others. */
static inline void span_extend(struct slice *span, const uint8_t *from, const uint8_t *to)
{
    if (span->p == NULL)
        span->p = (const char *)from;
    span->n = (size_t)((const char *)to - span->p);
}

static inline const uint8_t *span_end(struct slice span) { return (const uint8_t *)span.p + span.n; }

/*
 * Fields of one kind come in runs, and most are short: the next one's bytes while it has this tag of one byte.  False:
 * it has not, or it is for pb_next to judge.
 */
__attribute__((always_inline)) static inline bool run_next(struct pb_cursor *c, uint8_t tag, struct slice *bytes)
{
    const uint8_t *p = c->p;

    if (c->end - p < 3 || *p != tag)
        return false;
    size_t n = p[1];
    p += 2;
    if (n >= 0x80) {
        if (*p >= 0x80)
            return false;
        n = (n & 0x7f) | (size_t)*p++ << 7;
    }
    if (n > (size_t)(c->end - p))
        return false;
    *bytes = slice_make(p, n);
    c->p = p + n;
    return true;
}

/* How many fields of this tag come next. */
static uint32_t run_skip(struct pb_cursor *c, uint8_t tag)
{
    struct slice ignored;
    uint32_t     n = 0;

    while (run_next(c, tag, &ignored))
        n++;
    return n;
}

/* One walk over the top level: how many of each, and the scalars. */
static enum code skim(struct pprof *p, struct fault *why)
{
    struct pb_cursor c = pb_cursor(p->bytes);
    struct pb_field  f;
    struct slice     bytes;

    for (const uint8_t *at = c.p; pb_next(&c, &f); at = c.p) {
        if (f.wire != PB_BYTES && f.number <= P_STRING)
            return broken(why, "field: a message or a string is a number");
        switch (f.number) {
        case P_SAMPLE_TYPE:
            p->n_types++;
            break;
        case P_SAMPLE:
            p->samples_are_together = p->n_samples == 0 || (p->samples_are_together && span_end(p->samples) == at);
            bytes = pb_bytes(&f);
            do {
                p->n_samples++;
                if (bytes.n > p->longest_sample.n)
                    p->longest_sample = bytes;
            } while (run_next(&c, TAG_SAMPLE, &bytes));
            span_extend(&p->samples, at, c.p);
            break;
        case P_MAPPING:
            p->n_mappings++;
            break;
        case P_LOCATION:
            p->n_locations += 1 + run_skip(&c, TAG_LOCATION);
            break;
        case P_FUNCTION:
            p->n_functions += 1 + run_skip(&c, TAG_FUNCTION);
            break;
        case P_STRING:
            p->table_is_together = p->n_strings == 0 || (p->table_is_together && span_end(p->table) == at);
            p->n_strings += 1 + run_skip(&c, TAG_STRING);
            span_extend(&p->table, at, c.p);
            break;
        case P_TIME:
            p->time_ns = (int64_t)f.value;
            break;
        case P_DURATION:
            p->duration_ns = (int64_t)f.value;
            break;
        case P_PERIOD:
            p->period = (int64_t)f.value;
            break;
        case P_PERIOD_TYPE:
            if (!type_read(pb_bytes(&f), &p->period_type))
                return broken(why, "period type");
            break;
        default:
            break;
        }
    }
    return c.is_bad ? broken(why, "field, or data cut short") : CODE_OK;
}

static bool mapping_read(struct slice bytes, struct raw_mapping *m)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    *m = (struct raw_mapping){ 0 };
    while (pb_next(&c, &f))
        switch (f.number) {
        case 1:
            m->id = f.value;
            break;
        case 2:
            m->start = f.value;
            break;
        case 3:
            m->limit = f.value;
            break;
        case 4:
            m->offset = f.value;
            break;
        case 5:
            m->file = ref_of(f.value);
            break;
        case 6:
            m->build_id = ref_of(f.value);
            break;
        case 7:
            m->flags |= f.value ? BATCH_HAS_FUNCTIONS : 0;
            break;
        case 8:
            m->flags |= f.value ? BATCH_HAS_FILENAMES : 0;
            break;
        case 9:
            m->flags |= f.value ? BATCH_HAS_LINE_NUMBERS : 0;
            break;
        case 10:
            m->flags |= f.value ? BATCH_HAS_INLINE_FRAMES : 0;
            break;
        default:
            break;
        }
    return !c.is_bad;
}

static bool function_read(struct slice bytes, struct raw_function *fn)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    *fn = (struct raw_function){ 0 };
    uint64_t name = 0, system_name = 0, file = 0;
    pb_expect(&c, 1 << 3, &fn->id);
    pb_expect(&c, 2 << 3, &name);
    pb_expect(&c, 3 << 3, &system_name);
    pb_expect(&c, 4 << 3, &file);
    fn->name = ref_of(name);
    fn->system_name = ref_of(system_name);
    fn->file = ref_of(file);
    while (pb_next(&c, &f))
        switch (f.number) {
        case 1:
            fn->id = f.value;
            break;
        case 2:
            fn->name = ref_of(f.value);
            break;
        case 3:
            fn->system_name = ref_of(f.value);
            break;
        case 4:
            fn->file = ref_of(f.value);
            break;
        case 5:
            fn->start_line = (int64_t)f.value;
            break;
        default:
            break;
        }
    return !c.is_bad;
}

__attribute__((always_inline)) static inline bool line_read(struct slice bytes, struct raw_line *l)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    uint64_t line = 0;

    *l = (struct raw_line){ 0 };
    pb_expect(&c, 1 << 3, &l->function_id);
    pb_expect(&c, 2 << 3, &line);
    l->line = (int64_t)line;
    while (pb_next(&c, &f))
        if (f.number == 1)
            l->function_id = f.value;
        else if (f.number == 2)
            l->line = (int64_t)f.value;
    return !c.is_bad;
}

/* Lines are not counted by the skim, they lie a floor deeper: their array doubles. */
static struct raw_line *line_new(struct pprof *p)
{
    if (p->n_lines == p->lines_cap) {
        p->lines_cap = p->lines_cap ? p->lines_cap * 2 : p->n_locations * 2 + 16;
        p->lines = array_grown(p->scratch, p->lines, p->n_lines, p->lines_cap, sizeof *p->lines);
    }
    return &p->lines[p->n_lines++];
}

static bool location_read(struct pprof *p, struct slice bytes, struct raw_location *l)
{
    struct pb_cursor c = pb_cursor(bytes);
    struct pb_field  f;

    *l = (struct raw_location){ .line_at = p->n_lines };
    pb_expect(&c, 1 << 3, &l->id);
    pb_expect(&c, 2 << 3, &l->mapping_id);
    pb_expect(&c, 3 << 3, &l->address);
    for (struct slice line; run_next(&c, TAG_LINE, &line); l->n_lines++)
        if (!line_read(line, line_new(p)))
            return false;
    while (pb_next(&c, &f))
        switch (f.number) {
        case 1:
            l->id = f.value;
            break;
        case 2:
            l->mapping_id = f.value;
            break;
        case 3:
            l->address = f.value;
            break;
        case 4:
            if (!line_read(pb_bytes(&f), line_new(p)))
                return false;
            l->n_lines++;
            break;
        case 5:
            l->is_folded = f.value != 0;
            break;
        default:
            break;
        }
    return !c.is_bad;
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

/* A string too long keeps its last bytes. */
static struct slice string_read(struct pprof *p, struct slice s, bool may_have_brackets)
{
    int64_t max = p->limits->symbol_bytes_max;

    if (may_have_brackets && occurs(s, GO_SHAPE))
        p->has_brackets = true;
    return (uint64_t)s.n > (uint64_t)max ? slice_from(s, s.n - (size_t)max) : s;
}

/*
 * Whether the strings are plain ASCII, all at once: of the bytes before a text, a tag and a length, all but the last of
 * each have the top bit set, and no other byte of the table has.  False also where this cannot be told.
 */
static bool table_is_ascii(const struct pprof *p, size_t text_bytes)
{
    return p->table_is_together && utf8_top_bits(p->table) == p->table.n - text_bytes - 2 * (size_t)p->n_strings;
}

static void tables_new(struct pprof *p)
{
    p->strings_cap = p->n_strings + EXTRA_STRINGS;
    p->strings = arena_array(p->scratch, p->strings_cap, sizeof *p->strings);
    p->types = arena_array(p->scratch, p->n_types, sizeof *p->types);
    p->mappings = arena_array(p->scratch, p->n_mappings, sizeof *p->mappings);
    p->functions = arena_array(p->scratch, p->n_functions, sizeof *p->functions);
    p->locations = arena_array(p->scratch, p->n_locations, sizeof *p->locations);
}

static enum code tables_fill(struct pprof *p, struct fault *why)
{
    struct pb_cursor c = pb_cursor(p->bytes);
    struct pb_field  f;
    struct slice     bytes;
    size_t           text_bytes = 0;
    uint32_t         type = 0, mapping = 0, function = 0, location = 0, string = 0;
    bool             may_have_brackets = occurs(p->table, GO_SHAPE); /* one look for all strings; most have none */

    while (pb_next(&c, &f))
        switch (f.number) {
        case P_SAMPLE_TYPE:
            p->types[type] = (struct raw_type){ 0 };
            if (!type_read(pb_bytes(&f), &p->types[type++]))
                return broken(why, "sample type");
            break;
        case P_SAMPLE:
            if (p->samples_are_together)
                c.p = span_end(p->samples);
            break;
        case P_MAPPING:
            if (!mapping_read(pb_bytes(&f), &p->mappings[mapping++]))
                return broken(why, "mapping");
            break;
        case P_LOCATION:
            bytes = pb_bytes(&f);
            do
                if (!location_read(p, bytes, &p->locations[location++]))
                    return broken(why, "location");
            while (run_next(&c, TAG_LOCATION, &bytes));
            break;
        case P_FUNCTION:
            bytes = pb_bytes(&f);
            do
                if (!function_read(bytes, &p->functions[function++]))
                    return broken(why, "function");
            while (run_next(&c, TAG_FUNCTION, &bytes));
            break;
        case P_STRING:
            bytes = pb_bytes(&f);
            do {
                p->strings[string++] = string_read(p, bytes, may_have_brackets);
                text_bytes += bytes.n;
            } while (run_next(&c, TAG_STRING, &bytes));
            break;
        default:
            break;
        }
    p->is_ascii = table_is_ascii(p, text_bytes);
    return CODE_OK;
}

enum code pprof_read(struct slice bytes, const struct decode_limits *limits, struct arena *scratch, struct pprof *out,
                     struct fault *why)
{
    *out = (struct pprof){ .scratch = scratch, .limits = limits, .bytes = bytes };
    if (bytes.n > INT32_MAX) /* counts and sums of counts below fit 32 bits */
        return fail(why, CODE_INVALID_ARGUMENT, "failed to decode pprof: %zu bytes are too many", bytes.n);
    enum code code = skim(out, why);
    if (code != CODE_OK)
        return code;
    out->n_table = out->n_strings;
    tables_new(out);
    return tables_fill(out, why);
}

uint32_t ref_add(struct pprof *p, struct slice s)
{
    if (p->n_strings == p->strings_cap) {
        p->strings_cap *= 2;
        p->strings = array_grown(p->scratch, p->strings, p->n_strings, p->strings_cap, sizeof *p->strings);
    }
    assert(p->n_strings < REF_BAD);
    p->strings[p->n_strings] = s;
    return p->n_strings++;
}
