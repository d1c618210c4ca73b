/*
 * Split: sample labels become series labels (pyroscope-ingest.md §2.4).  Each group of samples gets the labels of the
 * series and its own; groups whose labels end up the same are one part.
 */
#pragma once

#include "ingest/pprof_samples.h"

struct split_part {
    const struct batch_label *labels; /* [n_labels] refs, sorted by name: as stored */
    uint32_t                  n_labels;
};

struct split {
    uint32_t          *part_of; /* [n_groups]; groups without samples have one too */
    struct split_part *parts;   /* [n_parts] */
    uint32_t           n_parts;
};

/* `series` are prepared labels.  INVALID_ARGUMENT: the labels of some part may not name a series (§4.2). */
must_check enum code split_make(struct pprof *p, const struct samples *s, struct labels series, struct split *out,
                                struct fault *why);
