#include "index/vec.h"

#include <string.h>

enum { DIR_FIRST = 4 };

void vec_init(struct vec *v, size_t item_bytes, unsigned base_log2)
{
    assert(item_bytes > 0 && item_bytes <= UINT16_MAX && base_log2 < 16);
    *v = (struct vec){ .item_bytes = (uint16_t)item_bytes, .base_log2 = (uint8_t)base_log2 };
}

static void vec_widen(struct vec *v, struct slab *s)
{
    uint32_t   cap = v->dir_cap ? v->dir_cap * 2u : DIR_FIRST;
    uintptr_t *old = atomic_load_explicit(&v->dir, memory_order_relaxed);
    uintptr_t *dir = slab_new(s, cap * sizeof *dir);

    assert(cap <= UINT8_MAX);
    if (old != NULL)
        memcpy(dir, old, v->dir_cap * sizeof *dir);
    v->dir_cap = (uint8_t)cap;
    atomic_store_explicit(&v->dir, dir, memory_order_release); /* V3 */
}

/* Where item i will lie: its segment is there. */
static void *vec_room(struct vec *v, struct slab *s, uint32_t i, struct vec_place p)
{
    if (p.segment == v->dir_cap)
        vec_widen(v, s);
    uintptr_t *dir = atomic_load_explicit(&v->dir, memory_order_relaxed);
    if (p.offset == 0)
        dir[p.segment] = (uintptr_t)slab_new(s, (size_t)p.n * v->item_bytes) - (size_t)i * v->item_bytes; /* V4 */
    return (void *)(dir[p.segment] + (size_t)i * v->item_bytes);
}

uint32_t vec_add(struct vec *v, struct slab *s, const void *item)
{
    uint32_t n = atomic_load_explicit(&v->n, memory_order_relaxed);

    assert(n < VEC_MAX);
    memcpy(vec_room(v, s, n, vec_place(v, n)), item, v->item_bytes);
    atomic_store_explicit(&v->n, n + 1, memory_order_release); /* V2 */
    return n;
}

void vec_extend(struct vec *v, struct slab *s, const void *items, uint32_t n)
{
    uint32_t at = atomic_load_explicit(&v->n, memory_order_relaxed), end = at + n, run;

    assert(n <= VEC_MAX - at);
    for (const char *from = items; at < end; at += run, from += (size_t)run * v->item_bytes) {
        struct vec_place p = vec_place(v, at);
        run = p.n - p.offset < end - at ? p.n - p.offset : end - at;
        char *to = vec_room(v, s, at, p);
        slab_ask(to, (size_t)run * v->item_bytes);
        memcpy(to, from, (size_t)run * v->item_bytes);
    }
    atomic_store_explicit(&v->n, end, memory_order_release); /* V2 */
}

size_t vec_cost(const struct vec *v, size_t more)
{
    uint32_t n = atomic_load_explicit(&v->n, memory_order_relaxed);
    size_t   bytes = 0, dir_cap = v->dir_cap;

    if (more == 0)
        return 0;
    uint64_t last = (uint64_t)n + more - 1;
    if (last >= VEC_MAX)
        return COST_OF_TOO_MANY;
    uint32_t to = vec_place(v, (uint32_t)last).segment + 1;
    for (uint32_t at = n ? vec_place(v, n - 1).segment + 1 : 0; at < to; at++) {
        if (at == dir_cap) {
            dir_cap = dir_cap ? dir_cap * 2 : DIR_FIRST;
            bytes += dir_cap * sizeof(uintptr_t) + 8;
        }
        bytes += ((size_t)v->item_bytes << (v->base_log2 + at / 4)) + 8;
    }
    return bytes;
}

/* What is added fills all new segments but the last; the directories double, up to UINT8_MAX addresses. */
size_t vec_cost_max(const struct vec *kind, size_t n, size_t more)
{
    if (n + more >= VEC_MAX)
        return COST_OF_TOO_MANY;
    return (more + vec_place(kind, (uint32_t)(n + more)).n) * kind->item_bytes + (more + 1) * 8 +
           2 * UINT8_MAX * sizeof(uintptr_t);
}
