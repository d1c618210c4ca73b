#include "ingest/pprof_batch.h"

#include <assert.h>

#include "ingest/pprof_stacks.h"

struct building {
    struct pprof         *p;
    const struct symbols *symbols;
    struct arena         *a;
    struct batch         *b;
    struct batch_part    *parts;
    uint32_t             *stack_of; /* each sample's stack */
};

/* ---- symbols: as they were sent, also those that no stack leads to; of them a bucket takes what is new to it ---------- */

static void mappings_build(struct building *g)
{
    struct batch_mapping *mappings = arena_array(g->a, g->p->n_mappings, sizeof *mappings);

    for (uint32_t i = 0; i < g->p->n_mappings; i++) {
        const struct raw_mapping *m = &g->p->mappings[i];
        mappings[i] = (struct batch_mapping){ m->start, m->limit, m->offset, m->file, m->build_id, m->flags, 0 };
    }
    g->b->mappings = mappings;
    g->b->n_mappings = g->p->n_mappings;
}

static void functions_build(struct building *g)
{
    struct batch_function *functions = arena_array(g->a, g->p->n_functions, sizeof *functions);

    for (uint32_t i = 0; i < g->p->n_functions; i++) {
        const struct raw_function *f = &g->p->functions[i];
        functions[i] = (struct batch_function){ f->name, f->system_name, f->file, 0, f->start_line };
    }
    g->b->functions = functions;
    g->b->n_functions = g->p->n_functions;
}

/* One that does not exist is left without lines, for they may name no function. */
static void locations_build(struct building *g)
{
    struct batch_location *locations = arena_array(g->a, g->p->n_locations, sizeof *locations);
    struct batch_line     *lines = arena_array(g->a, g->p->n_lines, sizeof *lines);
    uint32_t               n_lines = 0;

    for (uint32_t i = 0; i < g->p->n_locations; i++) {
        const struct raw_location *l = &g->p->locations[i];
        bool                       exists = g->symbols->exists[i];
        locations[i] = (struct batch_location){ .address = l->address,
                                                .mapping = exists ? g->symbols->mapping[i] : BATCH_NONE,
                                                .line_at = n_lines,
                                                .n_lines = exists ? l->n_lines : 0,
                                                .flags = l->is_folded ? BATCH_IS_FOLDED : 0 };
        for (uint32_t k = 0; k < locations[i].n_lines; k++) {
            const struct raw_line *line = &g->p->lines[l->line_at + k];
            lines[n_lines++] = (struct batch_line){ (uint32_t)line->function_id, 0, line->line };
        }
    }
    g->b->locations = locations;
    g->b->lines = lines;
    g->b->n_locations = g->p->n_locations;
    g->b->n_lines = n_lines;
}

static void strings_build(struct building *g)
{
    const struct slice *texts = g->p->strings;
    uint32_t            n_strings = g->p->n_strings, *end = arena_array(g->a, n_strings, sizeof *end);
    size_t              n = 0;

    for (uint32_t i = 0; i < n_strings; i++) {
        n += texts[i].n;
        end[i] = (uint32_t)n;
    }
    assert(n <= UINT32_MAX); /* of at most 2 GiB of input, names cut */
    char *bytes = arena_alloc(g->a, n);
    for (uint32_t i = 0, from = 0; i < n_strings; from = end[i++])
        if (end[i] > from)
            memcpy(bytes + from, texts[i].p, end[i] - from);
    g->b->string_end = end;
    g->b->string_bytes = bytes;
    g->b->n_strings = n_strings;
}

/* ---- the profile ---------------------------------------------------------------------------------------------------- */

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
            labels[b->n_labels++] = split->parts[i].labels[j];
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
        types[i] = (struct batch_type){ p->types[i].type, p->types[i].unit };
    b->types = types;
    b->n_types = p->n_types;
    b->time_ns = p->time_ns;
    b->duration_ns = p->duration_ns;
    b->period = p->period;
    b->period_type = p->period_type.type;
    b->period_unit = p->period_type.unit;
}

enum code pprof_batch(struct pprof *p, const struct symbols *symbols, const struct samples *s,
                      const struct split *split, struct labels series, struct arena *a, struct batch *out,
                      struct fault *why)
{
    struct building g = { .p = p, .symbols = symbols, .a = a, .b = out };

    out->name = ref_add(p, labels_get(series, SLICE("__name__")));
    out->service = ref_add(p, labels_get(series, SLICE("service_name")));
    types_build(&g);
    mappings_build(&g);
    functions_build(&g);
    locations_build(&g);
    parts_build(&g, split);
    strings_build(&g);
    g.stack_of = arena_array(p->scratch, s->n, sizeof *g.stack_of);
    stacks_unite(s, a, out, g.stack_of);
    return rows_build(&g, s, split, why);
}
