#include "index/postings.h"

#include <assert.h>

static size_t run_bytes(uint32_t cap) { return sizeof(struct postings_run) + cap * sizeof(uint32_t); }

size_t postings_cost_max(size_t series)
{
    size_t cap = series > POSTINGS_RUN_FIRST ? series : POSTINGS_RUN_FIRST; /* a run is no longer than all before it, plus 2 */
    return run_bytes(cap < POSTINGS_RUN_MAX ? (uint32_t)cap + POSTINGS_INLINE : POSTINGS_RUN_MAX) + 8;
}

static void run_add(struct postings *p, struct slab *s)
{
    uint32_t             cap = p->last ? p->last->cap * 2 : POSTINGS_RUN_FIRST;
    struct postings_run *run;

    if (cap > POSTINGS_RUN_MAX)
        cap = POSTINGS_RUN_MAX;
    run = slab_new(s, run_bytes(cap));
    run->next = NULL;
    run->cap = cap;
    *(p->last ? &p->last->next : &p->runs) = run;
    p->last = run;
    p->left = cap;
}

void postings_add(struct postings *p, struct slab *s, uint32_t id)
{
    uint32_t n = atomic_load_explicit(&p->n, memory_order_relaxed);

    if (n < POSTINGS_INLINE) {
        assert(n == 0 || p->first[n - 1] < id); /* P1 */
        p->first[n] = id;
    } else {
        if (p->left == 0)
            run_add(p, s);
        p->last->ids[p->last->cap - p->left] = id;
        p->left--;
    }
    atomic_store_explicit(&p->n, n + 1, memory_order_release); /* P2 */
}

struct postings_walk postings_walk(const struct postings *p)
{
    struct postings_walk w = { .ids = p->first, .left = postings_n(p), .list = p };

    w.here = w.left < POSTINGS_INLINE ? w.left : POSTINGS_INLINE;
    w.left -= w.here;
    return w;
}

uint32_t postings_next(struct postings_walk *w, const uint32_t **ids)
{
    uint32_t n = w->here;

    *ids = w->ids;
    w->here = 0;
    if (w->left > 0) {
        w->run = w->run ? w->run->next : w->list->runs;
        w->ids = w->run->ids;
        w->here = w->left < w->run->cap ? w->left : w->run->cap;
        w->left -= w->here;
    }
    return n;
}
