/*
 * Hash: XXH3 under the two widths in use.  Seed 0 everywhere that a value leaves the process (placement, keys), so that
 * every node computes the same; a key that this process drew when it began wherever a table holds what others chose: who knows
 * the function could make of it one long list.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

struct hash128 {
    uint64_t lo, hi;
};

uint64_t       hash64(const void *bytes, size_t n);
struct hash128 hash128(const void *bytes, size_t n);

/* Under the key.  128 bits also where equal hashes are taken for equal things. */
uint64_t       hash64_keyed(const void *bytes, size_t n);
struct hash128 hash128_keyed(const void *bytes, size_t n);

/* Odd numbers drawn with that key before main, read-only since: one for each place of a list. */
enum { HASH_ODDS_N = 1024 };
extern uint64_t hash_odds[HASH_ODDS_N];

static inline uint64_t hash_slice(struct slice s) { return hash64(s.p, s.n); }
static inline uint64_t hash_text(struct slice s) { return hash64_keyed(s.p, s.n); }

/* Both halves of the product: as good as the two are random. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two words mixed into one, under the key: for what is found by ids. */
static inline uint64_t hash_pair(uint64_t a, uint64_t b) { return hash_fold(a ^ hash_odds[4], b ^ hash_odds[5]); }
