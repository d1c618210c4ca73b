/*
 * Slab: the memory of one bucket.  Bump allocation from chunks that grow with the bucket; everything goes at once.
 *
 *     chunks 4K 4K ... 8K ... 256K   (an eighth of what there is, so a small bucket stays small and a big one wastes little)
 *                        ... 1M      (in bulk: much is copied at once, and pages are asked for before they are written)
 *     blocks                         (what is larger than a quarter of a chunk is taken by itself)
 *     private                        (the writer's hash tables: given back when they grow)
 *
 * A1  What slab_alloc returns is readable, and stays where it is, until slab_fini: readers may look while the writer writes
 *     elsewhere.
 * A2  `bytes` is the sum of what was asked from the system and not given back; it only falls by slab_give and slab_credit.
 *
 * One writer; any thread may read slab_bytes.  Allocate or die: bucket_cost_max lets the owner make room first.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct slab {
    char           *chunk; /* the newest */
    size_t          used, cap;
    size_t          asked; /* up to here; in bulk */
    void          **blocks; /* all chunks and blocks, to free */
    uint32_t        n_blocks, blocks_cap;
    _Atomic size_t  bytes;
    _Atomic size_t *meter; /* shared by many, or NULL */
    struct slab    *of;    /* of a fork: what accounts for it */
    bool            is_bulk;
};

void slab_init(struct slab *s, _Atomic size_t *meter);
void slab_fini(struct slab *s); /* what is private has been given back */

/* What another thread takes memory from for the same bucket, until it is joined: accounted for at once, in `of`. */
void slab_fork(struct slab *fork, struct slab *of);
void slab_join(struct slab *s, struct slab *fork);

/* `align`: 1, 4 or 8. */
void *slab_alloc(struct slab *s, size_t bytes, size_t align);

/* Of much that is about to be written whole: its pages come by one call of the system, not by a fault each. */
void slab_ask(void *p, size_t bytes);

static inline void *slab_new(struct slab *s, size_t bytes) { return slab_alloc(s, bytes, 8); }

struct slice slab_copy(struct slab *s, struct slice text);

/* Zeroed memory that only the writer sees. */
void *slab_take(struct slab *s, size_t bytes);
void  slab_give(struct slab *s, void *p, size_t bytes); /* NULL is fine */

/* Accounts for what was allocated elsewhere (the bucket itself, an image). */
void slab_charge(struct slab *s, size_t bytes);
void slab_credit(struct slab *s, size_t bytes);

/* The most by which `bytes` grows when allocations of `bytes` in sum, padding included, are made. */
size_t slab_cost_max(const struct slab *s, size_t bytes);

static inline size_t slab_bytes(const struct slab *s)
{
    return atomic_load_explicit(s->of ? &s->of->bytes : &s->bytes, memory_order_relaxed);
}
