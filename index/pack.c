#include "index/pack.h"

enum { WIDTH_MAX = 56, HIGH_MAX = WIDTH_MAX - PACK_PLACE_BITS }; /* with what is left of a byte below 64 bits */

static uint32_t width_of(uint64_t v) { return 63u - (uint32_t)__builtin_clzll(v << 1 | 1); } /* v < 2^63 */

/* How a pack is written: words of more than `width` bits, the widest of `widest`, are patched. */
struct widths {
    uint32_t width, widest, patches;
};

/* At the width where the pack is smallest, its patches counted in. */
static struct widths widths_choose(const uint64_t *words, uint32_t n)
{
    uint8_t  with[64] = { 0 }; /* how many words are so wide */
    uint64_t all = 0;
    uint32_t patches = 0;

    for (uint32_t i = 0; i < n; i++)
        all |= words[i];
    uint32_t      widest = width_of(all);
    struct widths best = { widest, widest, 0 };
    if (all == 0)
        return best;
    for (uint32_t i = 0; i < n; i++)
        with[width_of(words[i])]++;
    uint32_t best_bytes = widest <= WIDTH_MAX ? (n * widest + 7) / 8 : UINT32_MAX;
    for (uint32_t width = widest; width-- > 0 && widest - width <= HIGH_MAX && patches <= best_bytes;) {
        patches += with[width + 1];
        uint32_t bytes = (n * width + 7) / 8 + 1 + (patches * (PACK_PLACE_BITS + widest - width) + 7) / 8;
        if (width <= WIDTH_MAX && bytes <= best_bytes) {
            best = (struct widths){ width, widest, patches };
            best_bytes = bytes;
        }
    }
    return best;
}

struct bits {
    uint8_t *at;
    uint64_t window; /* bits not yet behind `at` */
    uint32_t used;   /* of them, below 8 */
};

static inline void bits_put(struct bits *b, uint64_t v, uint32_t width)
{
    b->window |= v << b->used;
    memcpy(b->at, &b->window, sizeof b->window);
    b->used += width;
    b->at += b->used / 8;
    b->window >>= b->used & ~7u;
    b->used &= 7;
}

static inline uint8_t *bits_end(const struct bits *b) { return b->at + (b->used > 0); }

/* `k` words at once, as `unpack` reads them; the last few one by one. */
static inline __attribute__((always_inline)) uint8_t *low_put_by(uint8_t *at, const uint64_t *words, uint32_t n,
                                                                 uint32_t width, uint32_t k)
{
    struct bits b = { .at = at };
    uint64_t    mask = (UINT64_C(1) << width) - 1;
    uint32_t    i = 0;

    for (; i + k <= n; i += k) {
        uint64_t together = 0;
#pragma GCC unroll 8
        for (uint32_t j = 0; j < k; j++)
            together |= (words[i + j] & mask) << j * width;
        bits_put(&b, together, k * width);
    }
    for (; i < n; i++)
        bits_put(&b, words[i] & mask, width);
    return bits_end(&b);
}

static uint8_t *low_put(uint8_t *at, const uint64_t *words, uint32_t n, uint32_t width)
{
    if (width == 0)
        return at;
    if (width <= 7)
        return low_put_by(at, words, n, width, 8);
    if (width <= 14)
        return low_put_by(at, words, n, width, 4);
    if (width <= 28)
        return low_put_by(at, words, n, width, 2);
    return low_put_by(at, words, n, width, 1);
}

static uint8_t *patches_put(uint8_t *at, const uint64_t *words, uint32_t n, uint32_t width, uint32_t high)
{
    struct bits b = { .at = at + 1 };
    uint8_t     places[PACK]; /* found first: which words are wide cannot be foretold */
    uint32_t    n_places = 0;

    *at = (uint8_t)high;
    for (uint32_t i = 0; i < n; i++) {
        places[n_places] = (uint8_t)i;
        n_places += words[i] >> width != 0;
    }
    for (uint32_t i = 0; i < n_places; i++)
        bits_put(&b, words[places[i]] >> width << PACK_PLACE_BITS | places[i], PACK_PLACE_BITS + high);
    return bits_end(&b);
}

uint8_t *pack_put(uint8_t *at, const uint64_t *words, uint32_t n)
{
    struct widths w = widths_choose(words, n);

    at[0] = (uint8_t)w.width;
    at[1] = (uint8_t)w.patches;
    at = low_put(at + 2, words, n, w.width);
    return w.patches == 0 ? at : patches_put(at, words, n, w.width, w.widest - w.width);
}

/* With words of 63 bits, a width of 56 is 7 bytes and 13 bits of a patch. */
size_t pack_bytes_max(uint64_t n, uint32_t bits)
{
    return (n + PACK - 1) / PACK * 4 + n * (bits <= 32 ? 4 : 9) + PACK_BEHIND;
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

/* Places ascend, and there are high bits in each. */
static bool are_patches(const uint8_t *at, uint32_t n, uint32_t high, uint32_t patches)
{
    uint32_t step = PACK_PLACE_BITS + high, next = 0;

    for (uint32_t i = 0; i < patches; i++) {
        uint64_t patch = load64(at + i * step / 8) >> i * step % 8, place = patch % PACK;
        if (place < next || place >= n || (patch >> PACK_PLACE_BITS & ((UINT64_C(1) << high) - 1)) == 0)
            return false;
        next = (uint32_t)place + 1;
    }
    return true;
}

/* What the head of a pack says, and where its patches begin. */
struct shape {
    uint32_t       width, patches, high;
    const uint8_t *behind;
};

/* The end of the pack; NULL: it is none. */
static const uint8_t *shape_check(const uint8_t *at, const uint8_t *end, uint32_t n, struct shape *out)
{
    if (end - at < 2)
        return NULL;
    uint32_t width = at[0], patches = at[1], low = (n * width + 7) / 8;
    if (width > WIDTH_MAX || patches > n || (uint64_t)(end - at) < UINT64_C(2) + low + (patches > 0))
        return NULL;
    *out = (struct shape){ width, patches, 0, at + 2 + low };
    if (patches == 0)
        return out->behind;
    uint32_t high = out->behind[0], bytes = 1 + (patches * (PACK_PLACE_BITS + high) + 7) / 8;
    if (high == 0 || high > HIGH_MAX || width + high > 63 || end - out->behind < bytes ||
        !are_patches(out->behind + 1, n, high, patches))
        return NULL;
    out->high = high;
    return out->behind + bytes;
}

const uint8_t *pack_check(const uint8_t *at, const uint8_t *end, uint32_t n, uint64_t words[PACK])
{
    struct shape   shape;
    const uint8_t *next = shape_check(at, end, n, &shape);

    if (next == NULL)
        return NULL;
    pack_low(at + 2, shape.width, n, words);
    if (shape.patches > 0)
        pack_patch(shape.behind, shape.width, shape.patches, words);
    return next;
}

const uint8_t *pack_check_bound(const uint8_t *at, const uint8_t *end, uint32_t n, uint64_t *bound)
{
    struct shape   shape;
    const uint8_t *next = shape_check(at, end, n, &shape);

    if (next != NULL)
        *bound = (UINT64_C(1) << (shape.width + shape.high)) - 1;
    return next;
}
