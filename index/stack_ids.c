#include "index/stack_ids.h"

#include <assert.h>

#include "index/table.h"
#include "index/vec.h"

static void slot_place(struct stack_ids *t, struct stack_slot slot)
{
    uint32_t at = stack_ids_home(t, slot.lo);

    while (t->slots[at].stack1 != 0)
        at = at + 1 == t->cap ? 0 : at + 1;
    t->slots[at] = slot;
}

static void slots_grow(struct stack_ids *t, struct slab *s, uint32_t cap)
{
    struct stack_ids old = *t;

    t->slots = slab_take(s, cap * sizeof *t->slots);
    t->cap = cap;
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].stack1 != 0)
            slot_place(t, old.slots[i]);
    slab_give(s, old.slots, old.cap * sizeof *old.slots);
}

void stack_ids_put(struct stack_ids *t, struct slab *s, struct hash128 hash, uint32_t stack)
{
    uint32_t cap = table_cap(t->cap, (uint64_t)t->n + 1);

    assert(stack < UINT32_MAX);
    if (cap != t->cap)
        slots_grow(t, s, cap);
    slot_place(t, (struct stack_slot){ hash.lo, (uint32_t)(hash.hi >> 32), stack + 1 });
    t->n++;
}

bool stack_ids_get(const struct stack_ids *t, struct hash128 hash, uint32_t *stack)
{
    if (t->cap == 0)
        return false;
    for (uint32_t at = stack_ids_home(t, hash.lo); t->slots[at].stack1 != 0; at = at + 1 == t->cap ? 0 : at + 1)
        if (t->slots[at].lo == hash.lo && t->slots[at].hi == hash.hi >> 32) {
            *stack = t->slots[at].stack1 - 1;
            return true;
        }
    return false;
}

void stack_ids_free(struct stack_ids *t, struct slab *s) { slab_give(s, t->slots, t->cap * sizeof *t->slots); }

size_t stack_ids_cost(const struct stack_ids *t, size_t more)
{
    if (t->n + (uint64_t)more >= VEC_MAX)
        return COST_OF_TOO_MANY;
    uint32_t cap = table_cap(t->cap, t->n + more);
    return cap == t->cap ? 0 : cap * sizeof *t->slots;
}
