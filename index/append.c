/* A batch goes into a bucket: renumbered by name, in the order of index/publish.h. */
#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/scratch.h"
#include "index/bucket_priv.h"
#include "index/publish.h"
#include "index/redo.h"
#include "index/symbols_take.h"
#include "model/stack_hash.h"

/* One append. */
struct intake {
    struct bucket      *to;
    const struct batch *from;
    struct group       *group;
    struct arena       *scratch;
    uint32_t           *stacks, *types; /* what the batch's ids are in the bucket */
    struct redo         redo;           /* .out NULL: none is wanted */
};

/* ---- stacks -------------------------------------------------------------------------------------------------------- */

/* Symbols are looked at only where a stack is not known: a profile like those before it has few such. */
static void take_stacks(struct intake *in)
{
    const struct batch   *from = in->from;
    const struct hash128 *hashes =
        from->stack_hash != NULL ? from->stack_hash : stack_hashes(from, in->scratch, in->scratch);

    in->stacks = arena_array(in->scratch, from->n_stacks, sizeof *in->stacks);
    if (stacks_find(&in->group->stacks, hashes, from->n_stacks, in->stacks) == 0)
        return;
    const uint32_t *locations = symbols_take(&in->group->symtab, &in->to->slab, from, in->stacks, in->scratch);
    publish_step(PUBLISHED_SYMBOLS);
    stacks_add(&in->group->stacks, &in->to->slab, &in->group->symtab,
               &(struct stack_list){ .hashes = hashes,
                                     .locations = from->stack_locations,
                                     .ends = from->stack_end,
                                     .of = locations,
                                     .n = from->n_stacks },
               in->stacks);
    publish_step(PUBLISHED_STACKS);
}

/* ---- types, groups, series ------------------------------------------------------------------------------------------ */

static void take_types(struct intake *in)
{
    const struct batch *from = in->from;

    in->types = arena_array(in->scratch, from->n_types, sizeof *in->types);
    for (uint32_t i = 0; i < from->n_types; i++) {
        struct slice parts[5] = { batch_string(from, from->name), batch_string(from, from->types[i].type),
                                  batch_string(from, from->types[i].unit), batch_string(from, from->period_type),
                                  batch_string(from, from->period_unit) };
        in->types[i] = types_add(&in->to->types, &in->to->slab, parts);
    }
}

static struct series *take_series(struct intake *in, const struct batch_part *part)
{
    struct bucket       *b = in->to;
    struct label_value **labels = arena_array(in->scratch, part->n_labels, sizeof *labels);

    for (uint32_t i = 0; i < part->n_labels; i++) {
        const struct batch_label *l = &in->from->labels[part->label_at + i];
        labels[i] =
            label_index_value(&b->labels, &b->slab, batch_string(in->from, l->name), batch_string(in->from, l->value));
    }
    struct series *s = series_find(&b->series, labels, part->n_labels);
    return s != NULL ? s : bucket_series_add(b, in->group, labels, part->n_labels);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

enum { DIGIT_MAX = 8 };

static uint32_t bits_of(uint32_t v) { return 32 - (uint32_t)__builtin_clz(v); }

/* By stack (the upper half), below `stacks`; a digit a pass, least significant first; `other` has the same room. */
static uint64_t *keys_sort(uint64_t *keys, uint64_t *other, uint32_t n, uint32_t stacks)
{
    assert(stacks > 0);
    uint32_t bits = bits_of(stacks), passes = (bits + DIGIT_MAX - 1) / DIGIT_MAX, digit = (bits + passes - 1) / passes;
    uint32_t end = UINT32_C(1) << digit;

    for (uint32_t shift = 32; shift < 32 + bits; shift += digit) {
        uint32_t at[1 << DIGIT_MAX] = { 0 }, sum = 0;
        for (uint32_t i = 0; i < n; i++)
            at[keys[i] >> shift & (end - 1)]++;
        for (uint32_t i = 0; i < end; i++) {
            uint32_t count = at[i];
            at[i] = sum;
            sum += count;
        }
        for (uint32_t i = 0; i < n; i++)
            other[at[keys[i] >> shift & (end - 1)]++] = keys[i];
        uint64_t *swap = keys;
        keys = other;
        other = swap;
    }
    return keys;
}

/* A part's rows in the order of the bucket's stacks: distinct ids, a column for each type that has any value. */
struct sorted {
    uint32_t *ids, n, n_columns;
    const uint64_t
        *keys; /* of all rows of the part, in that order: the stack, the row; NULL: they are in order and distinct */
    const int64_t **columns; /* [n_columns] */
    uint32_t       *types;   /* [n_columns] types of the bucket */
    int64_t        *totals;  /* [n_columns] */
    uint32_t        n_samples, n_clamped;
};

static bool is_ascending(const uint32_t *ids, uint32_t n)
{
    bool is = true;

    for (uint32_t i = 1; i < n; i++)
        is &= ids[i - 1] < ids[i];
    return is;
}

static uint32_t key_stack(uint64_t key) { return (uint32_t)(key >> 32); }
static uint32_t key_row(uint64_t key) { return (uint32_t)key; }

/* Strings of a batch may repeat, so two of its stacks may be one in the bucket. */
static void sort_ids(struct sorted *s, struct arena *scratch, uint32_t n_stacks)
{
    uint32_t  n = s->n;
    uint64_t *keys = arena_array(scratch, n, 2 * sizeof *keys);

    for (uint32_t i = 0; i < n; i++)
        keys[i] = (uint64_t)s->ids[i] << 32 | i;
    s->keys = keys_sort(keys, keys + n, n, n_stacks);
    s->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->ids[s->n] = key_stack(s->keys[i]);
        s->n += i + 1 == n || key_stack(s->keys[i + 1]) != s->ids[s->n];
    }
}

static void add_clamped(int64_t *sum, int64_t value, bool *is_clamped)
{
    if (__builtin_add_overflow(*sum, value, sum)) {
        *sum = INT64_MAX;
        *is_clamped = true;
    }
}

/* The values of the part's n rows in their order; those of one stack add up. */
static const int64_t *column_of(const struct sorted *s, const int64_t *values, uint32_t n, struct arena *scratch,
                                bool *is_clamped)
{
    int64_t *column = arena_array(scratch, s->n, sizeof *column);

    if (s->n == n) {
        for (uint32_t i = 0; i < n; i++)
            column[i] = values[key_row(s->keys[i])];
        return column;
    }
    for (uint32_t i = 0, at = 0; at < s->n; at++)
        for (column[at] = 0; i < n && key_stack(s->keys[i]) == s->ids[at]; i++)
            add_clamped(&column[at], values[key_row(s->keys[i])], is_clamped);
    return column;
}

static int64_t total_of(const int64_t *values, uint32_t n, bool *is_clamped)
{
    int64_t total = 0;

    for (uint32_t i = 0; i < n; i++)
        add_clamped(&total, values[i], is_clamped);
    return total;
}

static void sorted_column(struct sorted *s, const int64_t *values, uint32_t n, uint32_t type, struct arena *scratch)
{
    uint64_t all = 0, sum = 0, zeros = 0;
    bool     is_clamped = false;

    for (uint32_t i = 0; i < n; i++) {
        all |= (uint64_t)values[i];
        sum += (uint64_t)values[i];
        zeros += ((uint64_t)values[i] - 1) >> 63; /* B4 */
    }
    assert(all <= INT64_MAX); /* B4 */
    if (all == 0)
        return; /* a type without any sample here leaves no trace */
    s->totals[s->n_columns] = all <= INT64_MAX / n ? (int64_t)sum : total_of(values, n, &is_clamped);
    s->columns[s->n_columns] = s->keys ? column_of(s, values, n, scratch, &is_clamped) : values;
    s->types[s->n_columns++] = type;
    s->n_samples += n - (uint32_t)zeros;
    s->n_clamped += is_clamped;
}

static struct sorted sort_rows(struct intake *in, const struct batch_part *part)
{
    const struct batch *from = in->from;
    uint32_t            n = part->n_rows, n_types = from->n_types;
    struct sorted       s = { .ids = arena_array(in->scratch, n, sizeof *s.ids),
                              .n = n,
                              .columns = arena_array(in->scratch, n_types, sizeof *s.columns),
                              .types = arena_array(in->scratch, n_types, sizeof *s.types),
                              .totals = arena_array(in->scratch, n_types, sizeof *s.totals) };

    for (uint32_t i = 0; i < n; i++)
        s.ids[i] = in->stacks[from->row_stack[part->row_at + i]];
    if (!is_ascending(s.ids, n))
        sort_ids(&s, in->scratch, vec_n(&in->group->stacks.all));
    for (uint32_t i = 0; i < n_types; i++)
        sorted_column(&s, from->row_values + (size_t)i * from->n_rows + part->row_at, n, in->types[i], in->scratch);
    return s;
}

static void take_part(struct intake *in, const struct batch_part *part, struct buf *packed)
{
    struct bucket *b = in->to;
    struct sorted  rows = sort_rows(in, part);

    if (rows.n_columns == 0)
        return;
    uint32_t       n_series = vec_n(&b->series.all);
    struct series *series = take_series(in, part);
    bool           is_new = series->id == n_series;
    packed->n = 0;
    rows_encode(packed, rows.ids, rows.n, rows.columns, rows.n_columns);
    const uint8_t *block = (const uint8_t *)slab_copy(&b->slab, buf_view(packed)).p;
    publish_step(PUBLISHED_ROWS);
    for (uint32_t c = 0; c < rows.n_columns; c++)
        series_point(&b->series, &b->slab, series, rows.types[c],
                     &(struct point){ .time_ns = in->from->time_ns,
                                      .total = rows.totals[c],
                                      .rows = block,
                                      .column = c,
                                      .batch = b->taken.n });
    publish_step(PUBLISHED_POINTS);
    b->taken.samples += rows.n_samples;
    b->taken.clamped += rows.n_clamped;
    if (in->redo.out != NULL)
        redo_part(&in->redo, &(struct redo_part){ .series = series,
                                                  .is_new = is_new,
                                                  .rows = buf_view(packed),
                                                  .samples = rows.n_samples,
                                                  .clamped = rows.n_clamped,
                                                  .n_columns = rows.n_columns,
                                                  .types = rows.types,
                                                  .totals = rows.totals });
}

/* Of the first part: most batches have one. */
void bucket_warm(const struct bucket *b, const struct batch *batch)
{
    const struct batch_part *part = batch->parts;
    uint64_t                 key = 0;

    if (b->sealed != NULL || batch->n_parts == 0)
        return;
    for (uint32_t i = 0; i < part->n_labels; i++) {
        const struct batch_label *l = &batch->labels[part->label_at + i];
        key =
            series_key(key, label_index_warm(&b->labels, batch_string(batch, l->name), batch_string(batch, l->value)));
    }
    table_warm(&b->series.series_ids, key);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

/* The most frames that one location shows. */
static uint32_t frames_max(const struct batch *batch)
{
    uint32_t most = 1;

    for (uint32_t i = 0; i < batch->n_locations; i++)
        most = batch->locations[i].n_lines > most ? batch->locations[i].n_lines : most;
    return most;
}

static bool is_roomy(const struct vec *v, uint64_t more) { return vec_n(v) + more < VEC_MAX; }

static bool is_group_roomy(const struct group *g, const struct batch *batch)
{
    uint64_t nodes = batch->n_stack_locations, lines = (uint64_t)batch->n_lines + 1; /* no location shows more */

    return is_roomy(&g->symtab.strings, (uint64_t)batch->n_strings + batch->n_locations) &&
           is_roomy(&g->symtab.functions, batch->n_functions) && is_roomy(&g->symtab.lines, batch->n_lines) &&
           is_roomy(&g->symtab.mappings, batch->n_mappings) && is_roomy(&g->symtab.locations, batch->n_locations) &&
           is_roomy(&g->stacks.locations.nodes, nodes) &&
           (is_roomy(&g->stacks.functions.nodes, nodes * lines) ||
            is_roomy(&g->stacks.functions.nodes, nodes * frames_max(batch))) &&
           is_roomy(&g->stacks.all, batch->n_stacks);
}

/* Everything that can be refused is refused here, before anything is touched. */
static enum code append_check(const struct bucket *b, const struct group *g, const struct batch *batch,
                              struct fault *why)
{
    static const struct group none;
    uint64_t                  streams = (uint64_t)batch->n_parts * batch->n_types;

    if (batch->time_ns < b->start_ns || batch->time_ns >= b->end_ns)
        return fail(why, CODE_OUT_OF_RANGE, "profile time %lld is not in the bucket [%lld, %lld)",
                    (long long)batch->time_ns, (long long)b->start_ns, (long long)b->end_ns);
    if (batch->n_types > ROWS_COLUMNS_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "a profile has %u sample types; %d is the most", batch->n_types,
                    ROWS_COLUMNS_MAX);
    if (!is_group_roomy(g != NULL ? g : &none, batch))
        return fail(why, CODE_RESOURCE_EXHAUSTED, "the frames of service \"%.*s\" do not fit into one time bucket",
                    SLICE_ARGS(batch_string(batch, batch->service)));
    if (b->series.n_streams + streams >= VEC_MAX || !is_roomy(&b->types.all, batch->n_types) || b->taken.n >= VEC_MAX)
        return fail(why, CODE_RESOURCE_EXHAUSTED, "the series of one time bucket are too many");
    return CODE_OK;
}

enum code bucket_take(struct bucket *b, const struct batch *batch, struct buf *redo, struct fault *why)
{
    struct slice  service = batch_string(batch, batch->service);
    struct intake in = { .to = b, .from = batch, .group = bucket_group(b, service) };
    struct buf    packed = { 0 };
    enum code     code = append_check(b, in.group, batch, why);

    assert(b->sealed == NULL && !b->is_unmade);
    if (code != CODE_OK)
        return code;
    publish_step(PUBLISHED_NOTHING);
    in.scratch = scratch_take(0);
    bool is_new = in.group == NULL;
    if (is_new)
        in.group = bucket_group_add(b, service);
    if (redo != NULL)
        in.redo = redo_begin(redo, b, in.group, batch->time_ns, is_new);
    take_stacks(&in);
    take_types(&in);
    if (redo != NULL)
        redo_symbols(&in.redo, b, in.group);
    for (uint32_t i = 0; i < batch->n_parts; i++)
        take_part(&in, &batch->parts[i], &packed);
    if (redo != NULL)
        redo_end(&in.redo);
    bucket_count(b, batch->time_ns);
    scratch_give(in.scratch);
    buf_free(&packed);
    return CODE_OK;
}
