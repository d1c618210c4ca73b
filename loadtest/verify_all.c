/* After the load: every profile is asked for. */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loadtest/verify.h"
#include "oracle/answer.h"

enum { UNDECIDED_MAX = 10 };

#define STEPS_MAX 10000 /* of one SelectSeries */

/* Profiles by tenant and service: group g is numbers[begin[g], begin[g + 1]). */
struct groups {
    uint64_t *numbers, *begin;
    uint64_t  n;
};

static uint64_t group_of(const struct workload_spec *s, const struct profile *p)
{
    return (uint64_t)p->tenant * s->services + p->service;
}

static struct groups groups_make(const struct verifier *v)
{
    const struct workload_spec *s = workload_spec_of(v->oracle.w);
    struct groups               g = { .n = (uint64_t)s->tenants * s->services };
    uint64_t                    n = verifier_n(v);
    struct profile              p;

    g.begin = mem_zalloc((g.n + 2) * sizeof *g.begin);
    g.numbers = mem_alloc(n * sizeof *g.numbers);
    for (uint64_t k = 0; k < n; k++) {
        workload_profile(v->oracle.w, k, &p);
        g.begin[group_of(s, &p) + 2]++;
    }
    for (uint64_t i = 2; i < g.n + 2; i++)
        g.begin[i] += g.begin[i - 1];
    for (uint64_t k = 0; k < n; k++) { /* begin[i + 1] moves from group i's begin to its end, and so becomes i + 1's */
        workload_profile(v->oracle.w, k, &p);
        g.numbers[g.begin[group_of(s, &p) + 1]++] = k;
    }
    return g;
}

static struct candidates group_at(const struct groups *g, uint64_t i)
{
    return (struct candidates){ .numbers = g->numbers + g->begin[i], .n = g->begin[i + 1] - g->begin[i] };
}

/* ---- the ambiguous ---- */

/* Those of the question whose fate is not known: at most UNDECIDED_MAX. */
static size_t undecided_of(const struct verifier *v, const struct question *q, struct candidates c, uint64_t *numbers)
{
    struct profile p;
    size_t         n = 0;

    for (uint64_t i = 0; i < c.n && n < UNDECIDED_MAX; i++) {
        workload_profile(v->oracle.w, c.numbers[i], &p);
        if (question_takes(q, &p) && !fate_is_known(ledger_get(v->oracle.l, p.number)))
            numbers[n++] = p.number;
    }
    return n;
}

static void decide(struct verifier *v, const uint64_t *numbers, size_t n, unsigned found)
{
    for (size_t i = 0; i < n; i++)
        ledger_set(v->oracle.l, numbers[i], found >> i & 1 ? FATE_FOUND : FATE_ABSENT);
}

/* Which of them have to be there for the answer to be right?  Usually there is one, in a slot of its own. */
static bool fates_fit(struct verifier *v, const struct question *q, struct candidates c, const uint64_t *numbers,
                      size_t n, const struct tally *answered)
{
    struct tally_difference d;
    bool                    fits = false;

    for (unsigned found = 0; !fits && found < 1u << n; found++) {
        struct tally *expected = tally_new();
        decide(v, numbers, n, found);
        fits = expect_stacks(&v->oracle, q, c, v->arena, expected) && tally_equal(expected, answered, &d);
        tally_free(expected);
    }
    return fits;
}

static void resolve(struct verifier *v, const struct profile *p, struct candidates c)
{
    struct question q = { .by = BY_POD, .like = *p };
    struct tally   *answered = tally_new();
    uint64_t        numbers[UNDECIDED_MAX];

    q.from_ns = p->time_ns / SLOT_NS * SLOT_NS;
    q.to_ns = q.from_ns + SLOT_NS;
    size_t n = undecided_of(v, &q, c, numbers);
    if (!ask_stacks(v, &q, answered)) {
        decide(v, numbers, n, 0);
    } else if (fates_fit(v, &q, c, numbers, n, answered)) {
        v->verdict->n_resolved += (long)n;
    } else {
        v->verdict->n_contradictory += (long)n;
        v->verdict->n_wrong++;
        verdict_fault(v, &q, "SelectMergeStacktraces", "neither with nor without what was never answered is it this");
    }
    tally_free(answered);
    arena_reset(v->arena);
}

static void resolve_group(struct verifier *v, struct candidates c)
{
    struct profile p;

    for (uint64_t i = 0; i < c.n && !v->verdict->is_unreachable; i++)
        if (!fate_is_known(ledger_get(v->oracle.l, c.numbers[i]))) {
            workload_profile(v->oracle.w, c.numbers[i], &p);
            resolve(v, &p, c);
        }
}

/* ---- all of a service ---- */

static struct question whole_window(const struct verifier *v)
{
    const struct workload_spec *s = workload_spec_of(v->oracle.w);
    int64_t end_ns = *v->used > 0 ? workload_slot_ns(v->oracle.w, *v->used - 1) + SLOT_NS : s->base_ns + SLOT_NS;

    return (struct question){ .by = BY_SERVICE, .from_ns = s->base_ns, .to_ns = end_ns };
}

static void service_points(struct verifier *v, struct question q, struct candidates c)
{
    int64_t width_ms = (q.to_ns - q.from_ns) / NS_PER_MS, step_ms = 1000;

    while (width_ms / step_ms > STEPS_MAX)
        step_ms *= 2;
    q.to_ns = q.from_ns + (width_ms / step_ms + 1) * step_ms * NS_PER_MS;
    verify_points(v, &q, c, step_ms);
}

static void verify_service(struct verifier *v, uint64_t group, struct candidates c)
{
    const struct workload_spec *s = workload_spec_of(v->oracle.w);
    struct question             q = whole_window(v);

    q.like.tenant = (uint32_t)(group / s->services);
    q.like.service = (uint32_t)(group % s->services);
    for (q.like.kind = 0; q.like.kind < s->n_kinds; q.like.kind++) {
        for (q.type = 0; q.type < s->kinds[q.like.kind].n_types; q.type++)
            verify_stacks(v, &q, c);
        q.type = 0;
        service_points(v, q, c);
    }
}

static void verify_tenant(struct verifier *v, const struct groups *g, uint32_t tenant)
{
    uint32_t          services = workload_spec_of(v->oracle.w)->services;
    uint64_t          first = (uint64_t)tenant * services;
    struct candidates all = { .numbers = g->numbers + g->begin[first],
                              .n = g->begin[first + services] - g->begin[first] };

    for (int kind = SET_PODS; all.n > 0 && kind <= SET_SERIES; kind++)
        verify_set(v, tenant, all, (enum set_kind)kind);
}

void verify_all(struct verifier *v, verify_progress_fn *progress, void *arg)
{
    const struct workload_spec *s = workload_spec_of(v->oracle.w);
    struct groups               g = groups_make(v);

    v->verdict->stacks = v->verdict->points = 0;
    for (uint64_t i = 0; i < g.n; i++)
        resolve_group(v, group_at(&g, i));
    for (uint64_t i = 0; i < g.n && !v->verdict->is_unreachable; i++) {
        if (g.begin[i] < g.begin[i + 1])
            verify_service(v, i, group_at(&g, i));
        if (i % s->services == s->services - 1)
            verify_tenant(v, &g, (uint32_t)(i / s->services));
        if (progress != NULL)
            progress(arg, i + 1, g.n);
    }
    free(g.numbers);
    free(g.begin);
}
