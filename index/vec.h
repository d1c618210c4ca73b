/*
 * Vec: an append-only array in segments, written by one thread and read by any number.
 *
 *     n --+      dir --> [ seg 0 | seg 1 | seg 2 | seg 3 | seg 4 | ... ]     items of a segment: base, four times,
 *         |                  4       4       4       4       8               then 2 base, four times, then 4 base ...
 *         +-- stored last, loaded first
 *
 * V1  Items [0, n) are whole and never change or move.  Growth adds a segment; at most a fifth of the room is unused.
 * V2  The writer fills the item, then the directory, then stores n (release).  A reader loads n (acquire) first, then the
 *     directory: pointer-then-length would be a read out of bounds.
 * V3  The directory is copied when full.  Old copies stay until the slab dies: they double, so they cost less than the live
 *     one, which has four addresses for each doubling of the items.
 * V4  An entry of the directory is where item 0 would lie if its segment reached back to it: so an item is found by its index
 *     alone, whatever its segment.  An address, for no pointer may point there.
 */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "index/slab.h"

enum { VEC_MAX = 1 << 30 };

/* What cost functions say for more than VEC_MAX items, which will be refused: sums of it are still larger than any memory. */
#define COST_OF_TOO_MANY (SIZE_MAX / 64)

struct vec {
    _Atomic uint32_t     n;
    uint16_t             item_bytes;
    uint8_t              base_log2;
    uint8_t              dir_cap; /* the writer's */
    _Atomic(uintptr_t *) dir;
};

void vec_init(struct vec *v, size_t item_bytes, unsigned base_log2);

/* The index of the new item, a copy of `item`.  Writer only. */
uint32_t vec_add(struct vec *v, struct slab *s, const void *item);

/* The same for n items side by side, seen at once. */
void vec_extend(struct vec *v, struct slab *s, const void *items, uint32_t n);

/* What slab_alloc is asked for in sum when `more` items are added. */
size_t vec_cost(const struct vec *v, size_t more);

/* The most that it can be for a vec like `kind` with at most `n` items, however they fill their segments. */
size_t vec_cost_max(const struct vec *kind, size_t n, size_t more);

static inline uint32_t vec_n(const struct vec *v) { return atomic_load_explicit(&v->n, memory_order_acquire); }

struct vec_place {
    uint32_t segment, offset, n; /* n: items of the segment */
};

static inline struct vec_place vec_place(const struct vec *v, uint32_t i)
{
    uint32_t j = i + (4u << v->base_log2);
    uint32_t e = (31u ^ (uint32_t)__builtin_clz(j)) - 2; /* log2 of the segment's items; so written, one instruction */

    return (struct vec_place){ (e - v->base_log2) * 4 + (j >> e) - 4, j & ((1u << e) - 1), 1u << e };
}

/* Item i < vec_n, as the caller has loaded it. */
static inline const void *vec_at(const struct vec *v, uint32_t i)
{
    uintptr_t item0 = atomic_load_explicit(&v->dir, memory_order_acquire)[vec_place(v, i).segment];

    return (const void *)(item0 + (size_t)i * v->item_bytes);
}

/* The items from i on that lie side by side: at least one, at most n - i; how many is stored in `run`. */
static inline const void *vec_run(const struct vec *v, uint32_t i, uint32_t n, uint32_t *run)
{
    struct vec_place p = vec_place(v, i);
    uint32_t         left = p.n - p.offset;

    assert(i < n);
    *run = left < n - i ? left : n - i;
    return vec_at(v, i);
}

static inline uint32_t vec_u32(const struct vec *v, uint32_t i) { return *(const uint32_t *)vec_at(v, i); }

static inline void *vec_pointer(const struct vec *v, uint32_t i) { return *(void *const *)vec_at(v, i); }
