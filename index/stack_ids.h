/*
 * Stack ids: which stack of a group has this hash.  The writer's own.
 *
 * Open addressing as in a table (index/table.h), but 16 bytes a slot: 96 bits of the hash and the stack.  No two stacks of a
 * bucket are expected ever to have those bits in common (docs/decisions/101-stacks-by-hash.md), so who finds them has found the
 * stack, and there is nothing to compare.
 */
#pragma once

#include <stdbool.h>

#include "base/hash.h"
#include "index/slab.h"

struct stack_slot {
    uint64_t lo;
    uint32_t hi, stack1; /* stack + 1; 0: free */
};

struct stack_ids {
    struct stack_slot *slots;
    uint32_t           cap, n;
};

void   stack_ids_put(struct stack_ids *t, struct slab *s, struct hash128 hash, uint32_t stack);
bool   stack_ids_get(const struct stack_ids *t, struct hash128 hash, uint32_t *stack);
void   stack_ids_free(struct stack_ids *t, struct slab *s);
size_t stack_ids_cost(const struct stack_ids *t, size_t more); /* bytes taken, at its peak, by `more` puts */

static inline uint32_t stack_ids_home(const struct stack_ids *t, uint64_t lo)
{
    return (uint32_t)((lo >> 32) * t->cap >> 32);
}

/* Asks memory for the slot. */
static inline void stack_ids_warm(const struct stack_ids *t, struct hash128 hash)
{
    if (t->cap > 0)
        __builtin_prefetch(&t->slots[stack_ids_home(t, hash.lo)]);
}
