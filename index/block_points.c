/* Streams and their points, rollups, and the row blocks that both lead to. */
#include <stdlib.h>

#include "base/hash.h"
#include "index/block_write.h"
#include "index/rollup.h"
#include "index/rows.h"

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
    const struct stream **all = arena_array(x->arena, x->from->series.n_streams, sizeof *all);
    uint32_t              n = 0;

    for (uint32_t i = 0; i < x->n_series; i++) {
        uint32_t from = n;
        sealing_fetch(x, i);
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

static uint32_t row_add(struct row_list *l, const uint8_t *row)
{
    uint32_t n = vec_n(&l->all);

    return n > 0 && vec_pointer(&l->all, n - 1) == row ? n - 1 : vec_add(&l->all, &l->slab, &row);
}

/* One that is shared is found again by its table. */
static uint32_t row_of(struct row_list *l, const uint8_t *row)
{
    uint64_t hash = hash_pair((uintptr_t)row, 0); /* finds, but orders nothing: K2 */
    uint32_t i;

    for (struct table_walk w = table_walk(&l->ids, hash); table_next(&l->ids, &w, &i);)
        if (vec_pointer(&l->all, i) == row)
            return i;
    i = row_add(l, row);
    table_put(&l->ids, &l->slab, hash, i);
    return i;
}

/* Row blocks are shared by the streams of a series only. */
static bool is_alone(const struct stream *const *all, uint32_t n, uint32_t i)
{
    return (i == 0 || all[i - 1]->series != all[i]->series) && (i + 1 == n || all[i + 1]->series != all[i]->series);
}

typedef uint32_t row_fn(struct row_list *l, const uint8_t *row);

static void put_points(struct sealing *x, const struct stream *s, struct row_list *rows, row_fn *place)
{
    uint32_t n = points_seen(x->from, s), next = 0;
    int64_t  time_ns = x->from->start_ns;
    uint8_t *start = (uint8_t *)buf_reserve(x->out, 40 * (size_t)n), *at = start;

    for (uint32_t i = 0; i < n; i++) {
        const struct point *p = vec_at(&s->points, i);
        uint32_t            row = place(rows, p->rows);
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
    uint32_t             *ends = sealing_numbers(x, x->n_series);
    const struct stream **all = list_streams(x, ends);
    uint32_t              n = x->n_series ? ends[x->n_series - 1] : 0, *of = sealing_numbers(x, n);
    struct buf           *image = x->out, points = { 0 };

    section_bits(x, ends, x->n_series);
    for (uint32_t i = 0; i < n; i++)
        of[i] = all[i]->type;
    section_bits(x, of, n);
    x->out = &points; /* their ends come first */
    for (uint32_t i = 0; i < n; i++) {
        put_points(x, all[i], rows, is_alone(all, n, i) ? row_add : row_of);
        x->is_too_large |= points.n > UINT32_MAX;
        of[i] = (uint32_t)points.n;
    }
    x->out = image;
    section_bits(x, of, n);
    section_bytes(x, points.p, points.n);
    buf_free(&points);
}

/* Their row blocks follow those of the points. */
static void put_rollups(struct sealing *x, struct row_list *rows)
{
    uint32_t  most = x->from->series.n_streams, n = 0, more;
    uint32_t *ends = sealing_numbers(x, x->n_groups), *types = sealing_numbers(x, most), *of = sealing_numbers(x, most);
    uint32_t *columns = sealing_numbers(x, most);

    for (uint32_t g = 0; g < x->n_groups; ends[g++] = n) {
        const struct rollup *at = rollups_make(x->from, group_at(x->from, g), x->arena, &more);
        for (uint32_t i = 0; i < more; i++, n++) {
            types[n] = at[i].type;
            of[n] = row_of(rows, at[i].rows);
            columns[n] = at[i].column;
        }
    }
    section_bits(x, ends, x->n_groups);
    section_bits(x, types, n);
    section_bits(x, of, n);
    section_bits(x, columns, n);
}

static void put_rows(struct sealing *x, const struct row_list *rows)
{
    uint32_t  n = vec_n(&rows->all);
    uint32_t *ends = sealing_numbers(x, n);
    uint64_t  end = 0;

    for (uint32_t i = 0; i < n; i++)
        ends[i] = (uint32_t)(end += rows_bytes(vec_pointer(&rows->all, i)));
    x->is_too_large |= end > UINT32_MAX;
    section_bits(x, ends, n);
    size_t from = x->out->n;
    for (uint32_t i = 0; i < n && !x->is_too_large; i++)
        buf_put(x->out, vec_pointer(&rows->all, i), rows_bytes(vec_pointer(&rows->all, i)));
    section_close(x, from, x->out->n - from, 0);
}

void sealing_put_points(struct sealing *x)
{
    struct row_list rows = { 0 };

    slab_init(&rows.slab, NULL);
    vec_init(&rows.all, sizeof(const uint8_t *), 6);
    put_streams(x, &rows);
    put_rollups(x, &rows);
    put_rows(x, &rows);
    table_free(&rows.ids, &rows.slab);
    slab_fini(&rows.slab);
}
