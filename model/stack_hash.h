/*
 * Stack hash: what a stack is, in 128 bits: a hash of all that its frames say, names and not numbers, so that it is the same
 * in every batch of this process.
 *
 *     strings --> functions, mappings --> locations --> stacks      each hash is made of those on its left
 *
 * Equal hashes are taken for equal stacks (docs/decisions/101-stacks-by-hash.md).
 */
#pragma once

#include "model/batch.h"

/* Of the locations of a batch, [n_locations].  In scratch. */
const struct hash128 *location_hashes(const struct batch *b, struct arena *scratch);

/* Of a stack of n such locations. */
struct hash128 stack_hash(const uint32_t *locations, uint32_t n, const struct hash128 *of);

/* Of all stacks of a batch, [n_stacks]; in `a`, which may be `scratch`. */
const struct hash128 *stack_hashes(const struct batch *b, struct arena *a, struct arena *scratch);
