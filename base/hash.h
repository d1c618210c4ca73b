/*
 * Hash: XXH3 under the two widths in use.  Seed 0 everywhere that a value leaves the process (placement, keys), so that
 * every node computes the same.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

struct hash128 {
    uint64_t lo, hi;
};

uint64_t       hash64(const void *bytes, size_t n);
struct hash128 hash128(const void *bytes, size_t n);

/*
 * Under a key that this process drew when it began: for what never leaves it, where equal hashes are taken for equal things
 * and nobody outside may be able to look for two that are not.
 */
struct hash128 hash128_keyed(const void *bytes, size_t n);

/* Odd numbers drawn with that key before main, read-only since: one for each place of a list. */
enum { HASH_ODDS_N = 1024 };
extern uint64_t hash_odds[HASH_ODDS_N];

static inline uint64_t hash_slice(struct slice s) { return hash64(s.p, s.n); }

/* Two words mixed into one: for keys made of ids. */
static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u ^ (b + 0xA0761D6478BD642Fu) * 0xE7037ED1A0B428DBu;
    return x ^ x >> 32;
}
