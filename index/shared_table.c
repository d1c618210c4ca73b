#include "index/shared_table.h"

#include <assert.h>
#include <string.h>

#include "index/vec.h"

static size_t slots_bytes(uint32_t cap) { return sizeof(struct shared_slots) + cap * sizeof(uint64_t); }

static struct shared_slots *slots_new(struct slab *s, uint32_t cap)
{
    struct shared_slots *slots = slab_new(s, slots_bytes(cap));

    memset(slots, 0, slots_bytes(cap));
    slots->cap = cap;
    return slots;
}

static uint64_t slot_load(struct shared_slots *slots, uint32_t i)
{
    return atomic_load_explicit(&slots->at[i], memory_order_relaxed); /* the writer's own */
}

static void slot_place(struct shared_slots *slots, uint64_t slot)
{
    uint32_t i = table_home((uint32_t)(slot >> 32), slots->cap);

    while (slot_load(slots, i) != 0)
        i = i + 1 == slots->cap ? 0 : i + 1;
    atomic_store_explicit(&slots->at[i], slot, memory_order_release); /* T1 */
}

static struct shared_slots *slots_grown(struct slab *s, struct shared_slots *old, uint32_t cap)
{
    struct shared_slots *slots = slots_new(s, cap);

    for (uint32_t i = 0; old != NULL && i < old->cap; i++)
        if (slot_load(old, i) != 0)
            slot_place(slots, slot_load(old, i));
    return slots;
}

/* Doubled, so that the old ones, which stay, are less than the newest in sum. */
static uint32_t cap_for(uint32_t cap, uint64_t n)
{
    enum { CAP_FIRST = 8 };
    uint64_t wide = cap;

    while (n * 5 > wide * 4) /* T3 */
        wide = wide ? wide * 2 : CAP_FIRST;
    assert(wide <= UINT32_MAX);
    return (uint32_t)wide;
}

static uint32_t cap_now(const struct shared_slots *slots) { return slots != NULL ? slots->cap : 0; }

void shared_table_put(struct shared_table *t, struct slab *s, uint64_t hash, uint32_t index)
{
    struct shared_slots *slots = atomic_load_explicit(&t->slots, memory_order_relaxed);
    uint32_t             cap = cap_for(cap_now(slots), (uint64_t)t->n + 1);

    assert(index < UINT32_MAX);
    if (cap != cap_now(slots))
        atomic_store_explicit(&t->slots, slots = slots_grown(s, slots, cap), memory_order_release); /* T2 */
    slot_place(slots, (uint64_t)table_tag(hash) << 32 | (index + 1));
    t->n++;
}

size_t shared_table_cost(const struct shared_table *t, size_t more)
{
    struct shared_slots *slots = atomic_load_explicit(&t->slots, memory_order_relaxed);
    uint32_t             cap = cap_now(slots);
    size_t               bytes = 0;

    if (t->n + (uint64_t)more >= VEC_MAX)
        return COST_OF_TOO_MANY;
    for (uint32_t to = cap_for(cap, t->n + more); cap < to; bytes += slots_bytes(cap) + 8)
        cap = cap_for(cap, (uint64_t)cap * 4 / 5 + 1);
    return bytes;
}
