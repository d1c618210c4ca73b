#include "model/columns.h"

#include <assert.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a narrow value is the front of a wide one");

/* Compiled anew where the stride is known: arrays of plain numbers, most of all bytes, become vectors. */
#define INLINE __attribute__((always_inline)) static inline

/* A record may begin anywhere in a message. */
typedef uint16_t loose_u16 __attribute__((aligned(1)));
typedef uint32_t loose_u32 __attribute__((aligned(1)));
typedef uint64_t loose_u64 __attribute__((aligned(1)));

enum { ITEM_WORDS_MAX = COLUMNS_MAX };

struct head {
    uint32_t n;
    uint8_t  width[COLUMNS_MAX];
};
_Static_assert(sizeof(struct head) == 16, "as documented");

static size_t aligned(size_t n) { return (n + 7) & ~(size_t)7; }

/* ---- packing -------------------------------------------------------------------------------------------------------- */

/* The bits that are set in any value of a field, and those in all. */
struct bits {
    uint64_t any, all;
};

/* Of each word of the items. */
INLINE void words_by(const uint64_t *items, size_t words, uint32_t n, struct bits *of)
{
    for (size_t w = 0; w < words; w++)
        of[w] = (struct bits){ 0, n > 0 ? UINT64_MAX : 0 };
    for (uint32_t i = 0; i < n; i++)
        for (size_t w = 0; w < words; w++) {
            of[w].any |= items[i * words + w];
            of[w].all &= items[i * words + w];
        }
}

static struct bits numbers_bits(const uint32_t *items, uint32_t n)
{
    uint32_t any = 0, all = n > 0 ? UINT32_MAX : 0;

    for (uint32_t i = 0; i < n; i++) {
        any |= items[i];
        all &= items[i];
    }
    return (struct bits){ any, all };
}

/* One pass over all fields. */
static void bits_of(const void *items, size_t item_bytes, uint32_t n, struct bits *of)
{
    struct bits one, three[3];

    if (item_bytes == 4)
        *of = numbers_bits(items, n);
    else if (item_bytes == 8)
        words_by(items, 1, n, &one), *of = one;
    else if (item_bytes == 24)
        words_by(items, 3, n, three), memcpy(of, three, sizeof three);
    else
        words_by(items, item_bytes / 8, n, of);
}

static struct bits field_bits(const struct bits *words, struct column c)
{
    struct bits w = words[c.at / 8];
    unsigned    shift = c.at % 8 * 8;
    uint64_t    mask = c.bytes == 8 ? UINT64_MAX : UINT32_MAX;

    return (struct bits){ w.any >> shift & mask, w.all >> shift & mask };
}

static uint8_t width_of(struct bits b)
{
    uint64_t differ = b.any ^ b.all;
    return differ == 0 ? 0 : differ <= UINT8_MAX ? 1 : differ <= UINT16_MAX ? 2 : differ <= UINT32_MAX ? 4 : 8;
}

static uint64_t low_bits(uint8_t width) { return width == 8 ? UINT64_MAX : (UINT64_C(1) << width * 8) - 1; }

/* The low bytes come first. */
#define NARROW(type)                                                                                                   \
    for (uint32_t i = 0; i < n; i++)                                                                                   \
    ((type *)to)[i] = *(const type *)(const void *)(field + i * stride)

INLINE void narrow_by(const char *field, size_t stride, uint32_t n, uint8_t width, void *to)
{
    if (width == 1)
        NARROW(uint8_t);
    else if (width == 2)
        NARROW(loose_u16);
    else if (width == 4)
        NARROW(loose_u32);
    else if (width == 8)
        NARROW(loose_u64);
}

static void narrow(const char *field, size_t stride, uint32_t n, uint8_t width, void *to)
{
    if (stride == 4)
        narrow_by(field, 4, n, width, to);
    else if (stride == 8)
        narrow_by(field, 8, n, width, to);
    else
        narrow_by(field, stride, n, width, to);
}

static void column_put(const char *field, size_t stride, uint32_t n, uint8_t width, struct buf *out)
{
    size_t bytes = (size_t)n * width, room = aligned(bytes);
    char  *to = buf_reserve(out, room);

    narrow(field, stride, n, width, to);
    memset(to + bytes, 0, room - bytes);
    out->n += room;
}

void columns_pack(const struct columns *c, const void *items, uint32_t n, struct buf *out)
{
    struct head head = { .n = n };
    uint64_t    base[COLUMNS_MAX];
    struct bits words[ITEM_WORDS_MAX];
    size_t      begin = out->n, head_bytes = sizeof head + c->n * sizeof *base;

    assert(c->item_bytes == 4 || (c->item_bytes % 8 == 0 && c->item_bytes / 8 <= ITEM_WORDS_MAX));
    buf_reserve(out, head_bytes);
    out->n += head_bytes;
    bits_of(items, c->item_bytes, n, words);
    for (uint8_t k = 0; k < c->n; k++) {
        const char *field = (const char *)items + c->at[k].at;
        struct bits bits = field_bits(words, c->at[k]);
        head.width[k] = width_of(bits);
        if (k == 0 && head.width[k] == 0 && n > 1)
            head.width[k] = 1; /* C1 */
        base[k] = bits.all & ~low_bits(head.width[k]);
        column_put(field, c->item_bytes, n, head.width[k], out);
    }
    memcpy(out->p + begin, &head, sizeof head);
    memcpy(out->p + begin + sizeof head, base, c->n * sizeof *base);
}

/* ---- unpacking ------------------------------------------------------------------------------------------------------ */

#define WIDEN(to, type)                                                                                                \
    for (uint32_t i = 0; i < n; i++)                                                                                   \
    *(to *)(void *)(field + i * stride) = (to)(base | ((const type *)from)[i])

INLINE void widen_4(const void *from, uint32_t n, uint8_t width, uint32_t base, char *field, size_t stride)
{
    if (width == 0)
        for (uint32_t i = 0; i < n; i++)
            *(uint32_t *)(void *)(field + i * stride) = base;
    else if (width == 1)
        WIDEN(uint32_t, uint8_t);
    else if (width == 2)
        WIDEN(uint32_t, loose_u16);
    else
        WIDEN(uint32_t, loose_u32);
}

INLINE void widen_8(const void *from, uint32_t n, uint8_t width, uint64_t base, char *field, size_t stride)
{
    if (width == 0)
        for (uint32_t i = 0; i < n; i++)
            *(uint64_t *)(void *)(field + i * stride) = base;
    else if (width == 1)
        WIDEN(uint64_t, uint8_t);
    else if (width == 2)
        WIDEN(uint64_t, loose_u16);
    else if (width == 4)
        WIDEN(uint64_t, loose_u32);
    else
        WIDEN(uint64_t, loose_u64);
}

static bool is_width(uint8_t w) { return w == 0 || w == 1 || w == 2 || w == 4 || w == 8; }

/* Does every field have a width that it may have, and is all there that the head promises? */
static bool head_fits(const struct columns *c, const struct head *h, const uint64_t *base, size_t bytes)
{
    uint64_t need = sizeof *h + c->n * sizeof *base;

    if (h->n > 1 && h->width[0] == 0)
        return false; /* C1 */
    for (uint8_t k = 0; k < c->n; k++) {
        if (!is_width(h->width[k]) || h->width[k] > c->at[k].bytes || (c->at[k].bytes == 4 && base[k] > UINT32_MAX))
            return false;
        need += aligned((size_t)h->n * h->width[k]);
    }
    return need <= bytes;
}

static bool head_read(const struct columns *c, struct slice packed, struct head *h, uint64_t base[COLUMNS_MAX])
{
    size_t base_bytes = c->n * sizeof *base;

    if (packed.n < sizeof *h + base_bytes)
        return false;
    memcpy(h, packed.p, sizeof *h);
    memcpy(base, packed.p + sizeof *h, base_bytes);
    return head_fits(c, h, base, packed.n);
}

static bool covers_all(const struct columns *c)
{
    size_t covered = 0;

    for (uint8_t k = 0; k < c->n; k++)
        covered += c->at[k].bytes;
    return covered == c->item_bytes;
}

/* Takes the fields, whose head was read, off the front. */
static void fields_unpack(const struct columns *c, const struct head *h, const uint64_t *base, struct slice *packed,
                          char *items)
{
    size_t at = sizeof *h + c->n * sizeof *base;

    if (!covers_all(c))
        memset(items, 0, (size_t)h->n * c->item_bytes); /* C2 */
    for (uint8_t k = 0; k < c->n; at += aligned((size_t)h->n * h->width[k++])) {
        const char *from = packed->p + at;
        if (c->item_bytes == 4)
            widen_4(from, h->n, h->width[k], (uint32_t)base[k], items, 4);
        else if (c->item_bytes == 8 && c->at[k].bytes == 8)
            widen_8(from, h->n, h->width[k], base[k], items, 8);
        else if (c->at[k].bytes == 4)
            widen_4(from, h->n, h->width[k], (uint32_t)base[k], items + c->at[k].at, c->item_bytes);
        else
            widen_8(from, h->n, h->width[k], base[k], items + c->at[k].at, c->item_bytes);
    }
    *packed = slice_from(*packed, at);
}

bool columns_unpack(const struct columns *c, struct slice *packed, struct arena *a, const void **items, uint32_t *n)
{
    struct head h;
    uint64_t    base[COLUMNS_MAX];

    if (!head_read(c, *packed, &h, base))
        return false;
    char *made = arena_array(a, h.n, c->item_bytes);
    fields_unpack(c, &h, base, packed, made);
    *items = made;
    *n = h.n;
    return true;
}

bool columns_unpack_n(const struct columns *c, struct slice *packed, void *items, uint32_t n)
{
    struct head h;
    uint64_t    base[COLUMNS_MAX];

    if (!head_read(c, *packed, &h, base) || h.n != n)
        return false;
    fields_unpack(c, &h, base, packed, items);
    return true;
}
