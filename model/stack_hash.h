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

/* [n_stacks] of a batch that has been checked; in `a`, which may be `scratch`. */
const struct hash128 *stack_hashes(const struct batch *b, struct arena *a, struct arena *scratch);
