/* A live bucket becomes an image (index/block.h): its series and trees are renumbered, everything else is packed as it is. */
#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/mem.h"
#include "index/block_priv.h"
#include "index/block_tree.h"
#include "index/bucket_priv.h"
#include "index/rollup.h"
#include "index/rows.h"

/* One block in the making; sections come in their order. */
struct sealing {
    const struct bucket       *from;
    struct buf                *out;
    size_t                     start; /* of the image in out */
    struct block_entry        *table; /* as far as sections have been closed */
    uint32_t                   n_sections, n_names, n_values, n_series, n_groups;
    struct arena              *arena;
    uint32_t                  *names;      /* [N] of the bucket, sorted by text */
    uint32_t                 **place;      /* [N of the bucket][its values]: their place among all */
    const struct label_value **values;     /* [V] in their places */
    const struct series      **series;     /* [S] by group */
    uint32_t                  *renumbered; /* [S]: where they stand there */
    bool                       is_too_large;
};

static uint32_t *numbers(struct sealing *x, size_t n) { return arena_array(x->arena, n, sizeof(uint32_t)); }

/* ---- sections ------------------------------------------------------------------------------------------------------- */

static void close_section(struct sealing *x, size_t from, uint64_t n, uint32_t width)
{
    x->is_too_large |= x->out->n - from > UINT32_MAX || n > UINT32_MAX;
    x->table[x->n_sections++] = (struct block_entry){ .end = x->out->n - x->start, .n = (uint32_t)n, .width = width };
}

static void bytes_section(struct sealing *x, const void *bytes, size_t n)
{
    size_t from = x->out->n;

    if (n > 0)
        buf_put(x->out, bytes, n);
    close_section(x, from, n, 0);
}

static void bits_section(struct sealing *x, const uint32_t *numbers, uint32_t n)
{
    uint32_t all = 0, width, used = 0;
    uint64_t window = 0;
    size_t   from = x->out->n;

    for (uint32_t i = 0; i < n; i++)
        all |= numbers[i];
    width = all ? 32 - (uint32_t)__builtin_clz(all) : 0;
    size_t   bytes = ((size_t)n * width + 7) / 8;
    uint8_t *at = (uint8_t *)buf_reserve(x->out, bytes + PACK_BEHIND);
    for (uint32_t i = 0; i < n && width > 0; i++) {
        window |= (uint64_t)numbers[i] << used;
        memcpy(at, &window, sizeof window);
        used += width;
        at += used / 8;
        window >>= used & ~7u;
        used &= 7;
    }
    x->out->n += bytes;
    close_section(x, from, n, width);
}

static void packs_section(struct sealing *x, const uint32_t *numbers, uint32_t n)
{
    size_t   from = x->out->n;
    uint8_t *start = (uint8_t *)buf_reserve(x->out, pack_bytes_max(n, 32)), *at = start;
    uint64_t words[PACK];

    for (uint32_t i = 0; i < n; i += PACK) {
        uint32_t count = pack_of(n - i);
        for (uint32_t k = 0; k < count; k++)
            words[k] = numbers[i + k];
        at = pack_put(at, words, count);
    }
    x->out->n += (size_t)(at - start);
    close_section(x, from, n, 0);
}

/* ---- labels --------------------------------------------------------------------------------------------------------- */

static const struct label_name *name_at(const struct sealing *x, uint32_t id)
{
    return vec_pointer(&x->from->labels.names, id);
}

static int name_cmp(const void *a, const void *b)
{
    return slice_cmp((*(const struct label_name *const *)a)->text, (*(const struct label_name *const *)b)->text);
}

static int value_cmp(const void *a, const void *b)
{
    return slice_cmp((*(const struct label_value *const *)a)->text, (*(const struct label_value *const *)b)->text);
}

static void sort_values(struct sealing *x, const struct label_name *name, uint32_t at)
{
    uint32_t n = vec_n(&name->values);

    x->place[name->id] = numbers(x, n);
    for (uint32_t i = 0; i < n; i++)
        x->values[at + i] = vec_pointer(&name->values, i);
    qsort(x->values + at, n, sizeof *x->values, value_cmp); /* every name has a value */
    for (uint32_t i = 0; i < n; i++)
        x->place[name->id][x->values[at + i]->id] = at + i;
}

static void sort_labels(struct sealing *x)
{
    uint32_t                  n = vec_n(&x->from->labels.names), at = 0;
    const struct label_name **sorted = arena_array(x->arena, n, sizeof *sorted);

    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = name_at(x, i);
        x->n_values += vec_n(&sorted[i]->values);
    }
    if (n > 1)
        qsort(sorted, n, sizeof *sorted, name_cmp);
    x->n_names = n;
    x->names = numbers(x, n);
    x->place = arena_array(x->arena, n, sizeof *x->place);
    x->values = arena_array(x->arena, x->n_values, sizeof *x->values);
    for (uint32_t i = 0; i < n; at += vec_n(&sorted[i]->values), i++) {
        x->names[i] = sorted[i]->id;
        sort_values(x, sorted[i], at);
    }
}

static void sort_series(struct sealing *x)
{
    uint32_t at = 0;

    x->n_groups = vec_n(&x->from->groups);
    x->n_series = vec_n(&x->from->series.all);
    x->series = arena_array(x->arena, x->n_series, sizeof *x->series);
    x->renumbered = numbers(x, x->n_series);
    for (uint32_t g = 0; g < x->n_groups; g++) {
        const struct vec *of = &group_at(x->from, g)->series;
        for (uint32_t i = 0; i < vec_n(of); i++, at++) {
            x->series[at] = series_at(&x->from->series, vec_u32(of, i));
            x->renumbered[x->series[at]->id] = at;
        }
    }
    assert(at == x->n_series);
}

static void text(struct sealing *x, struct slice s, size_t from, uint32_t *ends, uint32_t *n)
{
    buf_slice(x->out, s);
    x->is_too_large |= x->out->n - from > UINT32_MAX;
    ends[(*n)++] = (uint32_t)(x->out->n - from);
}

static void put_texts(struct sealing *x)
{
    const struct bucket *b = x->from;
    uint32_t             n_types = vec_n(&b->types.all), n = 0;
    uint32_t            *ends = numbers(x, (size_t)x->n_names + x->n_values + n_types + x->n_groups);
    size_t               from = x->out->n;

    for (uint32_t i = 0; i < x->n_names; i++)
        text(x, name_at(x, x->names[i])->text, from, ends, &n);
    for (uint32_t i = 0; i < x->n_values; i++)
        text(x, x->values[i]->text, from, ends, &n);
    for (uint32_t i = 0; i < n_types; i++)
        text(x, ((const struct type *)vec_at(&b->types.all, i))->id, from, ends, &n);
    for (uint32_t i = 0; i < x->n_groups; i++)
        text(x, group_at(b, i)->service, from, ends, &n);
    close_section(x, from, x->out->n - from, 0);
    bits_section(x, ends, n);
}

static void put_names(struct sealing *x)
{
    uint32_t *ends = numbers(x, x->n_names), end = 0;

    for (uint32_t i = 0; i < x->n_names; i++)
        ends[i] = end += vec_n(&name_at(x, x->names[i])->values);
    bits_section(x, ends, x->n_names);
}

static void put_types(struct sealing *x)
{
    uint32_t  n = vec_n(&x->from->types.all);
    uint32_t *bytes = numbers(x, 4 * (size_t)n);

    for (uint32_t i = 0; i < n; i++) {
        const struct type *t = vec_at(&x->from->types.all, i);
        const struct slice parts[4] = { t->name, t->sample_type, t->unit, t->period_type };
        for (uint32_t k = 0; k < 4; k++)
            bytes[4 * i + k] = (uint32_t)parts[k].n;
    }
    bits_section(x, bytes, 4 * n);
}

static int number_cmp(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void put_posting(struct sealing *x, const struct postings *p, uint32_t *room)
{
    struct postings_walk w = postings_walk(p);
    const uint32_t      *ids;
    uint32_t             n = 0, next = 0;

    for (uint32_t run; (run = postings_next(&w, &ids)) > 0;)
        for (uint32_t i = 0; i < run; i++)
            room[n++] = x->renumbered[ids[i]];
    if (n > 1)
        qsort(room, n, sizeof *room, number_cmp);
    uint8_t *start = (uint8_t *)buf_reserve(x->out, 5 * (size_t)n), *at = start;
    for (uint32_t i = 0; i < n; next = room[i++] + 1)
        at = uvarint_put(at, room[i] - next);
    x->out->n += (size_t)(at - start);
}

static void put_postings(struct sealing *x)
{
    uint32_t *ends = numbers(x, x->n_values), *room = numbers(x, x->n_series);
    size_t    from = x->out->n;

    for (uint32_t i = 0; i < x->n_values; i++) {
        put_posting(x, &x->values[i]->series, room);
        ends[i] = (uint32_t)(x->out->n - from);
    }
    close_section(x, from, x->out->n - from, 0);
    bits_section(x, ends, x->n_values);
}

/* ---- series --------------------------------------------------------------------------------------------------------- */

static void put_series(struct sealing *x)
{
    uint32_t *ends = numbers(x, x->n_series + (size_t)x->n_groups), n = 0, n_labels = 0;

    for (uint32_t g = 0; g < x->n_groups; g++)
        ends[g] = n += vec_n(&group_at(x->from, g)->series);
    bits_section(x, ends, x->n_groups);
    for (uint32_t i = 0; i < x->n_series; i++)
        ends[i] = n_labels += x->series[i]->n_labels;
    bits_section(x, ends, x->n_series);
    uint32_t *labels = numbers(x, n_labels);
    n_labels = 0;
    for (uint32_t i = 0; i < x->n_series; i++)
        for (uint32_t k = 0; k < x->series[i]->n_labels; k++) {
            const struct label_value *v = x->series[i]->labels[k];
            labels[n_labels++] = x->place[v->name->id][v->id];
        }
    bits_section(x, labels, n_labels);
}

static int stream_cmp(const void *a, const void *b)
{
    uint32_t x = (*(const struct stream *const *)a)->type, y = (*(const struct stream *const *)b)->type;
    return (x > y) - (x < y);
}

/* Points that are seen: a log that failed leaves others behind them. */
static uint32_t points_seen(const struct bucket *b, const struct stream *s)
{
    uint32_t n = vec_n(&s->points), seen = atomic_load_explicit(&b->n_batches, memory_order_acquire);

    while (n > 0 && ((const struct point *)vec_at(&s->points, n - 1))->batch >= seen)
        n--;
    return n;
}

/* All streams, series by series, by type. */
static const struct stream **list_streams(struct sealing *x, uint32_t *ends)
{
    const struct stream **all = arena_array(x->arena, vec_n(&x->from->series.streams), sizeof *all);
    uint32_t              n = 0;

    for (uint32_t i = 0; i < x->n_series; i++) {
        uint32_t from = n;
        for (const struct stream *s = series_streams(x->series[i]); s != NULL; s = s->next)
            if (points_seen(x->from, s) > 0)
                all[n++] = s;
        if (n - from > 1)
            qsort(all + from, n - from, sizeof *all, stream_cmp);
        ends[i] = n;
    }
    return all;
}

/* Row blocks in the order in which points first lead to them. */
struct row_list {
    struct slab  slab;
    struct table ids;
    struct vec   all; /* const uint8_t * */
};

static uint32_t row_of(struct row_list *l, const uint8_t *row)
{
    uint64_t hash = hash_pair((uintptr_t)row, 0); /* finds, but orders nothing: K2 */
    uint32_t i;

    for (struct table_walk w = table_walk(&l->ids, hash); table_next(&l->ids, &w, &i);)
        if (vec_pointer(&l->all, i) == row)
            return i;
    i = vec_add(&l->all, &l->slab, &row);
    table_put(&l->ids, &l->slab, hash, i);
    return i;
}

static void put_points(struct sealing *x, const struct stream *s, struct row_list *rows)
{
    uint32_t n = points_seen(x->from, s), next = 0;
    int64_t  time_ns = x->from->start_ns;
    uint8_t *start = (uint8_t *)buf_reserve(x->out, 40 * (size_t)n), *at = start;

    for (uint32_t i = 0; i < n; i++) {
        const struct point *p = vec_at(&s->points, i);
        uint32_t            row = row_of(rows, p->rows);
        at = uvarint_put(at, zigzag(p->time_ns - time_ns)); /* both are in the span */
        at = uvarint_put(at, (uint64_t)p->total);
        at = uvarint_put(at, zigzag((int64_t)row - next));
        at = uvarint_put(at, p->column);
        time_ns = p->time_ns;
        next = row + 1;
    }
    x->out->n += (size_t)(at - start);
}

static void put_streams(struct sealing *x, struct row_list *rows)
{
    uint32_t             *ends = numbers(x, x->n_series);
    const struct stream **all = list_streams(x, ends);
    uint32_t              n = x->n_series ? ends[x->n_series - 1] : 0, *of = numbers(x, n);
    struct buf           *image = x->out, points = { 0 };

    bits_section(x, ends, x->n_series);
    for (uint32_t i = 0; i < n; i++)
        of[i] = all[i]->type;
    bits_section(x, of, n);
    x->out = &points; /* their ends come first */
    for (uint32_t i = 0; i < n; i++) {
        put_points(x, all[i], rows);
        x->is_too_large |= points.n > UINT32_MAX;
        of[i] = (uint32_t)points.n;
    }
    x->out = image;
    bits_section(x, of, n);
    bytes_section(x, points.p, points.n);
    buf_free(&points);
}

/* Their row blocks follow those of the points. */
static void put_rollups(struct sealing *x, struct row_list *rows)
{
    uint32_t  most = vec_n(&x->from->series.streams), n = 0, more;
    uint32_t *ends = numbers(x, x->n_groups), *types = numbers(x, most), *of = numbers(x, most);
    uint32_t *columns = numbers(x, most);

    for (uint32_t g = 0; g < x->n_groups; ends[g++] = n) {
        const struct rollup *at = rollups_make(x->from, group_at(x->from, g), x->arena, &more);
        for (uint32_t i = 0; i < more; i++, n++) {
            types[n] = at[i].type;
            of[n] = row_of(rows, at[i].rows);
            columns[n] = at[i].column;
        }
    }
    bits_section(x, ends, x->n_groups);
    bits_section(x, types, n);
    bits_section(x, of, n);
    bits_section(x, columns, n);
}

static void put_rows(struct sealing *x, const struct row_list *rows)
{
    uint32_t  n = vec_n(&rows->all);
    uint32_t *ends = numbers(x, n);
    uint64_t  end = 0;

    for (uint32_t i = 0; i < n; i++)
        ends[i] = (uint32_t)(end += rows_bytes(vec_pointer(&rows->all, i)));
    x->is_too_large |= end > UINT32_MAX;
    bits_section(x, ends, n);
    size_t from = x->out->n;
    for (uint32_t i = 0; i < n && !x->is_too_large; i++)
        buf_put(x->out, vec_pointer(&rows->all, i), rows_bytes(vec_pointer(&rows->all, i)));
    close_section(x, from, x->out->n - from, 0);
}

static void put_data(struct sealing *x, struct slice sources)
{
    struct row_list rows = { 0 };

    slab_init(&rows.slab, NULL);
    vec_init(&rows.all, sizeof(const uint8_t *), 6);
    put_streams(x, &rows);
    put_rollups(x, &rows);
    put_rows(x, &rows);
    bytes_section(x, sources.p, sources.n);
    table_free(&rows.ids, &rows.slab);
    slab_fini(&rows.slab);
}

/* ---- groups --------------------------------------------------------------------------------------------------------- */

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
    packs_section(x, words, n);
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
    close_section(x, from, x->out->n - from, 0);
    column(x, &t->strings, text_bytes);
    from = x->out->n;
    for (uint32_t i = 0; i < vec_n(&t->mappings); i++)
        buf_put(x->out, vec_at(&t->mappings, i), sizeof(struct symbol_mapping));
    close_section(x, from, vec_n(&t->mappings), 0);
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

    packs_section(x, t.up, t.n - 1);
    packs_section(x, t.key, t.n - 1);
    free(t.up);
    free(t.key);
    return t.place;
}

static void put_group(struct sealing *x, const struct group *g)
{
    const struct stacks *k = &g->stacks;
    uint32_t             n = vec_n(&k->all);
    uint32_t            *nodes = mem_alloc(n * sizeof *nodes);

    put_symbols(x, &g->symtab);
    uint32_t *location = put_tree(x, &k->locations, vec_n(&g->symtab.locations));
    uint32_t *function = put_tree(x, &k->functions, vec_n(&g->symtab.strings));
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = location[((const struct stack *)vec_at(&k->all, i))->location];
    packs_section(x, nodes, n);
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = function[((const struct stack *)vec_at(&k->all, i))->function];
    packs_section(x, nodes, n);
    free(nodes);
    free(location);
    free(function);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static struct block_head head_of(const struct bucket *b, const struct block_origin *origin)
{
    struct bucket_stats now = bucket_stats(b);
    struct block_head   h = { .version = BLOCK_VERSION,
                              .page_bytes = BLOCK_PAGE,
                              .start_ns = b->start_ns,
                              .end_ns = b->end_ns,
                              .oldest_ns = now.oldest_ns,
                              .newest_ns = now.newest_ns,
                              .profiles = now.profiles,
                              .samples = now.samples,
                              .clamped = now.clamped,
                              .first_seq = origin->first_seq,
                              .last_seq = origin->last_seq,
                              .tenant_bytes = (uint32_t)b->tenant.n,
                              .n_groups = vec_n(&b->groups),
                              .bucket_sections = B_SECTIONS,
                              .group_sections = G_SECTIONS };

    memcpy(h.magic, BLOCK_MAGIC, sizeof h.magic);
    return h;
}

static void put_zeros(struct buf *out, size_t n)
{
    static const char zeros[BLOCK_ALIGN];
    buf_put(out, zeros, n);
}

/* Room for the head and the table, which are known when all else is. */
static void open_image(struct sealing *x, const struct block_head *h)
{
    size_t entries = B_SECTIONS + (size_t)h->n_groups * G_SECTIONS;

    x->table = mem_zalloc(entries * sizeof *x->table);
    x->start = x->out->n;
    buf_put(x->out, h, sizeof *h);
    buf_slice(x->out, x->from->tenant);
    put_zeros(x->out, (size_t)(block_aligned(x->from->tenant.n) - x->from->tenant.n));
    buf_put(x->out, x->table, entries * sizeof *x->table);
}

static void put_checksums(struct buf *out, size_t start, size_t body)
{
    size_t   pages = (body + BLOCK_PAGE - 1) / BLOCK_PAGE;
    size_t   from = out->n;
    uint64_t all;

    for (size_t i = 0; i < pages; i++) {
        size_t   at = i * BLOCK_PAGE, n = body - at < BLOCK_PAGE ? body - at : BLOCK_PAGE;
        uint32_t sum = (uint32_t)hash64(out->p + start + at, n);
        buf_put(out, &sum, sizeof sum);
    }
    all = hash64(out->p + from, out->n - from);
    buf_put(out, &all, sizeof all);
}

static void close_image(struct sealing *x, struct block_head *h)
{
    size_t table_at = x->start + sizeof *h + block_aligned(x->from->tenant.n);

    put_zeros(x->out, BLOCK_PAD);
    h->body_bytes = x->out->n - x->start;
    memcpy(x->out->p + x->start, h, sizeof *h);
    memcpy(x->out->p + table_at, x->table, x->n_sections * sizeof *x->table);
    put_checksums(x->out, x->start, h->body_bytes);
}

enum code block_write(const struct bucket *b, const struct block_origin *origin, struct buf *out, struct fault *why)
{
    struct sealing    x = { .from = b, .out = out, .arena = arena_new(0) };
    struct block_head h = head_of(b, origin);

    assert(!bucket_is_sealed(b));
    open_image(&x, &h);
    sort_labels(&x);
    sort_series(&x);
    bytes_section(&x, origin->keys.p, origin->keys.n);
    put_texts(&x);
    put_names(&x);
    put_types(&x);
    put_postings(&x);
    put_series(&x);
    put_data(&x, origin->sources);
    for (uint32_t i = 0; i < x.n_groups && !x.is_too_large; i++)
        put_group(&x, group_at(b, i));
    if (!x.is_too_large)
        close_image(&x, &h);
    free(x.table);
    arena_free(x.arena);
    if (!x.is_too_large)
        return CODE_OK;
    out->n = x.start;
    return fail(why, CODE_RESOURCE_EXHAUSTED, "a section of the block would be larger than 4 GiB");
}
