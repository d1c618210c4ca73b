/*
 * Admission: how much one request may still bring, by the sum of its profiles and by its tenant's rate.
 *
 * A size is what a profile unpacks to.  Nobody knows it before it is unpacked; until then a gzip's own claim stands for it,
 * and who unpacks holds it against that.
 */
#pragma once

#include <stdatomic.h>

#include "base/fault.h"
#include "base/slice.h"
#include "model/labels.h"
#include "tenant/limits.h"
#include "tenant/registry.h"

struct admission {
    const struct limits *limits;
    struct tenant       *tenant;    /* NULL: no rate is to be kept */
    _Atomic int64_t      raw_bytes; /* taken so far */
};

/* What it unpacks to, as it says itself; 0 where that is more than a profile may be. */
size_t admission_claim(const struct admission *a, struct slice body);

/* Takes nothing: who is far over the rate shall not cost what decoding costs.  RESOURCE_EXHAUSTED. */
must_check enum code admission_glance(const struct admission *a, struct labels labels, size_t claim, struct fault *why);

/* INVALID_ARGUMENT: the sum is too large; RESOURCE_EXHAUSTED: the rate. */
must_check enum code admission_take(struct admission *a, struct labels labels, size_t raw_bytes, struct fault *why);

/* What was taken is not stored, for it is no good or is to be taken again.  Any thread. */
void admission_give_back(struct admission *a, struct labels labels, size_t raw_bytes);
