/*
 * Goal: a stack is found under its hash and under no other, while the table grows.
 * Method: hashes from a seed, many of them in few lines and at the table's end, beside a plain list of what was put.
 */
#include "index/stack_ids.h"

#include <assert.h>
#include <stdio.h>

enum { N = 3000 };

static uint64_t seed = 1;

static uint64_t random64(void)
{
    uint64_t x = seed += 0x9E3779B97F4A7C15u;

    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* A quarter begins in the last line, a quarter in the first, whatever the size. */
static struct hash128 hash_make(uint32_t i)
{
    struct hash128 h = { random64(), random64() };

    if (i % 4 == 0)
        h.lo |= UINT64_C(0xFFFFFFFF) << 32;
    if (i % 4 == 1)
        h.lo &= UINT32_MAX;
    return h;
}

static void is_found(const struct stack_ids *t, struct hash128 hash, uint32_t stack)
{
    uint32_t got;

    assert(stack_ids_get(t, hash, &got) && got == stack);
    assert(!stack_ids_get(t, (struct hash128){ hash.lo ^ 1, hash.hi }, &got));
    assert(!stack_ids_get(t, (struct hash128){ hash.lo ^ UINT64_C(1) << 32, hash.hi }, &got));
    assert(!stack_ids_get(t, (struct hash128){ hash.lo, hash.hi ^ UINT64_C(1) << 63 }, &got));
}

int main(void)
{
    static struct hash128 hashes[N];
    struct stack_ids      t = { 0 };
    struct slab           s;
    uint32_t              got;

    slab_init(&s, NULL);
    assert(!stack_ids_get(&t, (struct hash128){ 0 }, &got));
    for (uint32_t i = 0; i < N; i++) {
        size_t before = slab_bytes(&s), table = t.n_lines * sizeof *t.lines, most = stack_ids_cost(&t, 1);
        hashes[i] = hash_make(i);
        stack_ids_put(&t, &s, hashes[i], i);
        assert(slab_bytes(&s) == (most > 0 ? before - table + most : before));
        is_found(&t, hashes[i / 2], i / 2);
        is_found(&t, hashes[i], i);
    }
    for (uint32_t i = 0; i < N; i++)
        is_found(&t, hashes[i], i);
    stack_ids_free(&t, &s);
    slab_fini(&s);
    puts("stack ids: found under their hashes, and under no other");
    return 0;
}
