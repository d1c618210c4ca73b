#include "ingest/pprof_batch.h"

#include "ingest/pprof_stacks.h"

struct building {
    struct pprof      *p;
    struct arena      *a;
    struct batch      *b;
    struct batch_part *parts;
    uint32_t          *stack_of, *row_of; /* of each sample */
};

/* As they were sent, also symbols that no stack leads to; of them a bucket takes what is new to it. */
static void tables_take(const struct pprof *p, struct batch *b)
{
    b->string_end = p->strings.at + 1;
    b->string_bytes = p->strings.bytes;
    b->n_strings = p->strings.n;
    b->types = p->types;
    b->n_types = p->n_types;
    b->mappings = p->mappings;
    b->n_mappings = p->n_mappings;
    b->functions = p->functions;
    b->n_functions = p->n_functions;
    b->lines = p->lines;
    b->n_lines = p->n_lines;
    b->locations = p->locations;
    b->n_locations = p->n_locations;
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

/* Samples in order; neighbours of one part and stack become one row. */
static void rows_place(struct building *g, const struct samples *s, const struct split *split)
{
    const uint32_t    *order = samples_order(g, s, split);
    struct batch_part *parts = g->parts;
    uint32_t           n_rows = 0, *stacks = arena_array(g->a, s->n, sizeof *stacks);

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t part = split->part_of[s->group[order[i]]], stack = g->stack_of[order[i]];
        if (parts[part].n_rows == 0)
            parts[part].row_at = n_rows;
        if (parts[part].n_rows == 0 || stacks[n_rows - 1] != stack) {
            stacks[n_rows++] = stack;
            parts[part].n_rows++;
        }
        g->row_of[order[i]] = n_rows - 1;
    }
    g->b->row_stack = stacks;
    g->b->n_rows = n_rows;
}

/* In a lone part each stack is a row: none is without a sample. */
static void rows_place_alone(struct building *g)
{
    uint32_t n = g->b->n_stacks, *stacks = arena_array(g->a, n, sizeof *stacks);

    for (uint32_t i = 0; i < n; i++)
        stacks[i] = i;
    g->row_of = g->stack_of;
    g->parts->n_rows = n;
    g->b->row_stack = stacks;
    g->b->n_rows = n;
}

static enum code values_sum(struct building *g, const struct samples *s, struct fault *why)
{
    uint32_t       n_rows = g->b->n_rows, n_types = g->b->n_types;
    int64_t       *values = arena_zalloc(g->a, (size_t)n_rows * n_types * sizeof *values);
    const int64_t *from = s->values;

    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t t = 0; t < n_types; t++) {
            int64_t *sum = &values[(size_t)t * n_rows + g->row_of[i]];
            if (__builtin_add_overflow(*sum, *from++, sum))
                return fail(why, CODE_INVALID_ARGUMENT, "sample values add up to more than 64 bits hold");
        }
    g->b->row_values = values;
    return CODE_OK;
}

static void profile_build(const struct pprof *p, struct batch *b)
{
    b->time_ns = p->time_ns;
    b->duration_ns = p->duration_ns;
    b->period = p->period;
    b->period_type = p->period_type.type;
    b->period_unit = p->period_type.unit;
}

enum code pprof_batch(struct pprof *p, const struct samples *s, const struct split *split, struct labels series,
                      struct batch *out, struct fault *why)
{
    struct building g = { .p = p, .a = p->a, .b = out };

    out->name = ref_add(p, labels_get(series, SLICE("__name__")));
    out->service = ref_add(p, labels_get(series, SLICE("service_name")));
    profile_build(p, out);
    parts_build(&g, split);
    tables_take(p, out);
    g.stack_of = arena_array(p->scratch, s->n, sizeof *g.stack_of);
    g.row_of = arena_array(p->scratch, s->n, sizeof *g.row_of);
    stacks_unite(s, p->a, out, g.stack_of);
    if (split->n_parts == 1)
        rows_place_alone(&g);
    else
        rows_place(&g, s, split);
    return values_sum(&g, s, why);
}
