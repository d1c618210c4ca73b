#include "oracle/workload.h"

#include <assert.h>

#include "oracle/dice.h"

enum { POOLS_MAX = 32 };

/* Which throw is for what. */
enum throw { THROW_TENANT = 1, THROW_HOT, THROW_SERVICE, THROW_POD, THROW_KIND, THROW_POOL, THROW_CHURN };

struct workload {
    struct workload_spec spec;
    const int64_t       *at_ns;
    struct zipf          stacks, services;
    struct zipf (*seed_stacks)[SEED_POOLS_MAX]; /* [n_kinds] */
    const struct stack_pool *pools[POOLS_MAX];
    uint32_t                 n_pools;
};

static void seeds_take(struct workload *w, struct arena *a)
{
    const struct workload_spec *s = &w->spec;

    w->seed_stacks = arena_array(a, s->n_kinds, sizeof *w->seed_stacks);
    for (uint32_t i = 0; i < s->n_kinds; i++)
        for (uint32_t j = 0; j < s->seeds[i].n; j++)
            w->seed_stacks[i][j] = zipf_make(s->seeds[i].at[j]->n_stacks, s->stack_zipf, a);
}

struct workload *workload_new(const struct workload_spec *spec, const int64_t *at_ns, struct arena *a)
{
    struct workload *w = arena_zalloc(a, sizeof *w);

    assert(spec->base_ns % SLOT_NS == 0 && spec->n_kinds > 0 && spec->batch > 0);
    w->spec = *spec;
    w->at_ns = at_ns;
    w->services = zipf_make(spec->services, spec->service_zipf, a);
    if (spec->seeds != NULL) {
        seeds_take(w, a);
        return w;
    }
    w->stacks = zipf_make(spec->shape.stacks, spec->stack_zipf, a);
    w->n_pools = spec->services < POOLS_MAX ? spec->services : POOLS_MAX;
    for (uint32_t i = 0; i < w->n_pools; i++)
        w->pools[i] = stack_pool_invent(dice_at(spec->seed, THROW_POOL, i), &spec->shape, a);
    return w;
}

const struct workload_spec *workload_spec_of(const struct workload *w) { return &w->spec; }

int64_t workload_slot_ns(const struct workload *w, uint64_t request)
{
    return w->spec.base_ns + w->at_ns[request] / SLOT_NS * SLOT_NS;
}

static uint32_t tenant_of(const struct workload_spec *s, uint64_t request)
{
    if (s->hot_percent > 0 && dice_below(dice_at(s->seed, THROW_HOT, request), 100) < s->hot_percent)
        return 0;
    return dice_below(dice_at(s->seed, THROW_TENANT, request), s->tenants);
}

static void series_in_turn(const struct workload_spec *s, uint64_t number, struct profile *out)
{
    uint64_t turn = number / s->tenants % ((uint64_t)s->services * s->pods);

    out->service = (uint32_t)(turn % s->services);
    out->pod = (uint32_t)(turn / s->services);
}

void workload_profile(const struct workload *w, uint64_t number, struct profile *out)
{
    const struct workload_spec *s = &w->spec;
    uint64_t                    request = number / s->batch;

    *out = (struct profile){ .number = number, .tenant = tenant_of(s, request) };
    if (s->is_round_robin) {
        series_in_turn(s, number, out);
    } else {
        out->service = zipf_rank(&w->services, dice_at(s->seed, THROW_SERVICE, number));
        out->pod = dice_below(dice_at(s->seed, THROW_POD, number), s->pods);
    }
    out->kind = dice_below(dice_at(s->seed, THROW_KIND, number), s->n_kinds);
    out->time_ns = workload_slot_ns(w, request) + SLOT_NS / 2 + (int64_t)(number % 1000000);
    if (s->churn_ns > 0) {
        uint64_t phase = dice_at(s->seed, THROW_CHURN, (uint64_t)out->service << 32 | out->pod) % (uint64_t)s->churn_ns;
        out->generation = (uint32_t)((w->at_ns[request] + (int64_t)phase) / s->churn_ns);
    }
}

const struct stack_pool *workload_pool(const struct workload *w, uint32_t service, uint32_t kind)
{
    if (w->spec.seeds == NULL)
        return w->pools[service % w->n_pools];
    return w->spec.seeds[kind].at[service % w->spec.seeds[kind].n];
}

static const struct zipf *stacks_of(const struct workload *w, const struct profile *p)
{
    return w->spec.seeds == NULL ? &w->stacks : &w->seed_stacks[p->kind][p->service % w->spec.seeds[p->kind].n];
}

uint64_t workload_boxes_max(const struct workload *w, uint32_t kind)
{
    uint32_t n_pools = w->spec.seeds != NULL ? w->spec.seeds[kind].n : w->n_pools;
    uint64_t boxes = 2; /* the root and the marker */

    for (uint32_t i = 0; i < n_pools; i++)
        boxes += stack_pool_frames(workload_pool(w, i, kind));
    return boxes;
}

void workload_sample(const struct workload *w, const struct profile *p, uint32_t i, struct sample *out)
{
    const struct kind *k = &w->spec.kinds[p->kind];
    uint64_t           dice = dice_at(w->spec.seed ^ 0x5A, p->number, i), values = dice_mix(dice);

    out->stack = zipf_rank(stacks_of(w, p), dice);
    for (uint32_t t = 0; t < k->n_types; t++) {
        out->values[t] = (int64_t)(1 + values % 100) * k->types[t].scale;
        if (!k->is_proportional)
            values = dice_mix(values);
    }
}

/* ---- names ---- */

struct slice workload_tenant(const struct workload *w, uint32_t tenant, struct arena *a)
{
    if (w->spec.tenants == 1)
        return (struct slice){ 0 };
    return arena_printf(a, "load-%.*s-%u", SLICE_ARGS(w->spec.run), tenant);
}

struct slice workload_marker(const struct workload *w, uint32_t tenant, struct arena *a)
{
    return arena_printf(a, "only_of_%.*s_%u", SLICE_ARGS(w->spec.run), tenant);
}

struct slice workload_service(uint32_t service, struct arena *a) { return arena_printf(a, "shop-%u", service); }

struct slice workload_pod(const struct profile *p, struct arena *a)
{
    return arena_printf(a, "shop-%u-%u-g%u", p->service, p->pod, p->generation);
}

struct slice workload_region(uint32_t pod)
{
    static const struct slice names[REGIONS] = { SLICE("eu-north"), SLICE("us-east"), SLICE("ap-south") };

    return names[pod % REGIONS];
}

void workload_labels(const struct workload *w, const struct profile *p, struct arena *a,
                     struct label_text out[PROFILE_LABELS])
{
    out[0] = (struct label_text){ SLICE("service_name"), workload_service(p->service, a) };
    out[1] = (struct label_text){ SLICE("pod"), workload_pod(p, a) };
    out[2] = (struct label_text){ SLICE("region"), workload_region(p->pod) };
    out[3] = (struct label_text){ SLICE("run"), w->spec.run };
    out[4] = (struct label_text){ SLICE("marker"), workload_marker(w, p->tenant, a) };
    /* Of a client whose profiles nobody corrects: what is sent is what is stored. */
    out[5] = (struct label_text){ SLICE("pyroscope_spy"), SLICE("pyroscope-rs") };
}
