/*
 * Profile: what is done to the exact stacks of an answer (a tree of locations, model/location.h) before they become a pprof.
 * Each gives a new tree, the caller's.
 */
#pragma once

#include "model/tree.h"

/*
 * Cut to the max_nodes greatest nodes of the flame graph that these stacks have, ties too (query/cut.h): a stack goes on to
 * its last frame that is shown there and ends in a location `other`.  A location of which only outer lines are shown keeps
 * those.  `other` is among the names even when nothing was cut.
 */
struct tree *profile_cut(const struct tree *whole, int64_t max_nodes);

/*
 * Of each stack the `keep` locations nearest its leaf (0: all).  With `are_callees_one` the leaf has no line number, so that
 * what a function does by itself is one sample.
 */
struct tree *profile_nearest(const struct tree *whole, uint32_t keep, bool are_callees_one);

/* How many stacks there are, and how many locations they have in sum when each is cut to `keep` (0: all). */
struct profile_size {
    uint64_t stacks, locations;
};
struct profile_size profile_size(const struct tree *t, uint32_t keep);
