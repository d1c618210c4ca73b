/*
 * Workload: which profiles are pushed, by number, out of a seed and nothing else.
 *
 *     request r  -->  profiles [r * batch, (r + 1) * batch), all of one tenant
 *     profile k  -->  tenant, service, pod, kind, time, and its samples
 *
 * L1  Every function here is pure: the same answer whenever and by whichever thread it is asked.
 * L2  Times of requests ascend.  A profile's time lies in the middle of its slot of 10 ms, so that a window of whole slots
 *     holds it or does not, whichever end counts as inside; within the slot each profile has a nanosecond of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"
#include "oracle/kind.h"
#include "oracle/stack_pool.h"
#include "oracle/zipf.h"

enum { SLOT_MS = 10, WORKLOAD_KINDS_MAX = 64, REGIONS = 3, SAMPLES_MAX = 16000 };
#define SLOT_NS (INT64_C(1000000) * SLOT_MS)

/* Stacks that somebody measured: services take turns. */
enum { SEED_POOLS_MAX = 16 };
struct seed_pools {
    const struct stack_pool *at[SEED_POOLS_MAX];
    uint32_t                 n;
};

struct workload_spec {
    uint64_t                 seed;
    int64_t                  base_ns; /* when it begins: a multiple of SLOT_NS */
    struct slice             run;     /* value of the label `run`: keeps this load apart from whatever else is stored */
    uint32_t                 tenants, services, pods; /* pods of each service */
    uint32_t                 batch, samples;
    struct stack_shape       shape;
    double                   stack_zipf, service_zipf;
    uint32_t                 hot_percent;    /* of the requests, by the first tenant; 0: all tenants alike */
    int64_t                  churn_ns;       /* pods get another name this often; 0: never */
    bool                     is_round_robin; /* series take turns instead of being drawn */
    struct kind              kinds[WORKLOAD_KINDS_MAX];
    uint32_t                 n_kinds;
    const struct seed_pools *seeds; /* [n_kinds], instead of invented stacks; or NULL */
};

struct workload;

struct profile {
    uint64_t number;
    uint32_t tenant, service, pod, generation, kind;
    int64_t  time_ns;
};

struct sample {
    uint32_t stack;
    int64_t  values[KIND_TYPES_MAX];
};

/* `at_ns[r]`: when request r is sent, since the base; borrowed, and may be filled in later than here. */
struct workload *workload_new(const struct workload_spec *spec, const int64_t *at_ns, struct arena *a);

const struct workload_spec *workload_spec_of(const struct workload *w);
int64_t workload_slot_ns(const struct workload *w, uint64_t request); /* begin of its slot, since 1970 */
void    workload_profile(const struct workload *w, uint64_t number, struct profile *out);
const struct stack_pool *workload_pool(const struct workload *w, uint32_t service, uint32_t kind);

/* No answer about profiles of the kind has more boxes than this, whatever is selected. */
uint64_t workload_boxes_max(const struct workload *w, uint32_t kind);

/* The i-th sample, i < spec.samples; several may be of one stack. */
void workload_sample(const struct workload *w, const struct profile *p, uint32_t i, struct sample *out);

/* ---- names ---- */

struct slice workload_tenant(const struct workload *w, uint32_t tenant, struct arena *a); /* empty: there is only one */
struct slice workload_marker(const struct workload *w, uint32_t tenant,
                             struct arena *a); /* in each of its stacks and series */
struct slice workload_service(uint32_t service, struct arena *a);
struct slice workload_pod(const struct profile *p, struct arena *a);
struct slice workload_region(uint32_t pod);

struct label_text {
    struct slice name, value;
};
enum { PROFILE_LABELS = 6 };

/* service_name, pod, region, run, marker, pyroscope_spy; __name__ is the kind's. */
void workload_labels(const struct workload *w, const struct profile *p, struct arena *a,
                     struct label_text out[PROFILE_LABELS]);
