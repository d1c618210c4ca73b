/* Symbols take: the symbols of a batch that stacks unknown to its bucket lead to are looked up by name, and made when new. */
#pragma once

#include "index/stacks.h"
#include "model/batch.h"

/* What the batch's locations are in `t`; garbage for those that only stacks other than STACK_UNKNOWN have.  In scratch. */
const uint32_t *symbols_take(struct symtab *t, struct slab *s, const struct batch *from, const uint32_t *stacks,
                             struct arena *scratch);
