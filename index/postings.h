/*
 * Postings: which series carry one label value, ascending.
 *
 *     n 7 | 3 9 | --> run { 4: 12 40 41 52 } --> run { 8: 60 . . . . . . . }
 *
 * P1  The ids strictly ascend: the bucket numbers its series 0, 1, 2, ... and adds each once, so a list is born sorted.
 * P2  An id below n never changes or moves.  The writer links the run, fills the id, then stores n (release); a reader
 *     loads n (acquire) first and follows no link that n does not promise.
 * P3  Two ids stand in the list itself: most values (a pod, an address) have one series.
 */
#pragma once

#include "index/slab.h"

enum { POSTINGS_INLINE = 2, POSTINGS_RUN_FIRST = 4, POSTINGS_RUN_MAX = 1024 };

struct postings_run {
    struct postings_run *next;
    uint32_t             cap;
    uint32_t             ids[];
};

struct postings {
    _Atomic uint32_t     n;
    uint32_t             first[POSTINGS_INLINE];
    uint32_t             left; /* in the last run; this and `last` are the writer's */
    struct postings_run *runs, *last;
};

/* Writer only; `id` is greater than every id present. */
void postings_add(struct postings *p, struct slab *s, uint32_t id);

size_t postings_cost_max(size_t series); /* bytes asked for by one add to a list of at most so many */

/* The ids of one moment, in turn. */
struct postings_walk {
    const uint32_t            *ids;
    uint32_t                   here, left; /* ids at `ids`, ids behind them */
    const struct postings     *list;
    const struct postings_run *run;
};

struct postings_walk postings_walk(const struct postings *p);

/* The next ids, side by side; 0: there are no more. */
uint32_t postings_next(struct postings_walk *w, const uint32_t **ids);

static inline uint32_t postings_n(const struct postings *p)
{
    return atomic_load_explicit(&p->n, memory_order_acquire);
}
