#include "ingest/short_ids.h"

#include <stddef.h>

#ifdef __x86_64__
#include <immintrin.h>

enum { STEP = 16, HALF = STEP / 2, GAPS = 1 << (HALF + 1), GOES_ON = 0x80, ID_MAX = (1 << 14) - 1 };

#define WIDE __attribute__((target("avx2,popcnt")))

/*
 * A gap is a byte that no id ends with.  The gaps of eight bytes and of the one before them, which is bit 0, say where each lane
 * gets its bytes: from the byte that its id ends with, and from the one before when that is a gap.  Made before main, read-only since.
 */
static _Alignas(STEP) uint8_t lanes[GAPS][STEP];

__attribute__((constructor)) static void lanes_make(void)
{
    for (unsigned gaps = 0; gaps < GAPS; gaps++) {
        unsigned n = 0;
        for (unsigned i = 1; i <= HALF; i++) {
            unsigned has_two = gaps >> (i - 1) & 1;
            if (gaps >> i & 1)
                continue;
            lanes[gaps][n++] = (uint8_t)(i - has_two);
            lanes[gaps][n++] = has_two ? (uint8_t)i : GOES_ON; /* which makes it 0 */
        }
        while (n < STEP)
            lanes[gaps][n++] = GOES_ON;
    }
}

WIDE static inline __m128i lanes_load(uint32_t gaps)
{
    return _mm_load_si128((const __m128i *)lanes[gaps & (GAPS - 1)]);
}

/* The ids that end within `here`, eight lanes for each half of it, filled from the first on. */
WIDE static inline __m256i ids_take(__m128i before, __m128i here, uint32_t gaps)
{
    const __m256i weights = _mm256_set1_epi16((short)(128 << 8 | 1)), seven_bits = _mm256_set1_epi8(0x7f);
    __m256i       bytes = _mm256_set_m128i(_mm_srli_si128(here, HALF - 1), _mm_alignr_epi8(here, before, STEP - 1));
    __m256i       from = _mm256_set_m128i(lanes_load(gaps >> HALF), lanes_load(gaps));

    return _mm256_maddubs_epi16(weights, _mm256_and_si256(_mm256_shuffle_epi8(bytes, from), seven_bits));
}

/* Lanes that hold no id are written too, and then written over. */
WIDE static inline uint32_t *ids_put(__m256i ids, uint32_t gaps, uint32_t *out)
{
    __m256i less = _mm256_sub_epi16(ids, _mm256_set1_epi16(1));

    _mm256_storeu_si256((__m256i *)out, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(less)));
    out += HALF - __builtin_popcount(gaps >> 1 & 0xff);
    _mm256_storeu_si256((__m256i *)out, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(less, 1)));
    return out + HALF - __builtin_popcount(gaps >> (HALF + 1) & 0xff);
}

WIDE static uint32_t *ids_read(const uint8_t *p, const uint8_t *end, uint32_t highest, uint32_t *out)
{
    const __m256i most = _mm256_set1_epi16((short)highest);
    __m256i       above = _mm256_setzero_si256();
    __m128i       before = _mm_setzero_si128();
    uint32_t goes_on = 0, others = 0; /* the last byte before; bytes that are not of what is read, or not in order */

    for (; p < end; p += STEP) {
        __m128i  here = _mm_loadu_si128((const __m128i *)p);
        uint32_t own = end - p < STEP ? (1u << (end - p)) - 1 : 0xffff;
        uint32_t more = (uint32_t)_mm_movemask_epi8(here) & own;
        uint32_t zero = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(here, _mm_setzero_si128())) & own;
        uint32_t gaps = (more | (own ^ 0xffff)) << 1 | goes_on;
        others |= zero | (more & gaps);
        __m256i ids = ids_take(before, here, gaps);
        above = _mm256_or_si256(above, _mm256_cmpgt_epi16(ids, most));
        out = ids_put(ids, gaps, out);
        goes_on = more >> (STEP - 1);
        before = here;
    }
    return others == 0 && _mm256_testz_si256(above, above) ? out : NULL;
}

uint32_t *short_ids_read(const uint8_t *p, const uint8_t *end, uint32_t highest, uint32_t *out)
{
    if (p == end)
        return out;
    if (end[-1] >= GOES_ON || !__builtin_cpu_supports("avx2"))
        return NULL;
    return ids_read(p, end, highest < ID_MAX ? highest : ID_MAX, out);
}

#else

uint32_t *short_ids_read(const uint8_t *p, const uint8_t *end, uint32_t highest, uint32_t *out)
{
    (void)highest;
    return p == end ? out : NULL;
}

#endif
