/*
 * Pprof: the exact stacks of an answer as a google.v1.Profile of one sample type (pyroscope-query.md §2.8).
 *
 * F1  The message depends on what was pushed alone, not on how it was spread: locations are numbered in the order of their
 *     strings (model/location.h), samples are depth first.
 * F2  Stacks share nothing in a pprof: what they come to in sum is bounded before anything is made.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "model/profile_type.h"
#include "model/tree.h"
#include "proto/profile.pb-c.h"

struct pprof_form {
    struct profile_type type;
    int64_t             time_ns;
    int64_t             max_nodes;      /* <= 0: all */
    bool                is_for_pgo;     /* then max_nodes means nothing, and instead: */
    uint32_t            keep_locations; /* nearest the leaf; 0: all */
    bool                are_callees_one;
};

/* In `a`.  No stacks: the empty message.  RESOURCE_EXHAUSTED: F2. */
must_check enum code pprof_build(const struct tree *t, const struct pprof_form *form, struct arena *a,
                                 Google__V1__Profile *out, struct fault *why);
