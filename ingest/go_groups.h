/*
 * Go groups: deep stacks that agree on their root-most frames, in the order in which the reference implementation has
 * them, for which one comes first decides between two equally good guesses.
 */
#pragma once

#include "ingest/pprof_samples.h"

enum { GO_ROOT = 24 }; /* so many frames; stacks of fewer are in no group */

struct go_group {
    const uint32_t *root;           /* [GO_ROOT] */
    uint32_t        first, last, n; /* its stacks, in the order in which they came */
};

struct go_groups {
    const struct samples *s;
    struct go_group      *at;   /* [n] */
    uint32_t             *next; /* [s->n_stacks]: the next stack of a stack's group */
    uint32_t              n;
};

/* `s` as go_stacks_repair has it. */
struct go_groups go_groups_make(const struct samples *s, const uint64_t *order);

/*
 * The stack that the reference implementation's sort, which is not stable, puts first in each group asked for; those of
 * the others are any.  asked_before[g], g in [0, n]: how many groups before `g` are asked for.
 */
uint32_t *go_groups_heads(const struct go_groups *g, const uint32_t *asked_before);
