/*
 * Stack ids: which stack of a group has this hash.  The writer's own.
 *
 *     hash --> line   [ lo lo lo lo | mid mid mid mid | hi hi hi hi | stack + 1, four times ] --> the next when it is full
 *
 * Open addressing by lines of four slots, as long as a line of the cache: 96 bits of the hash and the stack in each, with
 * their like side by side, so that the four are compared at once: which of them it is cannot be foretold.  No two stacks of a
 * bucket are expected ever to have those bits in common (docs/decisions/101-stacks-by-hash.md), so who finds them has found the
 * stack, and there is nothing to compare.
 */
#pragma once

#include <stdbool.h>

#include "base/hash.h"
#include "index/slab.h"

enum { STACK_LINE = 4 };
typedef uint32_t stack_lanes __attribute__((vector_size(STACK_LINE * sizeof(uint32_t))));

struct stack_line {
    stack_lanes lo, mid, hi, stack1; /* stack + 1; 0: free, as are those behind it */
};

struct stack_ids {
    struct stack_line *lines;
    uint32_t           n_lines, n;
};

void   stack_ids_put(struct stack_ids *t, struct slab *s, struct hash128 hash, uint32_t stack);
bool   stack_ids_get(const struct stack_ids *t, struct hash128 hash, uint32_t *stack);
void   stack_ids_free(struct stack_ids *t, struct slab *s);
size_t stack_ids_cost(const struct stack_ids *t, size_t more); /* bytes taken, at its peak, by `more` puts */

/* The line where a search for a hash begins, by the upper half of `lo`. */
static inline uint32_t stack_ids_home(const struct stack_ids *t, uint32_t mid)
{
    return (uint32_t)((uint64_t)mid * t->n_lines >> 32);
}

/* Asks memory for the line. */
static inline void stack_ids_warm(const struct stack_ids *t, struct hash128 hash)
{
    if (t->n_lines > 0)
        __builtin_prefetch(&t->lines[stack_ids_home(t, (uint32_t)(hash.lo >> 32))]);
}
