/*
 * Table: from a hash to the indexes that may have it; whoever asks compares the things themselves.  The writer's own:
 * readers never look anything up, they follow ids (docs/decisions/020-bucket-memory.md).
 *
 * Open addressing, 8 bytes a slot: 32 bits of the hash (enough to place the slot again when the table grows) and the index.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "index/slab.h"

struct table_slot {
    uint32_t tag, index1; /* index + 1; 0: free */
};

struct table {
    struct table_slot *slots;
    uint32_t           cap, n;
};

struct table_walk {
    uint32_t tag, at;
};

/* hash_pair leaves little in the upper half of small ids: one more multiplication spreads it. */
static inline uint32_t table_tag(uint64_t hash) { return (uint32_t)(hash * 0x9E3779B97F4A7C15u >> 32); }

static inline uint32_t table_home(uint32_t tag, uint32_t cap) { return (uint32_t)((uint64_t)tag * cap >> 32); }

static inline struct table_walk table_walk(const struct table *t, uint64_t hash)
{
    uint32_t tag = table_tag(hash);
    return (struct table_walk){ tag, table_home(tag, t->cap) };
}

/* The next index under that hash; false: there are no more. */
static inline bool table_next(const struct table *t, struct table_walk *w, uint32_t *index)
{
    if (t->cap == 0)
        return false;
    for (;;) {
        struct table_slot slot = t->slots[w->at];
        if (slot.index1 == 0)
            return false;
        w->at = w->at + 1 == t->cap ? 0 : w->at + 1;
        if (slot.tag == w->tag) {
            *index = slot.index1 - 1;
            return true;
        }
    }
}

/*
 * Looking up many things at once: first all their slots are asked for, then all the things found there, and only then is
 * anything read, so that the waits for memory overlap.
 */
static inline void table_warm(const struct table *t, uint64_t hash)
{
    if (t->cap > 0)
        __builtin_prefetch(&t->slots[table_home(table_tag(hash), t->cap)]);
}

/* The first index under that hash, if any. */
static inline bool table_peek(const struct table *t, uint64_t hash, uint32_t *index)
{
    struct table_walk w = table_walk(t, hash);
    return table_next(t, &w, index);
}

void   table_put(struct table *t, struct slab *s, uint64_t hash, uint32_t index);
void   table_free(struct table *t, struct slab *s);
size_t table_cost(const struct table *t, size_t more); /* bytes taken, at its peak, by `more` puts */

/* The hash of a thing, and whether two are the same; `of` holds them. */
typedef uint64_t table_hash_fn(const void *of, uint32_t i);
typedef bool     table_same_fn(const void *of, uint32_t i, uint32_t j);

/* Of n things the first are there: puts in the rest.  False: two are the same. */
bool table_fill(struct table *t, struct slab *s, const void *of, uint32_t n, table_hash_fn *hash, table_same_fn *same);

/* The capacity that a table of u32 or slots grows to from `cap` to hold `n` at a load of at most 4/5. */
uint32_t table_cap(uint32_t cap, uint64_t n);

/* The same for n that come at once: seven tenths full, so that a few more do not make it grow. */
uint32_t table_cap_filled(uint32_t cap, uint64_t n);
