/*
 * Profile type: name:sample_type:sample_unit:period_type:period_unit, the label __profile_type__.
 * Parts may be empty; a sixth part (":delta") is accepted and ignored.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

struct profile_type {
    struct slice name, sample_type, sample_unit, period_type, period_unit;
};

/* INVALID_ARGUMENT: not five or six parts.  The parts borrow `id`. */
must_check enum code profile_type_parse(struct slice id, struct profile_type *out, struct fault *why);

struct slice profile_type_id(const struct profile_type *t, struct arena *a); /* the five-part form */
