#include "query/points.h"

#include <assert.h>

#include "base/mem.h"
#include "model/slice_sort.h"

struct entry {
    int64_t slot, sum, count; /* count 0: free */
};

struct points_group {
    struct entry *at; /* [1 << bits] */
    uint32_t      n;
    unsigned      bits;
};

struct points {
    struct arena         *arena;
    struct strset        *keys; /* labels_join; the id is the group's place */
    struct points_group **groups;
    uint32_t              n, cap;
};

enum { FIRST_BITS = 2, BITS_MAX = 30 };

struct points *points_new(struct arena *a)
{
    struct points *p = mem_zalloc(sizeof *p);

    p->arena = a;
    p->keys = strset_new(a);
    return p;
}

void points_free(struct points *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->n; i++)
        free(p->groups[i]->at);
    free(p->groups);
    free(p);
}

static struct points_group *group_of(struct points *p, struct slice key)
{
    uint32_t id = strset_add(p->keys, key);

    if (id < p->n)
        return p->groups[id];
    assert(id == p->n);
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->groups = mem_resize(p->groups, p->cap * sizeof(struct points_group *));
    }
    struct points_group *g = arena_alloc(p->arena, sizeof *g);
    *g = (struct points_group){ .bits = FIRST_BITS, .at = mem_zalloc(sizeof *g->at << FIRST_BITS) };
    p->groups[p->n++] = g;
    return g;
}

struct points_group *points_group(struct points *p, struct labels labels)
{
    struct buf key = { 0 };

    labels_join(&key, labels);
    struct points_group *g = group_of(p, buf_view(&key));
    buf_free(&key);
    return g;
}

static struct entry *entry_of(const struct points_group *g, int64_t slot)
{
    size_t mask = ((size_t)1 << g->bits) - 1;

    for (size_t i = (size_t)((uint64_t)slot * 0x9E3779B97F4A7C15u >> (64 - g->bits));; i = (i + 1) & mask)
        if (g->at[i].count == 0 || g->at[i].slot == slot)
            return &g->at[i];
}

static void group_grow(struct points_group *g)
{
    struct entry *old = g->at;
    size_t        n = (size_t)1 << g->bits;

    assert(g->bits < BITS_MAX);
    g->bits++;
    g->at = mem_zalloc(sizeof *g->at << g->bits);
    for (size_t i = 0; i < n; i++)
        if (old[i].count > 0)
            *entry_of(g, old[i].slot) = old[i];
    free(old);
}

static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t s;

    return __builtin_add_overflow(a, b, &s) ? INT64_MAX : s;
}

void points_add(struct points_group *g, int64_t slot, int64_t sum, int64_t count)
{
    assert(count > 0 && sum >= 0);
    struct entry *e = entry_of(g, slot);
    if (e->count == 0) {
        if (g->n >= ((size_t)1 << g->bits) / 2) {
            group_grow(g);
            e = entry_of(g, slot);
        }
        g->n++;
    }
    *e = (struct entry){ slot, sum_of(e->sum, sum), sum_of(e->count, count) };
}

size_t points_n(const struct points *p)
{
    size_t n = 0;

    for (uint32_t i = 0; i < p->n; i++)
        n += p->groups[i]->n;
    return n;
}

void points_merge(struct points *into, const struct points *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        const struct points_group *g = from->groups[i];
        struct points_group       *to = group_of(into, strset_at(from->keys, i));
        for (size_t k = 0; k < (size_t)1 << g->bits; k++)
            if (g->at[k].count > 0)
                points_add(to, g->at[k].slot, g->at[k].sum, g->at[k].count);
    }
}

static int entry_cmp(const void *a, const void *b)
{
    int64_t x = ((const struct entry *)a)->slot, y = ((const struct entry *)b)->slot;
    return (x > y) - (x < y);
}

static struct partial_series group_sorted(const struct points_group *g, struct arena *a)
{
    struct entry         *sorted = mem_alloc(g->n * sizeof *sorted);
    struct partial_series out = { .n = g->n,
                                  .slot = arena_array(a, g->n, sizeof(int64_t)),
                                  .sum = arena_array(a, g->n, sizeof(int64_t)),
                                  .count = arena_array(a, g->n, sizeof(int64_t)) };
    uint32_t              n = 0;

    for (size_t i = 0; i < (size_t)1 << g->bits; i++)
        if (g->at[i].count > 0)
            sorted[n++] = g->at[i];
    assert(n == g->n);
    qsort(sorted, n, sizeof *sorted, entry_cmp);
    for (uint32_t i = 0; i < n; i++) {
        out.slot[i] = sorted[i].slot;
        out.sum[i] = sorted[i].sum;
        out.count[i] = sorted[i].count;
    }
    free(sorted);
    return out;
}

const struct partial_series *points_sorted(const struct points *p, struct arena *a, size_t *n)
{
    struct partial_series *out = arena_array(a, p->n, sizeof *out);
    uint32_t              *order = arena_array(a, p->n, sizeof *order);

    *n = 0;
    slices_order(strset_all(p->keys), p->n, order);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct points_group *g = p->groups[order[i]];
        if (g->n == 0)
            continue; /* streams that had no point in the range */
        out[*n] = group_sorted(g, a);
        if (!labels_split(strset_at(p->keys, order[i]), a, &out[(*n)++].labels))
            assert(!"group keys are joined labels");
    }
    return out;
}
