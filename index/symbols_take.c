#include "index/symbols_take.h"

struct taking {
    struct symtab      *t;
    struct slab        *s;
    const struct batch *from;
    struct arena       *scratch;
    struct {
        uint8_t *strings, *mappings, *functions, *locations;
    } needs; /* a mark for each */
    uint32_t *strings, *mappings, *functions,
        *locations; /* what they are in the symtab; garbage for what is not needed */
};

/* ---- what is needed ------------------------------------------------------------------------------------------------- */

static void stacks_need(struct taking *x, const uint32_t *stacks)
{
    for (uint32_t i = 0; i < x->from->n_stacks; i++) {
        struct batch_stack s = batch_stack(x->from, i);
        for (uint32_t k = 0; stacks[i] == STACK_UNKNOWN && k < s.n; k++)
            x->needs.locations[s.locations[k]] = true;
    }
}

static void locations_need(struct taking *x)
{
    for (uint32_t i = 0; i < x->from->n_locations; i++) {
        const struct batch_location *l = &x->from->locations[i];
        if (!x->needs.locations[i])
            continue;
        if (l->mapping != BATCH_NONE)
            x->needs.mappings[l->mapping] = true;
        for (uint32_t k = 0; k < l->n_lines; k++)
            x->needs.functions[x->from->lines[l->line_at + k].function] = true;
    }
}

static void functions_need(struct taking *x)
{
    for (uint32_t i = 0; i < x->from->n_functions; i++) {
        const struct batch_function *f = &x->from->functions[i];
        if (x->needs.functions[i])
            x->needs.strings[f->name] = x->needs.strings[f->system_name] = x->needs.strings[f->file] = true;
    }
}

static void mappings_need(struct taking *x)
{
    for (uint32_t i = 0; i < x->from->n_mappings; i++) {
        const struct batch_mapping *m = &x->from->mappings[i];
        if (x->needs.mappings[i])
            x->needs.strings[m->file] = x->needs.strings[m->build_id] = true;
    }
}

static void needs_find(struct taking *x, const uint32_t *stacks)
{
    x->needs.strings = arena_zalloc(x->scratch, x->from->n_strings);
    x->needs.mappings = arena_zalloc(x->scratch, x->from->n_mappings);
    x->needs.functions = arena_zalloc(x->scratch, x->from->n_functions);
    x->needs.locations = arena_zalloc(x->scratch, x->from->n_locations);
    stacks_need(x, stacks);
    locations_need(x);
    functions_need(x);
    mappings_need(x);
}

/* ---- and taken, in the order of the batch --------------------------------------------------------------------------- */

/* The numbers of those marked. */
static uint32_t *marked(const struct taking *x, const uint8_t *marks, uint32_t n, uint32_t *n_marked)
{
    uint32_t *which = arena_array(x->scratch, n, sizeof *which);

    *n_marked = 0;
    for (uint32_t i = 0; i < n; i++) {
        which[*n_marked] = i;
        *n_marked += marks[i];
    }
    return which;
}

/* Of n things: thing which[k] is ids[k]. */
static uint32_t *spread(const struct taking *x, const uint32_t *ids, const uint32_t *which, uint32_t n_which,
                        uint32_t n)
{
    uint32_t *of = arena_array(x->scratch, n, sizeof *of);

    for (uint32_t k = 0; k < n_which; k++)
        of[which[k]] = ids[k];
    return of;
}

static void take_strings(struct taking *x)
{
    uint32_t      n, *which = marked(x, x->needs.strings, x->from->n_strings, &n);
    uint32_t     *ids = arena_array(x->scratch, n, sizeof *ids);
    struct slice *texts = arena_array(x->scratch, n, sizeof *texts);

    for (uint32_t k = 0; k < n; k++)
        texts[k] = batch_string(x->from, which[k]);
    symtab_strings(x->t, x->s, texts, n, ids);
    x->strings = spread(x, ids, which, n, x->from->n_strings);
}

static void take_mappings(struct taking *x)
{
    x->mappings = arena_array(x->scratch, x->from->n_mappings, sizeof *x->mappings);
    for (uint32_t i = 0; i < x->from->n_mappings; i++) {
        const struct batch_mapping *m = &x->from->mappings[i];
        if (x->needs.mappings[i])
            x->mappings[i] = symtab_mapping(x->t, x->s,
                                            &(struct symbol_mapping){ .start = m->start,
                                                                      .limit = m->limit,
                                                                      .offset = m->offset,
                                                                      .file = x->strings[m->file],
                                                                      .build_id = x->strings[m->build_id],
                                                                      .flags = m->flags });
    }
}

static void take_functions(struct taking *x)
{
    uint32_t                n, *which = marked(x, x->needs.functions, x->from->n_functions, &n);
    uint32_t               *ids = arena_array(x->scratch, n, sizeof *ids);
    struct symbol_function *made = arena_array(x->scratch, n, sizeof *made);

    for (uint32_t k = 0; k < n; k++) {
        const struct batch_function *f = &x->from->functions[which[k]];
        made[k] = (struct symbol_function){ .name = x->strings[f->name],
                                            .system_name = x->strings[f->system_name],
                                            .file = x->strings[f->file],
                                            .start_line = f->start_line };
    }
    symtab_functions(x->t, x->s, made, n, ids);
    x->functions = spread(x, ids, which, n, x->from->n_functions);
}

static void take_locations(struct taking *x)
{
    uint32_t                n, *which = marked(x, x->needs.locations, x->from->n_locations, &n);
    uint32_t               *ids = arena_array(x->scratch, n, sizeof *ids);
    struct symbol_location *made = arena_array(x->scratch, n, sizeof *made);
    struct symbol_line     *lines = arena_array(x->scratch, x->from->n_lines, sizeof *lines);

    for (uint32_t k = 0; k < n; k++) {
        const struct batch_location *l = &x->from->locations[which[k]];
        made[k] = (struct symbol_location){ .address = l->address,
                                            .mapping = l->mapping == BATCH_NONE ? BATCH_NONE : x->mappings[l->mapping],
                                            .line_at = l->line_at,
                                            .n_lines = l->n_lines,
                                            .flags = l->flags };
        for (uint32_t i = l->line_at; i < l->line_at + l->n_lines; i++)
            lines[i] = (struct symbol_line){ .function = x->functions[x->from->lines[i].function],
                                             .line = x->from->lines[i].line };
    }
    symtab_locations(x->t, x->s, made, lines, n, ids);
    x->locations = spread(x, ids, which, n, x->from->n_locations);
}

const uint32_t *symbols_take(struct symtab *t, struct slab *s, const struct batch *from, const uint32_t *stacks,
                             struct arena *scratch)
{
    struct taking x = { .t = t, .s = s, .from = from, .scratch = scratch };

    needs_find(&x, stacks);
    take_strings(&x);
    take_mappings(&x);
    take_functions(&x);
    take_locations(&x);
    return x.locations;
}
