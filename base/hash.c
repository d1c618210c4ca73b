#include "base/hash.h"

#include <stdlib.h>
#include <sys/random.h>

#define XXH_INLINE_ALL /* most of what is hashed is short: a call or two more would be felt */
#include <xxhash.h>

uint64_t hash64(const void *bytes, size_t n) { return XXH3_64bits(n ? bytes : "", n); }

struct hash128 hash128(const void *bytes, size_t n)
{
    XXH128_hash_t h = XXH3_128bits(n ? bytes : "", n);
    return (struct hash128){ h.low64, h.high64 };
}

static uint64_t key;
uint64_t        hash_odds[HASH_ODDS_N];

__attribute__((constructor)) static void key_draw(void)
{
    if (getrandom(&key, sizeof key, 0) != sizeof key)
        abort();
    for (uint64_t i = 0; i < HASH_ODDS_N; i++)
        hash_odds[i] = XXH3_64bits_withSeed(&i, sizeof i, key) | 1;
}

uint64_t hash64_keyed(const void *bytes, size_t n) { return XXH3_64bits_withSeed(n ? bytes : "", n, key); }

struct hash128 hash128_keyed(const void *bytes, size_t n)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(n ? bytes : "", n, key);
    return (struct hash128){ h.low64, h.high64 };
}
