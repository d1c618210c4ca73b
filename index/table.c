#include "index/table.h"

#include <assert.h>

#include "index/vec.h"

enum { CAP_FIRST = 8, GROUP = 64 };

uint32_t table_cap(uint32_t cap, uint64_t n)
{
    uint64_t wide = cap;

    while (n * 5 > wide * 4)
        wide = wide ? wide + wide / 2 : CAP_FIRST; /* by half: two thirds full on average, at four moves an item */
    assert(wide <= UINT32_MAX);
    return (uint32_t)wide;
}

uint32_t table_cap_filled(uint32_t cap, uint64_t n)
{
    uint64_t wide = n + n * 2 / 5;

    if (n * 5 <= (uint64_t)cap * 4)
        return cap;
    assert(wide <= UINT32_MAX);
    return wide > CAP_FIRST ? (uint32_t)wide : CAP_FIRST;
}

static void table_place(struct table *t, struct table_slot slot)
{
    uint32_t at = table_home(slot.tag, t->cap);

    while (t->slots[at].index1 != 0)
        at = at + 1 == t->cap ? 0 : at + 1;
    t->slots[at] = slot;
}

static void table_grow(struct table *t, struct slab *s, uint32_t cap)
{
    struct table old = *t;

    t->slots = slab_take(s, cap * sizeof *t->slots);
    t->cap = cap;
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].index1 != 0)
            table_place(t, old.slots[i]);
    slab_give(s, old.slots, old.cap * sizeof *old.slots);
}

void table_put(struct table *t, struct slab *s, uint64_t hash, uint32_t index)
{
    uint32_t cap = table_cap(t->cap, (uint64_t)t->n + 1);

    assert(index < UINT32_MAX);
    if (cap != t->cap)
        table_grow(t, s, cap);
    table_place(t, (struct table_slot){ table_tag(hash), index + 1 });
    t->n++;
}

static bool is_there(const struct table *t, uint64_t hash, const void *of, uint32_t i, table_same_fn *same)
{
    struct table_walk w = table_walk(t, hash);
    uint32_t          j;

    while (table_next(t, &w, &j))
        if (same(of, i, j))
            return true;
    return false;
}

bool table_fill(struct table *t, struct slab *s, const void *of, uint32_t n, table_hash_fn *hash, table_same_fn *same)
{
    uint64_t hashes[GROUP];
    uint32_t cap = table_cap_filled(t->cap, n);
    bool     is_each_once = true;

    if (cap != t->cap)
        table_grow(t, s, cap);
    for (uint32_t i = t->n; i < n; i = t->n) {
        uint32_t count = n - i < GROUP ? n - i : GROUP;
        for (uint32_t k = 0; k < count; k++)
            table_warm(t, hashes[k] = hash(of, i + k));
        for (uint32_t k = 0; k < count; k++) {
            is_each_once &= !is_there(t, hashes[k], of, i + k, same);
            table_put(t, s, hashes[k], i + k);
        }
    }
    return is_each_once;
}

void table_free(struct table *t, struct slab *s) { slab_give(s, t->slots, t->cap * sizeof *t->slots); }

size_t table_cost(const struct table *t, size_t more)
{
    if (t->n + (uint64_t)more >= VEC_MAX)
        return COST_OF_TOO_MANY;
    uint32_t cap = table_cap(t->cap, t->n + more);
    return cap == t->cap ? 0 : cap * sizeof *t->slots;
}
