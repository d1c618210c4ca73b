/* The symbols, trees and stacks of one group: trees are renumbered, everything else is packed as it is. */
#include <stdlib.h>

#include "base/mem.h"
#include "index/block_tree.h"
#include "index/block_write.h"

typedef uint32_t field_fn(const void *item);

/* One number of each item. */
static void column(struct sealing *x, const struct vec *of, field_fn *field)
{
    uint32_t  n = vec_n(of), run;
    uint32_t *words = mem_alloc(n * sizeof *words);

    for (uint32_t i = 0; i < n; i += run) {
        const char *at = vec_run(of, i, n, &run);
        for (uint32_t k = 0; k < run; k++)
            words[i + k] = field(at + (size_t)k * of->item_bytes);
    }
    section_packs(x, words, n);
    free(words);
}

#define FIELD(name, type, expression)                                                                                  \
    static uint32_t name(const void *item)                                                                             \
    {                                                                                                                  \
        const struct type *it = item;                                                                                  \
        return expression;                                                                                             \
    }
FIELD(text_bytes, slice, (uint32_t)it->n)
FIELD(function_name, symbol_function, it->name)
FIELD(function_system, symbol_function, (uint32_t)zigzag((int32_t)(it->system_name - it->name)))
FIELD(function_file, symbol_function, it->file)
FIELD(function_line_lo, symbol_function, half_lo((uint64_t)it->start_line))
FIELD(function_line_hi, symbol_function, half_hi((uint64_t)it->start_line))
FIELD(line_function, symbol_line, it->function)
FIELD(line_lo, symbol_line, half_lo((uint64_t)it->line))
FIELD(line_hi, symbol_line, half_hi((uint64_t)it->line))
FIELD(location_address_lo, symbol_location, half_lo(it->address))
FIELD(location_address_hi, symbol_location, half_hi(it->address))
FIELD(location_mapping, symbol_location, it->mapping + 1)
FIELD(location_lines, symbol_location, it->n_lines)
FIELD(location_name, symbol_location, it->n_lines == 0 ? it->line_at : 0)
FIELD(location_flags, symbol_location, it->flags)
#undef FIELD
_Static_assert(BATCH_NONE == UINT32_MAX, "plus 1 it is 0");

static void put_symbols(struct sealing *x, const struct symtab *t)
{
    size_t from = x->out->n;

    for (uint32_t i = 0; i < vec_n(&t->strings); i++)
        buf_slice(x->out, symtab_text(t, i));
    section_close(x, from, x->out->n - from, 0);
    column(x, &t->strings, text_bytes);
    from = x->out->n;
    for (uint32_t i = 0; i < vec_n(&t->mappings); i++)
        buf_put(x->out, vec_at(&t->mappings, i), sizeof(struct symbol_mapping));
    section_close(x, from, vec_n(&t->mappings), 0);
    column(x, &t->functions, function_name);
    column(x, &t->functions, function_system);
    column(x, &t->functions, function_file);
    column(x, &t->functions, function_line_lo);
    column(x, &t->functions, function_line_hi);
    column(x, &t->lines, line_function);
    column(x, &t->lines, line_lo);
    column(x, &t->lines, line_hi);
    column(x, &t->locations, location_address_lo);
    column(x, &t->locations, location_address_hi);
    column(x, &t->locations, location_mapping);
    column(x, &t->locations, location_lines);
    column(x, &t->locations, location_name);
    column(x, &t->locations, location_flags);
}

/* The nodes of one tree; what they are called from now on is returned, to be freed. */
static uint32_t *put_tree(struct sealing *x, const struct paths *p, uint32_t n_keys)
{
    struct block_tree t = block_tree_sort(&p->nodes, n_keys);

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

    put_symbols(x, &g->symtab);
    uint32_t *location = put_tree(x, &k->locations, vec_n(&g->symtab.locations));
    uint32_t *function = put_tree(x, &k->functions, vec_n(&g->symtab.strings));
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
