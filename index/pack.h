/*
 * Pack: up to 64 words of at most 63 bits, as small as they come: what rows and sealed blocks are made of.
 *
 *     u8 width (0..56), u8 patches, the low bits of the words packed little-endian to whole bytes;
 *     when there are patches: u8 high width (1..50), and of each, packed to whole bytes: 6 bits place, ascending, and the high
 *     bits of the word there
 *
 * P1  Seven bytes behind a pack can be read: eight are loaded wherever a word or a patch begins.
 * P2  What pack_put wrote, and what pack_check has passed, is read by pack_get without further checks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PACK = 64, PACK_PLACE_BITS = 6, PACK_BEHIND = 8 };
_Static_assert(PACK == 1 << PACK_PLACE_BITS, "a place in a pack");

static inline uint32_t pack_of(uint64_t left) { return left < PACK ? (uint32_t)left : PACK; }

/* May write up to PACK_BEHIND bytes behind its end. */
uint8_t *pack_put(uint8_t *at, const uint64_t *words, uint32_t n);

/* The most bytes of packs for n words below 2^bits, with what is written behind. */
size_t pack_bytes_max(uint64_t n, uint32_t bits);

/* The end of a pack of n words, which are stored; NULL: it is none, or goes beyond `end`.  P1 holds for `end`. */
const uint8_t *pack_check(const uint8_t *at, const uint8_t *end, uint32_t n, uint64_t words[PACK]);

/* The same for one that is not read now: no word of it is above *bound, which goes by its widths. */
const uint8_t *pack_check_bound(const uint8_t *at, const uint8_t *end, uint32_t n, uint64_t *bound);

static inline uint8_t *uvarint_put(uint8_t *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (uint8_t)(v | 0x80);
    *at++ = (uint8_t)v;
    return at;
}

static inline const uint8_t *uvarint_get(const uint8_t *at, uint64_t *v)
{
    uint64_t x = *at & 0x7F;

    for (unsigned shift = 7; *at++ & 0x80; shift += 7)
        x |= (uint64_t)(*at & 0x7F) << shift;
    *v = x;
    return at;
}

/* Minimal uvarints only: one value, one encoding.  NULL: it is none, or goes beyond `end`. */
const uint8_t *uvarint_check(const uint8_t *at, const uint8_t *end, uint64_t *v);

/* Signed words, small ones near 0. */
static inline uint64_t zigzag(int64_t v) { return (uint64_t)v << 1 ^ (uint64_t)(v >> 63); }
static inline int64_t  unzigzag(uint64_t v) { return (int64_t)(v >> 1 ^ (0 - (v & 1))); }

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x); /* little-endian hosts only, as everything that is mapped from a file */
    return x;
}

/* `k` words for each eight bytes loaded; k * width <= 57, k divides PACK.  What is behind n words is garbage. */
static inline __attribute__((always_inline)) void unpack(const uint8_t *packed, uint32_t width, uint32_t n, uint32_t k,
                                                         uint64_t *words)
{
    uint64_t mask = (UINT64_C(1) << width) - 1;

    for (uint32_t i = 0, bit = 0; i < n; i += k, bit += k * width) {
        uint64_t window = load64(packed + bit / 8) >> bit % 8;
#pragma GCC unroll 8
        for (uint32_t j = 0; j < k; j++, window >>= width)
            words[i + j] = window & mask;
    }
}

/* The low bits of the words. */
static inline void pack_low(const uint8_t *packed, uint32_t width, uint32_t n, uint64_t words[PACK])
{
    if (width == 0)
        memset(words, 0, n * sizeof *words); /* nothing to load: the block may end here */
    else if (width <= 7)
        unpack(packed, width, n, 8, words);
    else if (width <= 14)
        unpack(packed, width, n, 4, words);
    else if (width <= 28)
        unpack(packed, width, n, 2, words);
    else
        unpack(packed, width, n, 1, words);
}

/* Behind the low bits; the end of the patches. */
static inline const uint8_t *pack_patch(const uint8_t *at, uint32_t width, uint32_t patches, uint64_t words[PACK])
{
    uint32_t step = PACK_PLACE_BITS + at[0], bit = 0;
    uint64_t mask = (UINT64_C(1) << at[0]) - 1;

    for (at++; patches > 0; patches--, bit += step) {
        uint64_t patch = load64(at + bit / 8) >> bit % 8; /* 56 bits, at most, of 57 */
        words[patch % PACK] |= (patch >> PACK_PLACE_BITS & mask) << width;
    }
    return at + (bit + 7) / 8;
}

static inline const uint8_t *pack_get(const uint8_t *at, uint32_t n, uint64_t words[PACK])
{
    uint32_t       width = at[0], patches = at[1];
    const uint8_t *packed = at + 2, *end = packed + (n * width + 7) / 8;

    pack_low(packed, width, n, words);
    return patches == 0 ? end : pack_patch(end, width, patches, words);
}
