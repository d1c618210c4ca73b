/*
 * Hand-made batches for this room's tests, told in text.
 *
 *     struct batch_make m;
 *     make_begin(&m, arena, "checkout", "process_cpu", time_ns);
 *     make_type(&m, "cpu", "nanoseconds");
 *     make_part(&m, "pod=a,zone=1");                      labels, sorted; service_name is added
 *     make_row(&m, "main;work>inlined;!/usr/bin/x@1f", (int64_t[]){ 10 });
 *     const struct batch *b = make_end(&m);
 *
 * A stack is frames from the root, separated by ';', each one location: `f` a function, `f>g` g inlined into f, and
 * `!file@hex` an address in a mapping without symbols (no file: no mapping).  "" is the empty stack.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "model/batch.h"
#include "model/strset.h"

struct batch_make {
    struct arena  *a;
    struct strset *strings, *functions, *files, *frames, *stacks;
    struct batch   b;
    struct buf     locations, lines, stack_end, stack_locations, types, labels, parts, rows; /* rows: struct make_row */
};

struct make_row {
    uint32_t stack;
    int64_t  values[8];
};

static inline uint32_t make_string(struct batch_make *m, struct slice s) { return strset_add(m->strings, s); }

static inline void make_begin(struct batch_make *m, struct arena *a, const char *service, const char *name, int64_t time_ns)
{
    *m = (struct batch_make){ .a = a };
    m->strings = strset_new(a);
    m->functions = strset_new(a);
    m->files = strset_new(a);
    m->frames = strset_new(a);
    m->stacks = strset_new(a);
    make_string(m, SLICE(""));
    m->b.tenant = SLICE("anonymous");
    m->b.time_ns = time_ns;
    m->b.service = make_string(m, slice_of(service));
    m->b.name = make_string(m, slice_of(name));
    m->b.period_type = make_string(m, SLICE("cpu"));
    m->b.period_unit = make_string(m, SLICE("nanoseconds"));
}

static inline void make_type(struct batch_make *m, const char *type, const char *unit)
{
    struct batch_type t = { make_string(m, slice_of(type)), make_string(m, slice_of(unit)) };
    buf_put(&m->types, &t, sizeof t);
    m->b.n_types++;
}

static inline struct slice make_cut(struct slice *rest, char at)
{
    const char  *end = rest->n ? memchr(rest->p, at, rest->n) : NULL;
    size_t       n = end ? (size_t)(end - rest->p) : rest->n;
    struct slice head = slice_make(rest->p, n);

    *rest = slice_from(*rest, n + (end != NULL));
    return head;
}

static inline void make_label(struct batch_make *m, struct slice name, struct slice value)
{
    struct batch_label l = { make_string(m, name), make_string(m, value) };
    buf_put(&m->labels, &l, sizeof l);
    m->b.n_labels++;
}

static inline void make_part(struct batch_make *m, const char *labels)
{
    struct batch_part p = { .label_at = m->b.n_labels, .row_at = m->b.n_rows };
    struct slice      rest = slice_of(labels);
    bool              has_service = m->b.service == 0;

    while (rest.n > 0) {
        struct slice pair = make_cut(&rest, ','), name = make_cut(&pair, '=');
        if (!has_service && slice_cmp(name, SLICE("service_name")) > 0) {
            make_label(m, SLICE("service_name"), SLICE(""));
            has_service = true;
        }
        make_label(m, name, pair);
    }
    if (!has_service)
        make_label(m, SLICE("service_name"), SLICE(""));
    p.n_labels = m->b.n_labels - p.label_at;
    struct batch_label *at = (struct batch_label *)(void *)m->labels.p + p.label_at;
    for (uint32_t i = 0; i < p.n_labels; i++)
        if (slice_is(strset_at(m->strings, at[i].name), "service_name"))
            at[i].value = m->b.service; /* the place was held by "" */
    buf_put(&m->parts, &p, sizeof p);
    m->b.n_parts++;
}

static inline void make_line(struct batch_make *m, struct slice function)
{
    struct batch_line l = { .function = strset_add(m->functions, function), .line = 7 };
    buf_put(&m->lines, &l, sizeof l);
    m->b.n_lines++;
}

static inline uint32_t make_frame(struct batch_make *m, struct slice text)
{
    uint32_t              had = strset_n(m->frames), id = strset_add(m->frames, text);
    struct batch_location l = { .mapping = BATCH_NONE, .line_at = m->b.n_lines };
    struct slice          rest = text;

    if (id < had)
        return id;
    if (slice_starts(text, SLICE("!"))) {
        struct slice file = make_cut(&rest, '@');
        l.address = strtoull(rest.p, NULL, 16);
        if (file.n > 1)
            l.mapping = strset_add(m->files, slice_from(file, 1));
    } else {
        struct slice names[16];
        uint32_t     n = 0;
        do
            names[n++] = make_cut(&rest, '>');
        while (rest.n > 0 && n < 16);
        for (l.n_lines = n; n > 0; n--)
            make_line(m, names[n - 1]); /* innermost first */
    }
    buf_put(&m->locations, &l, sizeof l);
    m->b.n_locations++;
    return id;
}

static inline uint32_t make_stack(struct batch_make *m, struct slice text)
{
    uint32_t     had = strset_n(m->stacks), id = strset_add(m->stacks, text), at[1024], n = 0;
    struct slice rest = text;

    if (id < had)
        return id;
    if (text.n > 0) {
        bool more;
        do {
            more = memchr(rest.p, ';', rest.n) != NULL;
            at[n++] = make_frame(m, make_cut(&rest, ';'));
            assert(n < 1024);
        } while (more);
    }
    for (uint32_t i = n; i > 0; i--)
        buf_put(&m->stack_locations, &at[i - 1], sizeof *at);
    m->b.n_stack_locations += n;
    buf_put(&m->stack_end, &m->b.n_stack_locations, sizeof m->b.n_stack_locations);
    m->b.n_stacks++;
    return id;
}

/* A stack occurs once in a part. */
static inline void make_row(struct batch_make *m, const char *stack, const int64_t *values)
{
    struct make_row r = { .stack = make_stack(m, slice_of(stack)) };

    assert(m->b.n_types <= 8 && m->b.n_parts > 0);
    memcpy(r.values, values, m->b.n_types * sizeof *values);
    buf_put(&m->rows, &r, sizeof r);
    ((struct batch_part *)(void *)m->parts.p)[m->b.n_parts - 1].n_rows++;
    m->b.n_rows++;
}

static inline int make_row_cmp(const void *a, const void *b)
{
    uint32_t x = ((const struct make_row *)a)->stack, y = ((const struct make_row *)b)->stack;
    return (x > y) - (x < y);
}

static inline const void *make_keep(struct batch_make *m, struct buf *b)
{
    const void *kept = arena_copy(m->a, buf_view(b)).p;

    buf_free(b);
    return kept;
}

static inline void make_symbols(struct batch_make *m)
{
    struct batch          *b = &m->b;
    struct batch_function *functions;
    struct batch_mapping  *mappings;

    b->n_functions = strset_n(m->functions);
    b->n_mappings = strset_n(m->files);
    b->functions = functions = arena_zalloc(m->a, (b->n_functions + 1) * sizeof *functions);
    b->mappings = mappings = arena_zalloc(m->a, (b->n_mappings + 1) * sizeof *mappings);
    for (uint32_t i = 0; i < b->n_functions; i++)
        functions[i].name = functions[i].system_name = make_string(m, strset_at(m->functions, i));
    for (uint32_t i = 0; i < b->n_mappings; i++)
        mappings[i].file = make_string(m, strset_at(m->files, i));
}

static inline void make_strings(struct batch_make *m)
{
    uint32_t   n = strset_n(m->strings), *end = arena_array(m->a, n, sizeof *end);
    struct buf bytes = { 0 };

    for (uint32_t i = 0; i < n; i++) {
        buf_slice(&bytes, strset_at(m->strings, i));
        end[i] = (uint32_t)bytes.n;
    }
    m->b.n_strings = n;
    m->b.string_end = end;
    m->b.string_bytes = make_keep(m, &bytes);
}

static inline void make_rows(struct batch_make *m)
{
    struct batch          *b = &m->b;
    struct make_row       *rows = (struct make_row *)(void *)m->rows.p;
    const struct batch_part *parts = (const struct batch_part *)(const void *)m->parts.p;
    uint32_t              *stack = arena_array(m->a, b->n_rows, sizeof *stack);
    int64_t               *values = arena_array(m->a, (size_t)b->n_rows * b->n_types, sizeof *values);

    for (uint32_t i = 0; i < b->n_parts; i++)
        if (parts[i].n_rows > 1)
            qsort(rows + parts[i].row_at, parts[i].n_rows, sizeof *rows, make_row_cmp);
    for (uint32_t i = 0; i < b->n_rows; i++) {
        stack[i] = rows[i].stack;
        for (uint32_t t = 0; t < b->n_types; t++)
            values[(size_t)t * b->n_rows + i] = rows[i].values[t];
    }
    b->row_stack = stack;
    b->row_values = values;
}

/* The batch lives as long as the maker and its arena. */
static inline const struct batch *make_end(struct batch_make *m)
{
    make_symbols(m);
    make_strings(m);
    make_rows(m);
    buf_free(&m->rows);
    m->b.locations = make_keep(m, &m->locations);
    m->b.lines = make_keep(m, &m->lines);
    m->b.stack_end = make_keep(m, &m->stack_end);
    m->b.stack_locations = make_keep(m, &m->stack_locations);
    m->b.types = make_keep(m, &m->types);
    m->b.labels = make_keep(m, &m->labels);
    m->b.parts = make_keep(m, &m->parts);
    return &m->b;
}
