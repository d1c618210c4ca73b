/* The symbols, trees and stacks of one group: strings and trees are renumbered, everything else is packed as it is. */
#include <stdlib.h>

#include "base/mem.h"
#include "index/block_tree.h"
#include "index/block_write.h"

/* ---- strings -------------------------------------------------------------------------------------------------------- */

struct text {
    struct slice text;
    uint32_t     id;
};

static int text_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct text *)a)->text, ((const struct text *)b)->text);
}

static uint32_t text_shared(struct slice a, struct slice b)
{
    size_t most = a.n < b.n ? a.n : b.n, n = 0;

    if (most > BLOCK_SHARED_MAX)
        most = BLOCK_SHARED_MAX;
    while (n < most && a.p[n] == b.p[n])
        n++;
    return (uint32_t)n;
}

/* All strings sorted; what each is called from now on is returned. */
static uint32_t *put_strings(struct sealing *x, const struct symtab *t)
{
    uint32_t     n = vec_n(&t->strings), *own = sealing_numbers(x, n), *shared = sealing_numbers(x, n);
    uint32_t    *place = sealing_numbers(x, n);
    struct text *all = arena_array(x->arena, n, sizeof *all);
    struct slice before = { 0 };
    size_t       from = x->out->n;

    for (uint32_t i = 0; i < n; i++)
        all[i] = (struct text){ symtab_text(t, i), i };
    qsort(all, n, sizeof *all, text_cmp); /* "" is always there: the first, as it was */
    for (uint32_t i = 0; i < n; before = all[i++].text) {
        place[all[i].id] = i;
        shared[i] = text_shared(before, all[i].text);
        own[i] = (uint32_t)all[i].text.n - shared[i];
        buf_slice(x->out, slice_from(all[i].text, shared[i]));
    }
    section_close(x, from, x->out->n - from, 0);
    section_packs(x, own, n);
    section_packs(x, shared, n);
    return place;
}

/* ---- symbols -------------------------------------------------------------------------------------------------------- */

/* A number of an item; `string` is what its strings are called. */
typedef uint32_t field_fn(const void *item, const uint32_t *string);

/* One number of each item. */
static void column(struct sealing *x, const struct vec *of, const uint32_t *string, field_fn *field)
{
    uint32_t  n = vec_n(of), run;
    uint32_t *words = mem_alloc(n * sizeof *words);

    for (uint32_t i = 0; i < n; i += run) {
        const char *at = vec_run(of, i, n, &run);
        for (uint32_t k = 0; k < run; k++)
            words[i + k] = field(at + (size_t)k * of->item_bytes, string);
    }
    section_packs(x, words, n);
    free(words);
}

#define FIELD(name, type, expression)                                                                                  \
    static uint32_t name(const void *item, const uint32_t *string)                                                     \
    {                                                                                                                  \
        const struct type *it = item;                                                                                  \
        (void)string;                                                                                                  \
        return expression;                                                                                             \
    }
FIELD(function_name, symbol_function, string[it->name])
FIELD(function_system, symbol_function, (uint32_t)zigzag((int32_t)(string[it->system_name] - string[it->name])))
FIELD(function_file, symbol_function, string[it->file])
FIELD(function_line_lo, symbol_function, half_lo((uint64_t)it->start_line))
FIELD(function_line_hi, symbol_function, half_hi((uint64_t)it->start_line))
FIELD(line_function, symbol_line, it->function)
FIELD(line_lo, symbol_line, half_lo((uint64_t)it->line))
FIELD(line_hi, symbol_line, half_hi((uint64_t)it->line))
FIELD(location_address_lo, symbol_location, half_lo(it->address))
FIELD(location_address_hi, symbol_location, half_hi(it->address))
FIELD(location_mapping, symbol_location, it->mapping + 1)
FIELD(location_lines, symbol_location, it->n_lines)
FIELD(location_name, symbol_location, it->n_lines == 0 ? string[it->line_at] : 0)
FIELD(location_flags, symbol_location, it->flags)
#undef FIELD
_Static_assert(BATCH_NONE == UINT32_MAX, "plus 1 it is 0");

static void put_mappings(struct sealing *x, const struct vec *mappings, const uint32_t *string)
{
    size_t   from = x->out->n;
    uint32_t n = vec_n(mappings);

    for (uint32_t i = 0; i < n; i++) {
        struct symbol_mapping m = *(const struct symbol_mapping *)vec_at(mappings, i);
        m.file = string[m.file];
        m.build_id = string[m.build_id];
        buf_put(x->out, &m, sizeof m);
    }
    section_close(x, from, n, 0);
}

static void put_symbols(struct sealing *x, const struct symtab *t, const uint32_t *string)
{
    put_mappings(x, &t->mappings, string);
    column(x, &t->functions, string, function_name);
    column(x, &t->functions, string, function_system);
    column(x, &t->functions, string, function_file);
    column(x, &t->functions, string, function_line_lo);
    column(x, &t->functions, string, function_line_hi);
    column(x, &t->lines, string, line_function);
    column(x, &t->lines, string, line_lo);
    column(x, &t->lines, string, line_hi);
    column(x, &t->locations, string, location_address_lo);
    column(x, &t->locations, string, location_address_hi);
    column(x, &t->locations, string, location_mapping);
    column(x, &t->locations, string, location_lines);
    column(x, &t->locations, string, location_name);
    column(x, &t->locations, string, location_flags);
}

/* ---- trees, stacks -------------------------------------------------------------------------------------------------- */

/* The nodes of one tree; what they are called from now on is returned, to be freed. */
static uint32_t *put_tree(struct sealing *x, const struct paths *p, const uint32_t *renamed, uint32_t n_keys)
{
    struct block_tree t = block_tree_sort(&p->nodes, renamed, n_keys);

    section_packs(x, t.up, t.n - 1);
    section_packs(x, t.key, t.n - 1);
    free(t.up);
    free(t.key);
    return t.place;
}

void sealing_put_group(struct sealing *x, const struct group *g)
{
    const struct stacks *k = &g->stacks;
    uint32_t             n = vec_n(&k->all);
    uint32_t            *nodes = mem_alloc(n * sizeof *nodes);

    const uint32_t *string = put_strings(x, &g->symtab);
    put_symbols(x, &g->symtab, string);
    uint32_t *location = put_tree(x, &k->locations, NULL, vec_n(&g->symtab.locations));
    uint32_t *function = put_tree(x, &k->functions, string, vec_n(&g->symtab.strings));
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = location[((const struct stack *)vec_at(&k->all, i))->location];
    section_packs(x, nodes, n);
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = function[((const struct stack *)vec_at(&k->all, i))->function];
    section_packs(x, nodes, n);
    free(nodes);
    free(location);
    free(function);
}
