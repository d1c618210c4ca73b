/*
 * Call site: which stacks of a service begin, from the root, with the given function names.
 *
 * One pass over the function tree from its root: parents come before their children (index/paths.h P1), so a node knows
 * how many names its parent matched.  Names are compared only below a path that matches so far.
 */
#pragma once

#include "base/arena.h"
#include "index/bucket_priv.h"

/*
 * passes[i]: does stack i < n_stacks begin with names[0, n)?  n > 0.  In `a`.  Any thread; the caller has loaded n_stacks
 * after what made it look (index/publish.h).
 */
const bool *call_site_stacks(const struct group *g, uint32_t n_stacks, const struct slice *names, size_t n, struct arena *a);
