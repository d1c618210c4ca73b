/*
 * Table: which items of an array were seen before, by content.  The table keeps numbers and hash tags, the caller keeps
 * the items and says when two are the same.  At most half full, so it is sized once for what can come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"

struct table_slot {
    uint32_t item1; /* item + 1; 0 is free */
    uint32_t tag;   /* upper half of its hash */
};

struct table {
    struct table_slot *slots;
    uint32_t           mask;
};

typedef bool table_same_fn(const void *items, uint32_t i, uint32_t j);

static inline struct table table_new(struct arena *a, uint32_t n_max)
{
    uint32_t size = 16;

    while (size / 2 < n_max)
        size *= 2;
    return (struct table){ arena_zalloc(a, (size_t)size * sizeof(struct table_slot)), size - 1 };
}

/* The slot of the item equal to `item`, or the free one where it would be. */
__attribute__((always_inline)) static inline struct table_slot *
table_slot_of(const struct table *t, uint64_t hash, uint32_t item, table_same_fn *same, const void *items)
{
    for (uint32_t i = (uint32_t)hash & t->mask;; i = (i + 1) & t->mask) {
        struct table_slot *s = &t->slots[i];
        if (s->item1 == 0 || (s->tag == (uint32_t)(hash >> 32) && same(items, s->item1 - 1, item)))
            return s;
    }
}

/* The item equal to `item` that came first: `item` itself when it is new, and then it is in the table. */
__attribute__((always_inline)) static inline uint32_t table_put(struct table *t, uint64_t hash, uint32_t item,
                                                                table_same_fn *same, const void *items)
{
    struct table_slot *s = table_slot_of(t, hash, item, same, items);

    if (s->item1 == 0)
        *s = (struct table_slot){ item + 1, (uint32_t)(hash >> 32) };
    return s->item1 - 1;
}

/* The same, but what is new stays out of the table. */
__attribute__((always_inline)) static inline uint32_t table_get(const struct table *t, uint64_t hash, uint32_t item,
                                                                table_same_fn *same, const void *items)
{
    const struct table_slot *s = table_slot_of(t, hash, item, same, items);

    return s->item1 == 0 ? item : s->item1 - 1;
}

/*
 * The hash of a list of numbers, most of which are short: four at a time, the last four once more where they overlap.
 * Under the process's key, which numbers that somebody chose do not cancel.
 */
static inline uint64_t table_hash(const uint32_t *at, uint32_t n)
{
    const uint64_t one = hash_odds[6], two = hash_odds[7];
    uint64_t       hash = n * two, four[2] = { 0 };

    for (uint32_t i = 0; i + 4 < n; i += 4) {
        memcpy(four, at + i, sizeof four);
        hash = hash_fold(four[0] ^ one, four[1] ^ hash);
    }
    if (n >= 4)
        memcpy(four, at + n - 4, sizeof four);
    for (uint32_t i = 0; n < 4 && i < n; i++)
        four[i / 2] |= (uint64_t)at[i] << 32 * (i % 2);
    return hash_fold(four[0] ^ one, four[1] ^ hash ^ two);
}

/* Ahead of a table_put: its slot is on the way from memory while something else is done. */
static inline void table_prefetch(const struct table *t, uint64_t hash)
{
    __builtin_prefetch(&t->slots[(uint32_t)hash & t->mask], 1);
}
