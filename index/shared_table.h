/*
 * Shared table: from a hash to the indexes that may have it, as index/table.h, but readers probe it beside its writer.
 *
 *     slots --> { cap 16 | . 7 . . 2 . . 9 . . . . 4 . . . }     8 bytes a slot: 32 bits of the hash, index + 1; 0: free
 *
 * T1  A slot is written once, by one store (release), after what its index stands for; it never changes.  So who finds an
 *     index (acquire) may follow it.
 * T2  A table that grows is filled elsewhere and published by one store (release).  The old one stays as it was until the slab
 *     dies: a reader may still be probing it, and finds there all that had been put in when he began.
 * T3  Nothing is ever taken out, and a fifth of the slots is free: a probe ends.
 *
 * One writer, any number of readers, who never wait.
 */
#pragma once

#include "index/table.h"

struct shared_slots {
    uint32_t         cap;
    _Atomic uint64_t at[];
};

struct shared_table {
    _Atomic(struct shared_slots *) slots; /* NULL: none yet */
    uint32_t                       n;     /* the writer's */
};

struct shared_walk {
    const struct shared_slots *slots;
    uint32_t                   tag, at;
};

/* Any thread. */
static inline struct shared_walk shared_table_walk(const struct shared_table *t, uint64_t hash)
{
    const struct shared_slots *slots = atomic_load_explicit(&t->slots, memory_order_acquire);
    uint32_t                   tag = table_tag(hash);

    return (struct shared_walk){ slots, tag, slots ? table_home(tag, slots->cap) : 0 };
}

/* The next index under that hash; false: there are no more. */
static inline bool shared_table_next(struct shared_walk *w, uint32_t *index)
{
    while (w->slots != NULL) {
        uint64_t slot = atomic_load_explicit(&w->slots->at[w->at], memory_order_acquire);
        if (slot == 0)
            return false;
        w->at = w->at + 1 == w->slots->cap ? 0 : w->at + 1;
        if (slot >> 32 == w->tag) {
            *index = (uint32_t)slot - 1;
            return true;
        }
    }
    return false;
}

/* Writer only: it will be looked up soon. */
static inline void shared_table_warm(const struct shared_table *t, uint64_t hash)
{
    const struct shared_slots *slots = atomic_load_explicit(&t->slots, memory_order_relaxed);

    if (slots != NULL)
        __builtin_prefetch((const void *)&slots->at[table_home(table_tag(hash), slots->cap)]);
}

/* Writer only; what the index stands for is whole. */
void shared_table_put(struct shared_table *t, struct slab *s, uint64_t hash, uint32_t index);

size_t shared_table_cost(const struct shared_table *t, size_t more); /* bytes asked for by `more` puts */
