/*
 * Table: which items of an array were seen before, by content.  The table keeps numbers and hash tags, the caller keeps
 * the items and says when two are the same.  At most half full, so it is sized once for what can come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

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

/* The item equal to `item` that came first: `item` itself when it is new, and then it is in the table. */
__attribute__((always_inline)) static inline uint32_t table_put(struct table *t, uint64_t hash, uint32_t item,
                                                                table_same_fn *same, const void *items)
{
    uint32_t tag = (uint32_t)(hash >> 32);

    for (uint32_t i = (uint32_t)hash & t->mask;; i = (i + 1) & t->mask) {
        struct table_slot *s = &t->slots[i];
        if (s->item1 == 0) {
            *s = (struct table_slot){ item + 1, tag };
            return item;
        }
        if (s->tag == tag && same(items, s->item1 - 1, item))
            return s->item1 - 1;
    }
}

/* Ahead of a table_put: its slot is on the way from memory while something else is done. */
static inline void table_prefetch(const struct table *t, uint64_t hash)
{
    __builtin_prefetch(&t->slots[(uint32_t)hash & t->mask], 1);
}
