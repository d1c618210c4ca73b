/*
 * Samples: what was sent, sifted.  One walk over the sample messages; each is read at the end of the arrays, and what
 * turns out to be known already (its labels) or worthless is taken back, so nothing is copied twice.
 *
 *     samples: stack, group, value[k]      stacks: lists of locations      groups: lists of labels, distinct
 *
 * Each sample has a stack of its own; which of them are the same is for pprof_stacks.h to find.
 */
#pragma once

#include "ingest/pprof_symbols.h"
#include "ingest/table.h"

struct frames {
    const uint32_t *at; /* [n] locations, leaf first */
    uint32_t        n;
};

struct group {
    uint32_t at, n; /* pairs[at, +n), sorted */
};

struct samples {
    const struct pprof *p;
    uint32_t           *stack, *group; /* [n] */
    int64_t            *values;        /* [n][n_types] */
    uint32_t           *locations;     /* [n_locations] of all stacks, leaf first */
    uint32_t           *stack_end;     /* [n_stacks]; stack i is locations[end[i-1], end[i]) */
    struct frames      *lent;          /* [n_stacks]: to be added at its root, but for NO_LOCATION; NULL: nothing */
    uint64_t           *labels_hash;   /* [n_stacks] with keeps_all_stacks: of all labels of its sample, in any order */
    struct batch_label *pairs;         /* [n_pairs] of all groups: refs */
    struct group       *groups;        /* [n_groups]; group 0 has no labels */
    struct table        groups_seen;
    uint8_t            *key_kinds; /* [n_table] */
    uint32_t            n, n_stacks, n_groups;
    size_t              n_locations, n_pairs, pairs_cap;
    uint32_t            depth_max; /* of any sample, before cutting */
};

/*
 * Reads them all.  Dropped: negative values, nothing but zeros, a location that does not exist.  With
 * `keeps_all_stacks` every sample that was sent has a stack of its own, in order, dropped ones too.  INVALID_ARGUMENT in the words of §4.2, `labels` named
 * in them.
 */
must_check enum code samples_read(const struct pprof *p, const struct idmap *locations, bool keeps_all_stacks,
                                  struct labels labels, struct samples *out, struct fault *why);

/* How many locations a sample's message names; 0 where it is broken. */
uint32_t samples_depth(struct slice sample);

static inline struct frames samples_stack(const struct samples *s, uint32_t k)
{
    uint32_t from = k ? s->stack_end[k - 1] : 0;
    return (struct frames){ s->locations + from, s->stack_end[k] - from };
}
