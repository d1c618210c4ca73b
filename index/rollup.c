#include "index/rollup.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "index/rows.h"

enum { COLUMNS_MAX = 4, SAVES = 4 }; /* sums in memory: at most COLUMNS_MAX for each stack */

/* ---- streams, profile by profile ------------------------------------------------------------------------------------ */

struct entry {
    const struct stream *stream;
    const struct type   *type;
};

/* Types that come in one profile are those that differ in what they sample alone. */
static int profile_cmp(const struct type *a, const struct type *b)
{
    int order = slice_cmp(a->name, b->name);

    if (order == 0)
        order = slice_cmp(a->period_type, b->period_type);
    return order ? order : slice_cmp(a->period_unit, b->period_unit);
}

static int entry_cmp(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->stream->type == y->stream->type)
        return (x->stream->series > y->stream->series) - (x->stream->series < y->stream->series);
    int order = profile_cmp(x->type, y->type);
    return order ? order : (x->stream->type > y->stream->type) - (x->stream->type < y->stream->type);
}

/* Of one type they are: series are listed as they came. */
static bool are_in_order(const struct entry *at, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (entry_cmp(&at[i - 1], &at[i]) > 0)
            return false;
    return true;
}

static void entry_of(struct entry *to, const struct bucket *b, const struct stream *s)
{
    *to = (struct entry){ s, vec_at(&b->types.all, s->type) };
}

static struct entry *list_entries(const struct bucket *b, const struct group *g, uint32_t *n)
{
    uint32_t      n_series = vec_n(&g->series), at = 0;
    struct entry *all;

    *n = 0;
    for (uint32_t i = 0; i < n_series; i++)
        for (const struct stream *s = series_streams(series_at(&b->series, vec_u32(&g->series, i))); s; s = s->next)
            ++*n;
    all = mem_alloc(*n * sizeof *all);
    for (uint32_t i = 0; i < n_series; i++)
        for (const struct stream *s = series_streams(series_at(&b->series, vec_u32(&g->series, i))); s; s = s->next)
            entry_of(&all[at++], b, s);
    if (!are_in_order(all, *n))
        qsort(all, *n, sizeof *all, entry_cmp);
    return all;
}

/* ---- one profile ---------------------------------------------------------------------------------------------------- */

struct sums {
    uint32_t n_stacks, n_columns;
    uint32_t types[COLUMNS_MAX];
    int64_t *of[COLUMNS_MAX]; /* [n_stacks] */
};

static bool add_rows(const struct sums *x, int64_t *sums, const struct point *p)
{
    struct rows_cursor c = rows_open(p->rows, p->column);
    uint32_t           ids[ROWS_PACK], n;
    int64_t            values[ROWS_PACK];

    while ((n = rows_next(&c, ids, values)) > 0) {
        assert(ids[n - 1] < x->n_stacks);
        for (uint32_t i = 0; i < n; i++)
            if (__builtin_add_overflow(sums[ids[i]], values[i], &sums[ids[i]]))
                return false;
    }
    return true;
}

static bool add_stream(const struct sums *x, int64_t *sums, const struct stream *s)
{
    bool is_exact = true;

    for (uint32_t i = 0, n = vec_n(&s->points); i < n && is_exact; i++)
        is_exact = add_rows(x, sums, vec_at(&s->points, i));
    return is_exact;
}

/* The entries that go into one block: all of one profile, or as many of its types as there are columns. */
static uint32_t run_of(const struct entry *at, uint32_t n, struct sums *x)
{
    uint32_t i = 0;

    for (x->n_columns = 0; i < n && profile_cmp(at->type, at[i].type) == 0; i++) {
        uint32_t type = at[i].stream->type;
        if (x->n_columns > 0 && x->types[x->n_columns - 1] == type)
            continue;
        if (x->n_columns == COLUMNS_MAX)
            break;
        x->types[x->n_columns++] = type;
    }
    return i;
}

static uint64_t rows_of(const struct entry *at, uint32_t n)
{
    uint64_t rows = 0;

    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0, m = vec_n(&at[i].stream->points); k < m; k++)
            rows += rows_n(((const struct point *)vec_at(&at[i].stream->points, k))->rows);
    return rows;
}

static bool sum_up(struct sums *x, const struct entry *at, uint32_t n)
{
    bool     is_exact = true;
    uint32_t c = 0;

    for (uint32_t i = 0; i < x->n_columns; i++)
        memset(x->of[i], 0, x->n_stacks * sizeof *x->of[i]);
    for (uint32_t i = 0; i < n && is_exact; i++) {
        c += x->types[c] != at[i].stream->type;
        is_exact = add_stream(x, x->of[c], at[i].stream);
    }
    return is_exact;
}

/* Only the stacks that have something stay; `ids` are those. */
static uint32_t squeeze(struct sums *x, uint32_t *ids)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < x->n_stacks; i++) {
        int64_t any = 0;
        for (uint32_t c = 0; c < x->n_columns; c++)
            any |= x->of[c][n] = x->of[c][i];
        ids[n] = i;
        n += any != 0;
    }
    return n;
}

/* NULL: it is none by U1 or U2. */
static const uint8_t *block_of(struct sums *x, const struct entry *at, uint32_t n, uint32_t *ids, struct arena *a)
{
    uint64_t   n_rows = rows_of(at, n);
    struct buf out = { 0 };

    if (n_rows < (uint64_t)x->n_stacks * x->n_columns || !sum_up(x, at, n))
        return NULL;
    n = squeeze(x, ids);
    if (n == 0 || n_rows < SAVES * (uint64_t)n * x->n_columns)
        return NULL;
    rows_encode(&out, ids, n, (const int64_t *const *)x->of, x->n_columns);
    struct slice kept = arena_copy(a, buf_view(&out));
    buf_free(&out);
    return (const uint8_t *)kept.p;
}

/* ---- the group ------------------------------------------------------------------------------------------------------ */

static int rollup_cmp(const void *a, const void *b)
{
    const struct rollup *x = a, *y = b;
    return (x->type > y->type) - (x->type < y->type);
}

static uint32_t add_rollups(struct rollup *to, const struct sums *x, const uint8_t *rows)
{
    if (rows == NULL)
        return 0;
    for (uint32_t c = 0; c < x->n_columns; c++)
        to[c] = (struct rollup){ x->types[c], c, rows };
    return x->n_columns;
}

struct rollup *rollups_make(const struct bucket *b, const struct group *g, struct arena *a, uint32_t *n)
{
    struct sums    x = { .n_stacks = vec_n(&g->stacks.all) };
    uint32_t       n_entries, *ids = mem_alloc(x.n_stacks * sizeof *ids);
    struct entry  *all = list_entries(b, g, &n_entries);
    struct rollup *out;
    int64_t       *sums = mem_alloc((size_t)x.n_stacks * COLUMNS_MAX * sizeof *sums);

    out = arena_array(a, n_entries, sizeof *out);
    *n = 0;
    for (uint32_t c = 0; c < COLUMNS_MAX; c++)
        x.of[c] = sums + (size_t)c * x.n_stacks;
    for (uint32_t i = 0, run; i < n_entries; i += run) {
        run = run_of(all + i, n_entries - i, &x);
        *n += add_rollups(out + *n, &x, block_of(&x, all + i, run, ids, a));
    }
    if (*n > 1)
        qsort(out, *n, sizeof *out, rollup_cmp);
    free(sums);
    free(all);
    free(ids);
    return out;
}
