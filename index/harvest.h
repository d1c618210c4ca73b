/*
 * Harvest: the samples of a bucket that a selection passes, as a tree.
 *
 *     rows --> by_stack (dense) --> nodes of one of the two path trees (index/stacks.h) --> a tree by name
 *
 * H1  Only what has something in or below it goes into the answer.
 * H2  No hashing and no names before that last step; each key is named once.
 */
#pragma once

#include "index/view.h"
#include "model/tree.h"

/* One of the path trees, and what its keys are called in `out`. */
struct harvest_kind {
    bool by_location; /* else by function name */
    /* An id of out->names; RESOURCE_EXHAUSTED: no more of them. */
    enum code (*name)(void *arg, const struct group *g, uint32_t key, struct tree *out, uint32_t *id,
                      struct fault *why);
    void *arg;
};

/* Adds the bucket's samples to `out`; after a fault that is half of an answer. */
must_check enum code harvest_bucket(const struct bucket *b, const struct selection *what,
                                    const struct harvest_kind *kind, struct tree *out, struct fault *why);
