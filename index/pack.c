#include "index/pack.h"

enum { WIDTH_MAX = 56 };

static void store64(uint8_t *at, uint64_t x) { memcpy(at, &x, sizeof x); }

static uint32_t width_of(uint64_t v) { return 63u - (uint32_t)__builtin_clzll(v << 1 | 1); } /* v < 2^63 */

/*
 * The width at which the pack is smallest, patches counted.  A patch takes a byte for its place and one for each 7 bits, or
 * part of them, that it is too wide: with a bit less width, words that just fitted cost two bytes more and those that are 7,
 * 14, ... bits too wide already cost one.
 */
static uint32_t pack_width(const uint64_t *words, uint32_t n)
{
    uint32_t with[64] = { 0 }, sevenths[64 + 7] = { 0 }; /* sevenths[w]: with[w] + with[w + 7] + with[w + 14] + ... */
    uint64_t all = 0;

    for (uint32_t i = 0; i < n; i++)
        all |= words[i];
    if (all == 0)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        with[width_of(words[i])]++;
    uint32_t best = width_of(all), best_bytes = best <= WIDTH_MAX ? (n * best + 7) / 8 : UINT32_MAX, patches = 0;
    for (uint32_t width = best; width-- > 0 && patches <= best_bytes;) {
        sevenths[width + 1] = with[width + 1] + sevenths[width + 8];
        patches += with[width + 1] + sevenths[width + 1];
        uint32_t bytes = (n * width + 7) / 8 + patches;
        if (width <= WIDTH_MAX && bytes <= best_bytes) {
            best = width;
            best_bytes = bytes;
        }
    }
    return best;
}

/* The places and then the high bits of the words that are wider than the pack. */
static uint8_t *patches_put(uint8_t *at, const uint64_t *words, uint32_t n, uint32_t width)
{
    for (uint32_t i = 0; i < n; i++) {
        *at = (uint8_t)i;
        at += words[i] >> width != 0;
    }
    for (uint32_t i = 0; i < n; i++)
        if (words[i] >> width != 0)
            at = uvarint_put(at, words[i] >> width);
    return at;
}

uint8_t *pack_put(uint8_t *at, const uint64_t *words, uint32_t n)
{
    uint32_t width = pack_width(words, n), used = 0, patches = 0;
    uint64_t mask = (UINT64_C(1) << width) - 1, window = 0;
    uint8_t *head = at;

    at += 2;
    for (uint32_t i = 0; i < n && width > 0; i++) {
        window |= (words[i] & mask) << used; /* used < 8 and width <= 56: it fits */
        store64(at, window);
        used += width;
        at += used / 8;
        window >>= used & ~7u;
        used &= 7;
    }
    at += used > 0;
    for (uint32_t i = 0; i < n; i++)
        patches += words[i] > mask;
    if (patches > 0)
        at = patches_put(at, words, n, width);
    head[0] = (uint8_t)width;
    head[1] = (uint8_t)patches;
    return at;
}

/* A width of 56 is 7 bytes and two more for a patch. */
size_t pack_bytes_max(uint64_t n, uint32_t bits)
{
    return (n + PACK - 1) / PACK * 2 + n * (bits <= 32 ? 4 : 9) + PACK_BEHIND;
}

/* ---- checking ------------------------------------------------------------------------------------------------------- */

const uint8_t *uvarint_check(const uint8_t *at, const uint8_t *end, uint64_t *v)
{
    uint64_t x = 0;

    for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return NULL;
        x |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *v = x;
            return shift == 0 || byte != 0 ? at : NULL;
        }
    }
    return NULL;
}

const uint8_t *pack_check(const uint8_t *at, const uint8_t *end, uint32_t n, uint64_t words[PACK])
{
    if (end - at < 2)
        return NULL;
    uint32_t width = at[0], patches = at[1], packed = (n * width + 7) / 8;
    if (width > WIDTH_MAX || patches > n || (uint64_t)(end - at) < UINT64_C(2) + packed + patches)
        return NULL;
    const uint8_t *place = at + 2 + packed;
    pack_low(at + 2, width, n, words);
    at = place + patches;
    for (uint32_t i = 0; i < patches; i++) {
        uint64_t high;
        if (place[i] >= n || (i > 0 && place[i] <= place[i - 1]))
            return NULL;
        at = uvarint_check(at, end, &high);
        if (at == NULL || high == 0 || high >> (63 - width) != 0)
            return NULL;
        words[place[i]] |= high << width;
    }
    return at;
}
