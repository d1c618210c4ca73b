/* What a batch added, written from the vectors: they are only ever appended to (R1). */
#include "index/redo.h"

#include <string.h>

static void put(struct redo *r, uint64_t v)
{
    uint8_t *at = (uint8_t *)buf_reserve(r->out, 10);
    r->out->n += (size_t)(uvarint_put(at, v) - at);
}

static void put_text(struct redo *r, struct slice text)
{
    put(r, text.n);
    buf_slice(r->out, text);
}

struct redo redo_begin(struct buf *out, const struct bucket *b, const struct group *g, int64_t time_ns, bool is_new)
{
    struct redo r = { .out = out,
                      .start = out->n,
                      .head = { .time_ns = time_ns,
                                .batch = b->taken.n,
                                .group = g->id,
                                .strings = is_new ? 1 : vec_n(&g->symtab.strings), /* "" comes with the group */
                                .mappings = vec_n(&g->symtab.mappings),
                                .functions = vec_n(&g->symtab.functions),
                                .lines = vec_n(&g->symtab.lines),
                                .locations = vec_n(&g->symtab.locations),
                                .nodes = vec_n(&g->stacks.locations.nodes),
                                .frames = vec_n(&g->stacks.functions.nodes),
                                .stacks = vec_n(&g->stacks.all),
                                .types = vec_n(&b->types.all) } };

    buf_put(out, &r.head, sizeof r.head);
    put_text(&r, g->service);
    return r;
}

/* ---- symbols, stacks, types ----------------------------------------------------------------------------------------- */

/* The first new one, in `*n`, becomes how many are new. */
static uint32_t first_of(const struct vec *v, uint32_t *n)
{
    uint32_t first = *n;

    *n = vec_n(v) - first;
    return first;
}

static void put_strings(struct redo *r, const struct symtab *t)
{
    uint32_t i = first_of(&t->strings, &r->head.strings), n = i + r->head.strings;

    for (; i < n; i++) {
        r->head.text_bytes += (uint32_t)symtab_text(t, i).n;
        put_text(r, symtab_text(t, i));
    }
}

static void put_mappings(struct redo *r, const struct symtab *t)
{
    uint32_t i = first_of(&t->mappings, &r->head.mappings), n = i + r->head.mappings;

    for (; i < n; i++) {
        const struct symbol_mapping *m = vec_at(&t->mappings, i);
        put(r, m->start);
        put(r, m->limit);
        put(r, m->offset);
        put(r, m->file);
        put(r, m->build_id);
        put(r, m->flags);
    }
}

static void put_functions(struct redo *r, const struct symtab *t)
{
    uint32_t i = first_of(&t->functions, &r->head.functions), n = i + r->head.functions;

    for (; i < n; i++) {
        const struct symbol_function *f = vec_at(&t->functions, i);
        put(r, f->name);
        put(r, f->system_name);
        put(r, f->file);
        put(r, zigzag(f->start_line));
    }
}

static void put_locations(struct redo *r, const struct symtab *t)
{
    uint32_t i = first_of(&t->locations, &r->head.locations), n = i + r->head.locations;

    first_of(&t->lines, &r->head.lines);
    for (; i < n; i++) {
        const struct symbol_location *l = vec_at(&t->locations, i);
        put(r, l->address);
        put(r, l->mapping == BATCH_NONE ? 0 : (uint64_t)l->mapping + 1);
        put(r, l->flags);
        put(r, l->n_lines);
        for (uint32_t k = 0; k < l->n_lines; k++) {
            const struct symbol_line *line = vec_at(&t->lines, l->line_at + k);
            put(r, line->function);
            put(r, zigzag(line->line));
        }
    }
}

static void put_stacks(struct redo *r, const struct stacks *k)
{
    uint32_t i = first_of(&k->locations.nodes, &r->head.nodes), n = i + r->head.nodes;

    first_of(&k->functions.nodes, &r->head.frames);
    for (; i < n; i++) {
        struct path at = paths_at(&k->locations, i);
        put(r, i - at.parent - 1);
        put(r, at.key);
    }
    i = first_of(&k->all, &r->head.stacks), n = i + r->head.stacks;
    for (; i < n; i++)
        put(r, ((const struct stack *)vec_at(&k->all, i))->location);
}

static void put_types(struct redo *r, const struct types *types)
{
    uint32_t i = first_of(&types->all, &r->head.types), n = i + r->head.types;

    for (; i < n; i++) {
        const struct type *t = vec_at(&types->all, i);
        r->head.type_bytes += (uint32_t)t->id.n;
        put_text(r, t->name);
        put_text(r, t->sample_type);
        put_text(r, t->unit);
        put_text(r, t->period_type);
        put_text(r, t->period_unit);
    }
}

void redo_symbols(struct redo *r, const struct bucket *b, const struct group *g)
{
    put_strings(r, &g->symtab);
    put_mappings(r, &g->symtab);
    put_functions(r, &g->symtab);
    put_locations(r, &g->symtab);
    put_stacks(r, &g->stacks);
    put_types(r, &b->types);
}

/* ---- parts ---------------------------------------------------------------------------------------------------------- */

static void put_new_text(struct redo *r, struct slice text)
{
    r->head.label_bytes += (uint32_t)text.n;
    put(r, 0);
    put_text(r, text);
}

/* A value is new when this series is the first that has it, and so is a name whose first value that is. */
static void put_label(struct redo *r, const struct label_value *v, uint32_t series)
{
    bool is_new = v->series.first[0] == series;

    if (is_new && v->id == 0)
        put_new_text(r, v->name->text);
    else
        put(r, (uint64_t)v->name->id + 1);
    if (is_new)
        put_new_text(r, v->text);
    else
        put(r, (uint64_t)v->id + 1);
    r->head.values += is_new;
}

static void put_series(struct redo *r, const struct series *s, bool is_new)
{
    if (!is_new) {
        put(r, (uint64_t)s->id + 1);
        return;
    }
    r->head.series++;
    r->head.labels += s->n_labels;
    put(r, 0);
    put(r, s->n_labels);
    for (uint32_t i = 0; i < s->n_labels; i++)
        put_label(r, s->labels[i], s->id);
}

void redo_part(struct redo *r, const struct redo_part *part)
{
    put_series(r, part->series, part->is_new);
    put(r, part->samples);
    put(r, part->clamped);
    put_text(r, part->rows);
    for (uint32_t c = 0; c < part->n_columns; c++) {
        put(r, part->types[c]);
        put(r, (uint64_t)part->totals[c]);
    }
    r->head.parts++;
    r->head.points += part->n_columns;
    r->head.row_bytes += (uint32_t)part->rows.n;
}

void redo_end(struct redo *r) { memcpy(r->out->p + r->start, &r->head, sizeof r->head); }
