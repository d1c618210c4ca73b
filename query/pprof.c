#include "query/pprof.h"

#include <assert.h>

#include "base/mem.h"
#include "model/batch.h"
#include "model/location.h"
#include "model/slice_sort.h"
#include "query/cut.h"
#include "query/profile.h"

enum { SAMPLES_BYTES_MAX = 512 << 20, SAMPLE_BYTES = sizeof(Google__V1__Sample) + 64 };

struct build {
    const struct tree   *tree;
    struct arena        *arena;
    Google__V1__Profile *out;
    struct strset *strings, *mappings, *functions; /* mappings and functions by their part of a location's string */
    uint32_t      *location;                       /* [names]: the id of each */
};

static int64_t text(struct build *b, struct slice s) { return strset_add(b->strings, s); }

static uint64_t mapping_id(struct build *b, const struct location *l)
{
    uint32_t id = strset_add(b->mappings, l->mapping_bytes) + 1;

    if (id <= b->out->n_mapping)
        return id;
    const struct location_mapping *from = &l->mapping;
    Google__V1__Mapping           *m = arena_alloc(b->arena, sizeof *m);
    google__v1__mapping__init(m);
    m->id = id;
    m->memory_start = from->start;
    m->memory_limit = from->limit;
    m->file_offset = from->offset;
    m->filename = text(b, from->file);
    m->build_id = text(b, from->build_id);
    m->has_functions = from->flags & BATCH_HAS_FUNCTIONS;
    m->has_filenames = from->flags & BATCH_HAS_FILENAMES;
    m->has_line_numbers = from->flags & BATCH_HAS_LINE_NUMBERS;
    m->has_inline_frames = from->flags & BATCH_HAS_INLINE_FRAMES;
    b->out->mapping[b->out->n_mapping++] = m;
    return id;
}

static uint64_t function_id(struct build *b, const struct location_line *l)
{
    uint32_t id = strset_add(b->functions, l->function_bytes) + 1;

    if (id <= b->out->n_function)
        return id;
    Google__V1__Function *f = arena_alloc(b->arena, sizeof *f);
    google__v1__function__init(f);
    f->id = id;
    f->name = text(b, l->function.name);
    f->system_name = text(b, l->function.system_name);
    f->filename = text(b, l->function.file);
    f->start_line = l->function.start_line;
    b->out->function[b->out->n_function++] = f;
    return id;
}

static Google__V1__Location *location_message(struct build *b, const struct location *l, uint32_t id)
{
    Google__V1__Location *m = arena_alloc(b->arena, sizeof *m);
    Google__V1__Line     *lines = arena_array(b->arena, l->n_lines, sizeof *lines);

    google__v1__location__init(m);
    m->id = id;
    m->mapping_id = mapping_id(b, l);
    m->address = l->address;
    m->is_folded = l->is_folded;
    m->n_line = l->n_lines;
    m->line = arena_array(b->arena, l->n_lines, sizeof(Google__V1__Line *));
    for (uint32_t i = 0; i < l->n_lines; i++) {
        google__v1__line__init(&lines[i]);
        lines[i].function_id = function_id(b, &l->lines[i]);
        lines[i].line = l->lines[i].line;
        m->line[i] = &lines[i];
    }
    return m;
}

/* In the order of their strings; the first of all names, "", is the root's. */
static void locations_make(struct build *b)
{
    Google__V1__Profile *out = b->out;
    struct strset       *names = b->tree->names;
    uint32_t             n = strset_n(names), *sorted = arena_array(b->arena, n, sizeof *sorted);
    struct location     *l = arena_array(b->arena, n, sizeof *l);
    size_t               n_lines = 0;

    b->location = arena_array(b->arena, n, sizeof *b->location);
    slices_order(strset_all(names), n, sorted);
    for (uint32_t i = 1; i < n; i++) {
        if (!location_decode(strset_at(names, sorted[i]), b->arena, &l[i]))
            assert(!"names are locations");
        b->location[sorted[i]] = i;
        n_lines += l[i].n_lines;
    }
    out->mapping = arena_array(b->arena, n, sizeof(Google__V1__Mapping *));
    out->function = arena_array(b->arena, n_lines, sizeof(Google__V1__Function *));
    out->location = arena_array(b->arena, n, sizeof(Google__V1__Location *));
    for (uint32_t i = 1; i < n; i++)
        out->location[out->n_location++] = location_message(b, &l[i], i);
}

static Google__V1__Sample *sample_message(struct build *b, uint32_t node, uint32_t depth)
{
    const struct tree  *t = b->tree;
    Google__V1__Sample *m = arena_alloc(b->arena, sizeof *m);

    google__v1__sample__init(m);
    m->n_value = 1;
    m->value = arena_alloc(b->arena, sizeof *m->value);
    m->value[0] = t->self[node];
    m->location_id = arena_array(b->arena, depth, sizeof *m->location_id);
    for (uint32_t at = node; at != 0; at = t->parent[at])
        m->location_id[m->n_location_id++] = b->location[t->name[at]];
    assert(m->n_location_id == depth);
    return m;
}

struct todo {
    uint32_t node, depth;
};

/* Depth first, children in the order of their names. */
static void samples_make(struct build *b)
{
    const struct tree *t = b->tree;
    struct todo       *todo = mem_alloc(t->n * sizeof *todo);
    size_t             n = 0;
    struct cut         whole;

    cut_init(&whole, t, 0);
    b->out->sample = arena_array(b->arena, t->n, sizeof(Google__V1__Sample *));
    todo[n++] = (struct todo){ 0, 0 };
    while (n > 0) {
        struct todo         at = todo[--n];
        struct cut_children below = cut_children(&whole, at.node, true);
        if (at.node != 0 && t->self[at.node] > 0)
            b->out->sample[b->out->n_sample++] = sample_message(b, at.node, at.depth);
        while (below.n-- > 0)
            todo[n++] = (struct todo){ below.at[below.n], at.depth + 1 };
    }
    cut_fini(&whole);
    free(todo);
}

static int64_t period_of(struct slice name)
{
    return slice_is(name, "process_cpu") ? 1000000000 : slice_is(name, "memory") ? 524288 : 1;
}

static Google__V1__ValueType *value_type(struct build *b, struct slice type, struct slice unit)
{
    Google__V1__ValueType *m = arena_alloc(b->arena, sizeof *m);

    google__v1__value_type__init(m);
    m->unit = text(b, unit);
    m->type = text(b, type);
    return m;
}

static void head_make(struct build *b, const struct pprof_form *form)
{
    const struct profile_type *type = &form->type;
    Google__V1__Profile       *out = b->out;

    out->n_sample_type = 1;
    out->sample_type = arena_alloc(b->arena, sizeof(Google__V1__ValueType *));
    out->sample_type[0] = value_type(b, type->sample_type, type->sample_unit);
    out->default_sample_type = out->sample_type[0]->type;
    out->period_type = value_type(b, type->period_type, type->period_unit);
    out->period = period_of(type->name);
    out->time_nanos = form->time_ns;
}

static void strings_list(struct build *b)
{
    b->out->n_string_table = strset_n(b->strings);
    b->out->string_table = arena_array(b->arena, b->out->n_string_table, sizeof(char *));
    for (uint32_t i = 0; i < b->out->n_string_table; i++)
        b->out->string_table[i] = (char *)(uintptr_t)strset_at(b->strings, i).p; /* a NUL stands behind each */
}

static enum code size_check(const struct tree *t, uint32_t keep, struct fault *why)
{
    struct profile_size size = profile_size(t, keep);

    if (size.stacks * SAMPLE_BYTES + size.locations * sizeof(uint64_t) <= SAMPLES_BYTES_MAX)
        return CODE_OK;
    return fail(
        why, CODE_RESOURCE_EXHAUSTED,
        "the answer's %llu stacks take more than %d bytes: narrow the selector or the time range, or give max_nodes",
        (unsigned long long)size.stacks, SAMPLES_BYTES_MAX);
}

static void build_all(const struct tree *t, const struct pprof_form *form, struct arena *a, Google__V1__Profile *out)
{
    struct build b = { .tree = t,
                       .arena = a,
                       .out = out,
                       .strings = strset_new(a),
                       .mappings = strset_new(a),
                       .functions = strset_new(a) };

    strset_add(b.strings, SLICE(""));
    locations_make(&b);
    samples_make(&b);
    head_make(&b, form);
    strings_list(&b);
}

enum code pprof_build(const struct tree *t, const struct pprof_form *form, struct arena *a, Google__V1__Profile *out,
                      struct fault *why)
{
    struct tree *made = NULL;
    enum code    code = CODE_OK;

    google__v1__profile__init(out);
    if (t->n == 1)
        return CODE_OK;
    if (form->is_for_pgo) {
        code = size_check(t, form->keep_locations, why);
        if (code == CODE_OK)
            t = made = profile_nearest(t, form->keep_locations, form->are_callees_one);
    } else {
        if (form->max_nodes > 0)
            t = made = profile_cut(t, form->max_nodes);
        code = size_check(t, 0, why);
    }
    if (code == CODE_OK)
        build_all(t, form, a, out);
    tree_free(made);
    return code;
}
