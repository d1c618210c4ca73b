#include "ingest/pprof_batch.h"

#include <assert.h>

#include "ingest/pprof_stacks.h"

/* Numbers given on first use: new[old] or NOT_YET. */
#define NOT_YET UINT32_MAX

struct building {
    struct pprof          *p;
    const struct symbols  *symbols;
    struct arena          *a;
    struct batch          *b;
    uint32_t              *string_new, *string_old; /* [n_strings]: ref -> string and back */
    uint32_t              *function_new, *mapping_new, *location_new;
    struct batch_function *functions;
    struct batch_mapping  *mappings;
    struct batch_location *locations;
    struct batch_line     *lines;
    struct batch_part     *parts;
    uint32_t              *stack_of; /* each sample's stack */
};

static uint32_t *numbers_new(struct arena *a, size_t n)
{
    uint32_t *numbers = arena_array(a, n, sizeof *numbers);
    return memset(numbers, 0xff, n * sizeof *numbers);
}

static uint32_t string_of(struct building *g, uint32_t ref)
{
    if (g->string_new[ref] == NOT_YET) {
        g->string_new[ref] = g->b->n_strings;
        g->string_old[g->b->n_strings++] = ref;
    }
    return g->string_new[ref];
}

static uint32_t function_of(struct building *g, uint32_t old)
{
    if (g->function_new[old] == NOT_YET) {
        const struct raw_function *f = &g->p->functions[old];
        g->function_new[old] = g->b->n_functions;
        g->functions[g->b->n_functions++] = (struct batch_function){ .name = string_of(g, f->name),
                                                                     .system_name = string_of(g, f->system_name),
                                                                     .file = string_of(g, f->file),
                                                                     .start_line = f->start_line };
    }
    return g->function_new[old];
}

static uint32_t mapping_of(struct building *g, uint32_t old)
{
    if (old == BATCH_NONE)
        return BATCH_NONE;
    if (g->mapping_new[old] == NOT_YET) {
        const struct raw_mapping *m = &g->p->mappings[old];
        g->mapping_new[old] = g->b->n_mappings;
        g->mappings[g->b->n_mappings++] =
            (struct batch_mapping){ m->start, m->limit, m->offset, string_of(g, m->file), string_of(g, m->build_id),
                                    m->flags, 0 };
    }
    return g->mapping_new[old];
}

static void location_make(struct building *g, uint32_t old)
{
    const struct raw_location *l = &g->p->locations[old];
    struct batch              *b = g->b;
    g->locations[b->n_locations] = (struct batch_location){ .address = l->address,
                                                            .mapping = mapping_of(g, g->symbols->mapping[old]),
                                                            .line_at = b->n_lines,
                                                            .n_lines = l->n_lines,
                                                            .flags = l->is_folded ? BATCH_IS_FOLDED : 0 };
    for (uint32_t i = 0; i < l->n_lines; i++) {
        const struct raw_line *line = &g->p->lines[l->line_at + i];
        g->lines[b->n_lines++] = (struct batch_line){ function_of(g, (uint32_t)line->function_id), 0, line->line };
    }
    g->location_new[old] = b->n_locations++;
}

/* In the order of the table: memory is walked, not jumped about in. */
static void locations_build(struct building *g, const struct samples *s)
{
    for (uint32_t i = 0; i < g->p->n_locations; i++)
        if (s->is_needed[i])
            location_make(g, i);
}

static void parts_build(struct building *g, const struct split *split)
{
    struct batch *b = g->b;
    uint32_t      n = 0;

    for (uint32_t i = 0; i < split->n_parts; i++)
        n += split->parts[i].n_labels;
    struct batch_label *labels = arena_array(g->a, n, sizeof *labels);
    struct batch_part  *parts = arena_zalloc(g->a, split->n_parts * sizeof *parts);
    for (uint32_t i = 0; i < split->n_parts; i++) {
        parts[i].label_at = b->n_labels;
        parts[i].n_labels = split->parts[i].n_labels;
        for (uint32_t j = 0; j < parts[i].n_labels; j++)
            labels[b->n_labels++] = (struct batch_label){ string_of(g, split->parts[i].labels[j].name),
                                                          string_of(g, split->parts[i].labels[j].value) };
    }
    b->labels = labels;
    b->parts = g->parts = parts;
    b->n_parts = split->n_parts;
}

/* order[]: samples by part, then stack; both passes count, neither compares. */
static uint32_t *samples_order(const struct building *g, const struct samples *s, const struct split *split)
{
    uint32_t  n_stacks = g->b->n_stacks, n_keys = n_stacks > split->n_parts ? n_stacks : split->n_parts;
    uint32_t *count = arena_array(g->p->scratch, (size_t)n_keys + 1, sizeof *count);
    uint32_t *by_stack = arena_array(g->p->scratch, s->n, sizeof *by_stack);
    uint32_t *by_part = arena_array(g->p->scratch, s->n, sizeof *by_part);

    memset(count, 0, ((size_t)n_stacks + 1) * sizeof *count);
    for (uint32_t i = 0; i < s->n; i++)
        count[g->stack_of[i] + 1]++;
    for (uint32_t k = 0; k < n_stacks; k++)
        count[k + 1] += count[k];
    for (uint32_t i = 0; i < s->n; i++)
        by_stack[count[g->stack_of[i]]++] = i;
    memset(count, 0, ((size_t)split->n_parts + 1) * sizeof *count);
    for (uint32_t i = 0; i < s->n; i++)
        count[split->part_of[s->group[i]] + 1]++;
    for (uint32_t k = 0; k < split->n_parts; k++)
        count[k + 1] += count[k];
    for (uint32_t i = 0; i < s->n; i++)
        by_part[count[split->part_of[s->group[by_stack[i]]]]++] = by_stack[i];
    return by_part;
}

/* Rows from samples in order; neighbours of one part and stack become one row. */
static enum code rows_build(struct building *g, const struct samples *s, const struct split *split, struct fault *why)
{
    struct batch      *b = g->b;
    const uint32_t    *order = samples_order(g, s, split);
    struct batch_part *parts = g->parts;
    uint32_t           n_types = b->n_types, n_rows = 0;
    uint32_t          *row_of = arena_array(g->p->scratch, s->n, sizeof *row_of);
    uint32_t          *stacks = arena_array(g->a, s->n, sizeof *stacks);

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t part = split->part_of[s->group[order[i]]], stack = g->stack_of[order[i]];
        if (parts[part].n_rows == 0)
            parts[part].row_at = n_rows;
        if (parts[part].n_rows == 0 || stacks[n_rows - 1] != stack) {
            stacks[n_rows++] = stack;
            parts[part].n_rows++;
        }
        row_of[i] = n_rows - 1;
    }
    int64_t *values = arena_zalloc(g->a, (size_t)n_rows * n_types * sizeof *values);
    for (uint32_t i = 0; i < s->n; i++) {
        const int64_t *from = s->values + (size_t)order[i] * n_types;
        for (uint32_t t = 0; t < n_types; t++) {
            int64_t *sum = &values[(size_t)t * n_rows + row_of[i]];
            if (__builtin_add_overflow(*sum, from[t], sum))
                return fail(why, CODE_INVALID_ARGUMENT, "sample values add up to more than 64 bits hold");
        }
    }
    b->row_stack = stacks;
    b->row_values = values;
    b->n_rows = n_rows;
    return CODE_OK;
}

static void types_build(struct building *g)
{
    struct batch      *b = g->b;
    struct pprof      *p = g->p;
    struct batch_type *types = arena_array(g->a, p->n_types, sizeof *types);

    for (uint32_t i = 0; i < p->n_types; i++)
        types[i] = (struct batch_type){ string_of(g, p->types[i].type), string_of(g, p->types[i].unit) };
    b->types = types;
    b->n_types = p->n_types;
    b->time_ns = p->time_ns;
    b->duration_ns = p->duration_ns;
    b->period = p->period;
    b->period_type = string_of(g, p->period_type.type);
    b->period_unit = string_of(g, p->period_type.unit);
}

static void strings_build(struct building *g)
{
    struct batch *b = g->b;
    uint32_t     *end = arena_array(g->a, b->n_strings, sizeof *end);
    size_t        n = 0;

    for (uint32_t i = 0; i < b->n_strings; i++) {
        n += ref_text(g->p, g->string_old[i]).n;
        end[i] = (uint32_t)n;
    }
    assert(n <= UINT32_MAX); /* of at most 2 GiB of input, names cut */
    char *bytes = arena_alloc(g->a, n);
    for (uint32_t i = 0, from = 0; i < b->n_strings; from = end[i++])
        if (end[i] > from)
            memcpy(bytes + from, ref_text(g->p, g->string_old[i]).p, end[i] - from);
    b->string_end = end;
    b->string_bytes = bytes;
}

static struct building building_new(struct pprof *p, const struct symbols *symbols, struct arena *a, struct batch *out)
{
    struct building g = { .p = p, .symbols = symbols, .a = a, .b = out };

    g.string_new = numbers_new(p->scratch, p->n_strings);
    g.string_old = arena_array(p->scratch, p->n_strings, sizeof *g.string_old);
    g.function_new = numbers_new(p->scratch, p->n_functions);
    g.mapping_new = numbers_new(p->scratch, p->n_mappings);
    g.location_new = arena_array(p->scratch, p->n_locations, sizeof *g.location_new);
    g.functions = arena_array(a, p->n_functions, sizeof *g.functions);
    g.mappings = arena_array(a, p->n_mappings, sizeof *g.mappings);
    g.locations = arena_array(a, p->n_locations, sizeof *g.locations);
    g.lines = arena_array(a, p->n_lines, sizeof *g.lines);
    out->functions = g.functions;
    out->mappings = g.mappings;
    out->locations = g.locations;
    out->lines = g.lines;
    return g;
}

enum code pprof_batch(struct pprof *p, const struct symbols *symbols, const struct samples *s,
                      const struct split *split, struct labels series, struct arena *a, struct batch *out,
                      struct fault *why)
{
    uint32_t        name = ref_add(p, labels_get(series, SLICE("__name__")));
    uint32_t        service = ref_add(p, labels_get(series, SLICE("service_name")));
    struct building g = building_new(p, symbols, a, out);

    string_of(&g, 0); /* string 0 is "" */
    out->name = string_of(&g, name);
    out->service = string_of(&g, service);
    types_build(&g);
    locations_build(&g, s);
    parts_build(&g, split);
    strings_build(&g);
    g.stack_of = arena_array(p->scratch, s->n, sizeof *g.stack_of);
    stacks_unite(s, g.location_new, a, out, g.stack_of);
    return rows_build(&g, s, split, why);
}
