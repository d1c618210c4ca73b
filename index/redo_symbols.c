/* Symbols and stacks of a redo, as they come: what is there twice is found when their tables are made (symtab.h S4, stacks.h T5). */
#include "index/publish.h"
#include "index/redo_in.h"

/* ---- symbols -------------------------------------------------------------------------------------------------------- */

/* `what` is whole: its n things go behind those there are. */
static void extend(struct redo_in *x, struct vec *v, const void *things, uint32_t n)
{
    if (x->wrong == NULL)
        vec_extend(v, &x->to->slab, things, n);
}

static void take_strings(struct redo_in *x)
{
    uint32_t      n = x->head.strings;
    struct slice *texts = arena_array(x->scratch, n, sizeof *texts);
    uint64_t      bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        bytes += (texts[i] = redo_text(x, "a string")).n;
    if (bytes != x->head.text_bytes)
        redo_wrong(x, "a string");
    for (uint32_t i = 0; i < n && x->wrong == NULL; i++)
        texts[i] = slab_copy(&x->to->slab, texts[i]);
    extend(x, &x->group->symtab.strings, texts, n);
}

static uint32_t get_string(struct redo_in *x, const char *what)
{
    return redo_id(x, vec_n(&x->group->symtab.strings), what);
}

static void take_mappings(struct redo_in *x)
{
    uint32_t               n = x->head.mappings;
    struct symbol_mapping *made = arena_array(x->scratch, n, sizeof *made);

    for (uint32_t i = 0; i < n; i++) {
        made[i] = (struct symbol_mapping){ 0 };
        made[i].start = redo_get(x, "a mapping");
        made[i].limit = redo_get(x, "a mapping");
        made[i].offset = redo_get(x, "a mapping");
        made[i].file = get_string(x, "a mapping");
        made[i].build_id = get_string(x, "a mapping");
        made[i].flags = redo_id(x, UINT32_MAX, "a mapping");
    }
    extend(x, &x->group->symtab.mappings, made, n);
}

static void take_functions(struct redo_in *x)
{
    uint32_t                n = x->head.functions;
    struct symbol_function *made = arena_array(x->scratch, n, sizeof *made);

    for (uint32_t i = 0; i < n; i++) {
        made[i] = (struct symbol_function){ 0 };
        made[i].name = get_string(x, "a function");
        made[i].system_name = get_string(x, "a function");
        made[i].file = get_string(x, "a function");
        made[i].start_line = unzigzag(redo_get(x, "a function"));
    }
    extend(x, &x->group->symtab.functions, made, n);
}

static struct symbol_line get_line(struct redo_in *x)
{
    struct symbol_line line = { 0 };

    line.function = redo_id(x, vec_n(&x->group->symtab.functions), "a line");
    line.line = unzigzag(redo_get(x, "a line"));
    return line;
}

/* Of the redo's lines `line_at` have been read.  A bare one gets its string later. */
static struct symbol_location get_location(struct redo_in *x, uint32_t line_at)
{
    const struct symtab   *t = &x->group->symtab;
    struct symbol_location l = { 0 };

    l.address = redo_get(x, "a location");
    l.mapping = redo_id(x, (uint64_t)vec_n(&t->mappings) + 1, "a location") - 1; /* 0: BATCH_NONE */
    l.flags = redo_id(x, BATCH_IS_FOLDED + 1, "a location");
    l.n_lines = redo_id(x, (uint64_t)(x->head.lines - line_at) + 1, "a location");
    l.line_at = l.n_lines > 0 ? vec_n(&t->lines) + line_at : 0;
    return l;
}

static void take_locations(struct redo_in *x)
{
    struct symtab          *t = &x->group->symtab;
    uint32_t                n = x->head.locations, line_at = 0;
    struct symbol_location *made = arena_array(x->scratch, n, sizeof *made);
    struct symbol_line     *lines = arena_array(x->scratch, x->head.lines, sizeof *lines);

    for (uint32_t i = 0; i < n && x->wrong == NULL; i++) {
        made[i] = get_location(x, line_at);
        for (uint32_t k = 0; k < made[i].n_lines; k++)
            lines[line_at++] = get_line(x);
    }
    if (line_at != x->head.lines)
        redo_wrong(x, "a line");
    extend(x, &t->lines, lines, line_at);
    extend(x, &t->locations, made, n);
}

/* ---- stacks --------------------------------------------------------------------------------------------------------- */

static struct path *get_nodes(struct redo_in *x)
{
    uint32_t     first = vec_n(&x->group->stacks.locations.nodes), locations = vec_n(&x->group->symtab.locations);
    struct path *nodes = arena_array(x->scratch, x->head.nodes, sizeof *nodes);

    for (uint32_t i = 0; i < x->head.nodes; i++) {
        nodes[i].parent = first + i - 1 - redo_id(x, first + i, "a node");
        nodes[i].key = redo_id(x, locations, "a node");
    }
    return nodes;
}

static struct stack *get_stacks(struct redo_in *x)
{
    uint32_t      nodes = vec_n(&x->group->stacks.locations.nodes) + x->head.nodes;
    struct stack *stacks = arena_array(x->scratch, x->head.stacks, sizeof *stacks);

    for (uint32_t i = 0; i < x->head.stacks; i++)
        stacks[i] = (struct stack){ redo_id(x, nodes, "a stack"), 0 };
    return stacks;
}

static void take_stacks(struct redo_in *x)
{
    struct stacks_log log = { .n_nodes = x->head.nodes, .n_stacks = x->head.stacks, .frames = x->head.frames };

    log.nodes = get_nodes(x);
    log.stacks = get_stacks(x);
    if (x->wrong == NULL)
        stacks_take(&x->group->stacks, &x->to->slab, &log);
}

void redo_take_symbols(struct redo_in *x)
{
    take_strings(x);
    take_mappings(x);
    take_functions(x);
    take_locations(x);
    publish_step(PUBLISHED_SYMBOLS);
    take_stacks(x);
    publish_step(PUBLISHED_STACKS);
}
