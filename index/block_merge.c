#include "index/block_merge.h"

#include <stdlib.h>

#include "index/reading.h"
#include "index/rows.h"

enum { VALUES_MAX = 1 << 24 }; /* of one row block: they are unpacked side by side */

/* A row block of a source as it is in the bucket. */
struct moved {
    const uint8_t *rows;
    uint32_t       group; /* whose stacks its ids are, plus 1; 0: it was not moved */
};

struct merge {
    struct bucket       *to;
    const struct bucket *from; /* one source after the other */
    uint32_t            *types;
    struct moved        *moved; /* [row blocks] */
    const struct group  *read;  /* one group after the other, and what its ids are in the bucket */
    uint32_t             number;
    struct group        *group;
    uint32_t            *strings, *mappings, *functions, *locations, *stacks;
    struct arena        *of_source, *of_group, *of_rows;
    struct buf           packed;
    bool                 is_too_large;
};

/* ---- symbols -------------------------------------------------------------------------------------------------------- */

static uint32_t *numbers(struct merge *x, uint32_t n) { return arena_array(x->of_group, n, sizeof(uint32_t)); }

static void take_strings(struct merge *x)
{
    const struct vec *strings = &x->read->symtab.strings;
    uint32_t          n = vec_n(strings), run;

    x->strings = numbers(x, n);
    for (uint32_t i = 0; i < n; i += run) {
        const struct slice *texts = vec_run(strings, i, n, &run);
        symtab_strings(&x->group->symtab, &x->to->slab, texts, run, x->strings + i);
    }
}

static void take_mappings(struct merge *x)
{
    uint32_t n = vec_n(&x->read->symtab.mappings);

    x->mappings = numbers(x, n);
    for (uint32_t i = 0; i < n; i++) {
        struct symbol_mapping m = *(const struct symbol_mapping *)vec_at(&x->read->symtab.mappings, i);
        m.file = x->strings[m.file];
        m.build_id = x->strings[m.build_id];
        x->mappings[i] = symtab_mapping(&x->group->symtab, &x->to->slab, &m);
    }
}

static void take_functions(struct merge *x)
{
    uint32_t                n = vec_n(&x->read->symtab.functions);
    struct symbol_function *made = arena_array(x->of_group, n, sizeof *made);

    for (uint32_t i = 0; i < n; i++) {
        made[i] = *(const struct symbol_function *)vec_at(&x->read->symtab.functions, i);
        made[i].name = x->strings[made[i].name];
        made[i].system_name = x->strings[made[i].system_name];
        made[i].file = x->strings[made[i].file];
    }
    x->functions = numbers(x, n);
    symtab_functions(&x->group->symtab, &x->to->slab, made, n, x->functions);
}

static struct symbol_line *move_lines(struct merge *x)
{
    uint32_t            n = vec_n(&x->read->symtab.lines);
    struct symbol_line *made = arena_array(x->of_group, n, sizeof *made);

    for (uint32_t i = 0; i < n; i++) {
        made[i] = *(const struct symbol_line *)vec_at(&x->read->symtab.lines, i);
        made[i].function = x->functions[made[i].function];
    }
    return made;
}

static void take_locations(struct merge *x)
{
    uint32_t                n = vec_n(&x->read->symtab.locations);
    struct symbol_location *made = arena_array(x->of_group, n, sizeof *made);
    struct symbol_line     *lines = move_lines(x);

    for (uint32_t i = 0; i < n; i++) {
        made[i] = *(const struct symbol_location *)vec_at(&x->read->symtab.locations, i);
        if (made[i].mapping != BATCH_NONE)
            made[i].mapping = x->mappings[made[i].mapping];
        if (made[i].n_lines == 0)
            made[i].line_at = 0; /* its name follows from the rest */
    }
    x->locations = numbers(x, n);
    symtab_locations(&x->group->symtab, &x->to->slab, made, lines, n, x->locations);
}

/* ---- stacks --------------------------------------------------------------------------------------------------------- */

static uint32_t *take_nodes(struct merge *x)
{
    const struct paths *paths = &x->read->stacks.locations;
    uint32_t            n = vec_n(&paths->nodes), *nodes = numbers(x, n);

    nodes[0] = 0;
    for (uint32_t i = 1; i < n; i++) {
        struct path p = paths_at(paths, i);
        nodes[i] = stacks_node(&x->group->stacks, &x->to->slab, &x->group->symtab, nodes[p.parent], x->locations[p.key]);
    }
    return nodes;
}

/* The stack, plus 1, that ends at each node of the bucket. */
static uint32_t *list_leaves(struct merge *x)
{
    const struct stacks *k = &x->group->stacks;
    uint32_t            *leaves = arena_zalloc(x->of_group, vec_n(&k->locations.nodes) * sizeof *leaves);

    for (uint32_t i = 0; i < vec_n(&k->all); i++)
        leaves[((const struct stack *)vec_at(&k->all, i))->location] = i + 1;
    return leaves;
}

/* The table by which an append finds stacks is not filled: nothing is appended. */
static void take_stacks(struct merge *x)
{
    struct stacks  *k = &x->group->stacks;
    uint32_t        n = vec_n(&x->read->stacks.all);
    const uint32_t *nodes = take_nodes(x);
    uint32_t       *leaves = list_leaves(x);

    x->stacks = numbers(x, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = nodes[((const struct stack *)vec_at(&x->read->stacks.all, i))->location];
        if (leaves[node] == 0)
            leaves[node] = 1 + vec_add(&k->all, &x->to->slab, &(struct stack){ node, vec_u32(&k->function_of, node) });
        x->stacks[i] = leaves[node] - 1;
    }
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

static int key_cmp(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The stacks of a row block as they are in the bucket, each with its row in the lower half; true: they are what they were. */
static bool list_rows(struct merge *x, const uint8_t *rows, uint64_t *keys)
{
    struct rows_cursor c = rows_open(rows, 0);
    uint32_t           ids[ROWS_PACK], n, at = 0;
    int64_t            values[ROWS_PACK];
    bool               is_same = true;

    while ((n = rows_next(&c, ids, values)) > 0)
        for (uint32_t i = 0; i < n; i++, at++) {
            uint32_t stack = x->stacks[ids[i]];
            is_same &= stack == ids[i];
            keys[at] = (uint64_t)stack << 32 | at;
        }
    return is_same;
}

static void sort_keys(uint64_t *keys, uint32_t n)
{
    bool is_sorted = true;

    for (uint32_t i = 1; i < n; i++)
        is_sorted &= keys[i - 1] < keys[i];
    if (!is_sorted)
        qsort(keys, n, sizeof *keys, key_cmp);
}

/* The distinct stacks go to ids, where each row goes to to `place`. */
static uint32_t place_rows(const uint64_t *keys, uint32_t n, uint32_t *ids, uint32_t *place)
{
    uint32_t distinct = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t stack = (uint32_t)(keys[i] >> 32);
        if (distinct == 0 || ids[distinct - 1] != stack)
            ids[distinct++] = stack;
        place[(uint32_t)keys[i]] = distinct - 1;
    }
    return distinct;
}

static int64_t *move_column(struct merge *x, const uint8_t *rows, uint32_t column, const uint32_t *place, uint32_t n)
{
    struct rows_cursor c = rows_open(rows, column);
    int64_t           *to = arena_zalloc(x->of_rows, n * sizeof *to), values[ROWS_PACK];
    uint32_t           ids[ROWS_PACK], more, at = 0;

    while ((more = rows_next(&c, ids, values)) > 0)
        for (uint32_t i = 0; i < more; i++, at++)
            if (__builtin_add_overflow(to[place[at]], values[i], &to[place[at]]))
                to[place[at]] = INT64_MAX; /* only a forged block has a stack twice */
    return to;
}

static void recode(struct merge *x, const uint8_t *rows, uint64_t *keys, uint32_t n)
{
    uint32_t       n_columns = rows_columns(rows);
    uint32_t      *ids = arena_array(x->of_rows, n, sizeof *ids), *place = arena_array(x->of_rows, n, sizeof *place);
    const int64_t *columns[ROWS_COLUMNS_MAX];

    sort_keys(keys, n);
    uint32_t distinct = place_rows(keys, n, ids, place);
    for (uint32_t c = 0; c < n_columns; c++)
        columns[c] = move_column(x, rows, c, place, distinct);
    rows_encode(&x->packed, ids, distinct, columns, n_columns);
}

/* Where no stack has another number the bytes are good as they are. */
static const uint8_t *move_rows(struct merge *x, const uint8_t *rows)
{
    uint32_t n = rows_n(rows);

    if ((uint64_t)n * rows_columns(rows) > VALUES_MAX) {
        x->is_too_large = true;
        return NULL;
    }
    arena_reset(x->of_rows);
    x->packed.n = 0;
    uint64_t *keys = arena_array(x->of_rows, n, sizeof *keys);
    if (list_rows(x, rows, keys))
        buf_put(&x->packed, rows, rows_bytes(rows));
    else
        recode(x, rows, keys, n);
    return (const uint8_t *)slab_copy(&x->to->slab, buf_view(&x->packed)).p;
}

/* ---- series --------------------------------------------------------------------------------------------------------- */

static struct series *take_series(struct merge *x, const struct series_read *s)
{
    struct bucket       *b = x->to;
    struct label_value **labels = arena_array(x->of_group, s->n_labels, sizeof *labels);
    uint32_t             ignored;

    for (uint32_t i = 0; i < s->n_labels; i++) {
        struct label l = bucket_label(x->from, s, i, &ignored);
        labels[i] = label_index_value(&b->labels, &b->slab, l.name, l.value);
    }
    struct series *have = series_find(&b->series, labels, s->n_labels);
    return have != NULL ? have : bucket_series_add(b, x->group, labels, s->n_labels);
}

static void take_points(struct merge *x, struct series *series, const struct stream_read *s)
{
    struct points_walk  w = points_of(x->from, s);
    const struct point *p;

    while ((p = points_next(&w)) != NULL && !x->is_too_large) {
        struct moved *moved = &x->moved[w.row - 1];
        if (moved->group != x->number + 1)
            *moved = (struct moved){ move_rows(x, p->rows), x->number + 1 };
        struct point now = *p;
        now.rows = moved->rows;
        series_point(&x->to->series, &x->to->slab, series, x->types[s->type], &now);
    }
}

static void take_all_series(struct merge *x)
{
    for (uint32_t i = 0, n = group_series_n(x->from, x->number); i < n; i++) {
        struct series_read  from = bucket_series(x->from, group_series_at(x->from, x->number, i));
        struct series      *to = take_series(x, &from);
        struct streams_walk w = streams_of(x->from, &from);
        for (struct stream_read s; stream_next(&w, &s);)
            take_points(x, to, &s);
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static bool fits(const struct vec *to, const struct vec *from) { return (uint64_t)vec_n(to) + vec_n(from) < VEC_MAX; }

/* Function nodes are no more than all lines on the way to all location nodes. */
static bool is_group_roomy(const struct group *to, const struct group *from)
{
    uint64_t frames = 1;

    for (uint32_t i = 0; i < vec_n(&from->symtab.locations); i++) {
        uint32_t n = ((const struct symbol_location *)vec_at(&from->symtab.locations, i))->n_lines;
        frames = n > frames ? n : frames;
    }
    return fits(&to->symtab.strings, &from->symtab.strings) && fits(&to->symtab.mappings, &from->symtab.mappings) &&
           fits(&to->symtab.functions, &from->symtab.functions) && fits(&to->symtab.lines, &from->symtab.lines) &&
           fits(&to->symtab.locations, &from->symtab.locations) && fits(&to->stacks.all, &from->stacks.all) &&
           fits(&to->stacks.locations.nodes, &from->stacks.locations.nodes) &&
           vec_n(&to->stacks.functions.nodes) + frames * vec_n(&from->stacks.locations.nodes) < VEC_MAX;
}

static void take_group(struct merge *x, uint32_t number)
{
    struct slice service = group_service(x->from, number);

    arena_reset(x->of_group);
    x->number = number;
    x->read = group_thaw(x->from, number, THAW_LOCATIONS, x->of_group);
    x->group = bucket_group(x->to, service);
    if (x->group == NULL)
        x->group = bucket_group_add(x->to, service);
    x->is_too_large |= !is_group_roomy(x->group, x->read);
    if (x->is_too_large)
        return;
    take_strings(x);
    take_mappings(x);
    take_functions(x);
    take_locations(x);
    take_stacks(x);
    take_all_series(x);
}

static void take_types(struct merge *x)
{
    uint32_t n = bucket_types_n(x->from);

    x->types = arena_array(x->of_source, n, sizeof *x->types);
    for (uint32_t i = 0; i < n; i++) {
        struct type  t = bucket_type(x->from, i);
        struct slice parts[5] = { t.name, t.sample_type, t.unit, t.period_type, t.period_unit };
        x->types[i] = types_add(&x->to->types, &x->to->slab, parts);
    }
}

static void count(struct merge *x)
{
    struct bucket_stats is = bucket_stats(x->from);
    struct taken       *t = &x->to->taken;

    x->is_too_large |= is.profiles > VEC_MAX - t->n || __builtin_add_overflow(t->samples, is.samples, &t->samples) ||
                       __builtin_add_overflow(t->clamped, is.clamped, &t->clamped);
    t->n += (uint32_t)is.profiles;
    t->oldest_ns = is.oldest_ns < t->oldest_ns ? is.oldest_ns : t->oldest_ns;
    t->newest_ns = is.newest_ns > t->newest_ns ? is.newest_ns : t->newest_ns;
}

static void take_source(struct merge *x, const struct bucket *from)
{
    arena_reset(x->of_source);
    x->from = from;
    x->moved = arena_zalloc(x->of_source, from->sealed->of[B_ROW_ENDS].n * sizeof *x->moved);
    take_types(x);
    for (uint32_t i = 0, n = bucket_groups_n(from); i < n && !x->is_too_large; i++)
        take_group(x, i);
    count(x);
}

static struct bucket *bucket_over(struct bucket *const *from, size_t n, _Atomic size_t *meter)
{
    int64_t start_ns = INT64_MAX, end_ns = INT64_MIN, width_ns;

    for (size_t i = 0; i < n; i++) {
        start_ns = from[i]->start_ns < start_ns ? from[i]->start_ns : start_ns;
        end_ns = from[i]->end_ns > end_ns ? from[i]->end_ns : end_ns;
    }
    if (__builtin_sub_overflow(end_ns, start_ns, &width_ns))
        return NULL;
    return bucket_new(bucket_tenant(from[0]), start_ns, end_ns, meter);
}

enum code block_merge(struct bucket *const *from, size_t n, _Atomic size_t *meter, struct bucket **out,
                      struct fault *why)
{
    struct merge x = { .to = bucket_over(from, n, meter) };

    if (x.to == NULL)
        return fail(why, CODE_RESOURCE_EXHAUSTED, "blocks so far apart do not fit into one");
    x.of_source = arena_new(0);
    x.of_group = arena_new(0);
    x.of_rows = arena_new(0);
    for (size_t i = 0; i < n && !x.is_too_large; i++)
        take_source(&x, from[i]);
    arena_free(x.of_source);
    arena_free(x.of_group);
    arena_free(x.of_rows);
    buf_free(&x.packed);
    if (x.is_too_large) {
        bucket_unref(x.to);
        return fail(why, CODE_RESOURCE_EXHAUSTED, "%zu blocks do not fit into one", n);
    }
    bucket_publish(x.to);
    *out = x.to;
    return CODE_OK;
}
