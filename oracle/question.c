#include "oracle/question.h"

#include "base/hash.h"
#include "oracle/answer.h"

const struct slice series_label_names[SERIES_LABELS] = { SLICE("service_name"), SLICE("pod"),
                                                         SLICE("region"),       SLICE("run"),
                                                         SLICE("marker"),       SLICE("__profile_type__") };

static bool is_like(const struct question *q, const struct profile *p)
{
    const struct profile *like = &q->like;

    if (p->tenant != like->tenant)
        return false;
    if ((q->by & (BY_SERVICE | BY_POD)) && p->service != like->service)
        return false;
    if ((q->by & BY_POD) && (p->pod != like->pod || p->generation != like->generation))
        return false;
    return !(q->by & BY_REGION) || p->pod % REGIONS == like->pod % REGIONS;
}

bool question_takes(const struct question *q, const struct profile *p)
{
    return p->kind == q->like.kind && is_like(q, p) && p->time_ns > q->from_ns && p->time_ns < q->to_ns;
}

static void matcher(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, ",%s=\"%.*s\"", name, SLICE_ARGS(value));
}

void question_selector(const struct workload *w, const struct question *q, struct buf *out)
{
    struct arena *a = arena_new(0);

    buf_printf(out, "{run=\"%.*s\"", SLICE_ARGS(workload_spec_of(w)->run));
    if (q->by & (BY_SERVICE | BY_POD))
        matcher(out, "service_name", workload_service(q->like.service, a));
    if (q->by & BY_POD)
        matcher(out, "pod", workload_pod(&q->like, a));
    if (q->by & BY_REGION)
        matcher(out, "region", workload_region(q->like.pod));
    buf_byte(out, '}');
    arena_free(a);
}

/* ---- walking over the candidates ---- */

static uint64_t candidate(const struct candidates *c, uint64_t i) { return c->numbers ? c->numbers[i] : c->first + i; }

/* The next stored one that q takes; false at the end, or, with *is_unknown, at one whose fate is not known. */
static bool next_stored(const struct oracle *o, const struct question *q, const struct candidates *c, uint64_t *i,
                        struct profile *out, bool *is_unknown)
{
    for (; *i < c->n; ++*i) {
        workload_profile(o->w, candidate(c, *i), out);
        if (!question_takes(q, out))
            continue;
        enum fate fate = ledger_get(o->l, out->number);
        *is_unknown = !fate_is_known(fate);
        if (*is_unknown)
            return false;
        if (!fate_is_stored(fate))
            continue;
        ++*i;
        return true;
    }
    return false;
}

/* ---- stacks: sums by stack first, then each stack's path once ---- */

struct stack_sums {
    const struct oracle   *o;
    const struct question *q;
    struct arena          *arena;
    int64_t              **of_service; /* [services], each [n_stacks] of its pool, made when needed */
};

static void profile_sum(struct stack_sums *s, const struct profile *p)
{
    const struct stack_pool *pool = workload_pool(s->o->w, p->service, p->kind);
    int64_t                **sums = &s->of_service[p->service];
    struct sample            sample;

    if (*sums == NULL)
        *sums = arena_zalloc(s->arena, pool->n_stacks * sizeof **sums);
    for (uint32_t i = 0; i < workload_spec_of(s->o->w)->samples; i++) {
        workload_sample(s->o->w, p, i, &sample);
        (*sums)[sample.stack] += sample.values[s->q->type];
    }
}

static void paths_add(const struct stack_sums *s, struct tally *out)
{
    const struct workload_spec *spec = workload_spec_of(s->o->w);
    uint64_t                    root = hash_slice(workload_marker(s->o->w, s->q->like.tenant, s->arena));

    for (uint32_t service = 0; service < spec->services; service++) {
        const struct stack_pool *pool = workload_pool(s->o->w, service, s->q->like.kind);
        for (uint32_t i = 0; s->of_service[service] != NULL && i < pool->n_stacks; i++)
            if (s->of_service[service][i] != 0)
                tally_add(out, stack_pool_path(pool, root, i), s->of_service[service][i]);
    }
}

static struct stack_sums stack_sums_new(const struct oracle *o, const struct question *q, struct arena *a)
{
    uint32_t services = workload_spec_of(o->w)->services;

    return (struct stack_sums){ o, q, a, arena_zalloc(a, services * sizeof(int64_t *)) };
}

bool expect_stacks(const struct oracle *o, const struct question *q, struct candidates c, struct arena *a,
                   struct tally *out)
{
    struct stack_sums sums = stack_sums_new(o, q, a);
    struct profile    p;
    bool              is_unknown = false;

    for (uint64_t i = 0; next_stored(o, q, &c, &i, &p, &is_unknown);)
        profile_sum(&sums, &p);
    if (!is_unknown)
        paths_add(&sums, out);
    return !is_unknown;
}

/* ---- points ---- */

static int64_t profile_total(const struct oracle *o, const struct profile *p, uint32_t type)
{
    struct sample sample;
    int64_t       sum = 0;

    for (uint32_t i = 0; i < workload_spec_of(o->w)->samples; i++) {
        workload_sample(o->w, p, i, &sample);
        sum += sample.values[type];
    }
    return sum;
}

bool expect_points(const struct oracle *o, const struct question *q, struct candidates c, int64_t step_ms,
                   struct arena *a, struct tally *out)
{
    struct profile p;
    bool           is_unknown = false;
    int64_t        from_ms = q->from_ns / 1000000;

    for (uint64_t i = 0; next_stored(o, q, &c, &i, &p, &is_unknown);) {
        int64_t steps = (p.time_ns / 1000000 - from_ms + step_ms - 1) / step_ms;
        tally_add(out, answer_point_key(workload_pod(&p, a), from_ms + steps * step_ms), profile_total(o, &p, q->type));
    }
    return !is_unknown;
}

/* ---- sets ---- */

static void once(struct tally *out, uint64_t what)
{
    if (tally_of(out, what) == 0)
        tally_add(out, what, 1);
}

static uint64_t labels_key(const struct workload *w, const struct profile *p, struct arena *a)
{
    struct label_text labels[PROFILE_LABELS];
    uint64_t          key = 0;

    workload_labels(w, p, a, labels);
    for (size_t i = 0; i < PROFILE_LABELS; i++)
        if (!slice_is(labels[i].name, "pyroscope_spy"))
            key += answer_label_key(labels[i].name, labels[i].value);
    return key;
}

static void members_add(const struct workload *w, const struct profile *p, enum set_kind kind, struct arena *a,
                        struct tally *out)
{
    const struct kind *k = &workload_spec_of(w)->kinds[p->kind];

    switch (kind) {
    case SET_PODS:
        once(out, hash_slice(workload_pod(p, a)));
        return;
    case SET_SERVICES:
        once(out, hash_slice(workload_service(p->service, a)));
        return;
    case SET_MARKERS:
        once(out, hash_slice(workload_marker(w, p->tenant, a)));
        return;
    case SET_TYPES:
        for (uint32_t t = 0; t < k->n_types; t++)
            once(out, hash_slice(kind_type_id(k, t, a)));
        return;
    case SET_SERIES:
        for (uint32_t t = 0; t < k->n_types; t++)
            once(out, labels_key(w, p, a) + answer_label_key(SLICE("__profile_type__"), kind_type_id(k, t, a)));
        return;
    }
}

void expect_set(const struct oracle *o, const struct question *q, struct candidates c, enum set_kind kind,
                bool with_unknown, struct tally *out)
{
    struct arena  *scratch = arena_new(0);
    struct profile p;

    for (uint64_t i = 0; i < c.n; i++) {
        workload_profile(o->w, candidate(&c, i), &p);
        enum fate fate = ledger_get(o->l, p.number);
        if (!is_like(q, &p) || !(fate_is_stored(fate) || (with_unknown && !fate_is_known(fate))))
            continue;
        members_add(o->w, &p, kind, scratch, out);
        arena_reset(scratch);
    }
    arena_free(scratch);
}
