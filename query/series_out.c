#include "query/series_out.h"

#include <stdlib.h>

struct ranked {
    struct series_row row;
    double            total;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    return labels_cmp(x->row.labels, y->row.labels);
}

static struct ranked row_of(const struct partial_series *s, const struct question *q, bool is_mean, struct arena *a)
{
    struct ranked r = { .row = { .labels = s->labels,
                                 .n = s->n,
                                 .value = arena_array(a, s->n, sizeof(double)),
                                 .time_ms = arena_array(a, s->n, sizeof(int64_t)) } };

    for (uint32_t i = 0; i < s->n; i++) {
        double value = (double)s->sum[i];
        r.row.value[i] = is_mean ? value / (double)s->count[i] : value;
        r.row.time_ms[i] = q->first_ms + s->slot[i] * q->step_ms; /* <= the end of the question */
        r.total += r.row.value[i];
    }
    return r;
}

size_t series_out(struct partial *p, const struct question *q, bool is_mean, int64_t limit, struct arena *a,
                  struct series_row **out)
{
    size_t                       n;
    const struct partial_series *series = partial_points(p, &n);
    struct ranked               *ranked = arena_array(a, n, sizeof *ranked);

    for (size_t i = 0; i < n; i++)
        ranked[i] = row_of(&series[i], q, is_mean, a);
    qsort(ranked, n, sizeof *ranked, by_rank);
    if (limit > 0 && (uint64_t)limit < n)
        n = (size_t)limit;
    *out = arena_array(a, n, sizeof **out);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = ranked[i].row;
    return n;
}
