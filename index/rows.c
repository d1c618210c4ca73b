#include "index/rows.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

enum { WIDTH_MAX = 56 };

/* ---- words ---------------------------------------------------------------------------------------------------------- */

static uint8_t *put_uvarint(uint8_t *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (uint8_t)(v | 0x80);
    *at++ = (uint8_t)v;
    return at;
}

static inline const uint8_t *get_uvarint(const uint8_t *at, uint64_t *v)
{
    uint64_t x = *at & 0x7F;

    for (unsigned shift = 7; *at++ & 0x80; shift += 7)
        x |= (uint64_t)(*at & 0x7F) << shift;
    *v = x;
    return at;
}

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x); /* little-endian hosts only, as everything that is mapped from a file */
    return x;
}

static void store64(uint8_t *at, uint64_t x) { memcpy(at, &x, sizeof x); }

static uint32_t width_of(uint64_t v) { return 63u - (uint32_t)__builtin_clzll(v << 1 | 1); } /* v < 2^63 */

/* ---- packs: writing ------------------------------------------------------------------------------------------------ */

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
            at = put_uvarint(at, words[i] >> width);
    return at;
}

/* May write up to 8 bytes behind its end. */
static uint8_t *pack_put(uint8_t *at, const uint64_t *words, uint32_t n)
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

static uint32_t pack_of(uint32_t left) { return left < ROWS_PACK ? left : ROWS_PACK; }

static uint8_t *ids_put(uint8_t *at, const uint32_t *ids, uint32_t n)
{
    uint64_t words[ROWS_PACK], next = 0;

    for (uint32_t m; n > 0; n -= m, ids += m) {
        m = pack_of(n);
        for (uint32_t i = 0; i < m; i++) {
            assert(ids[i] >= next); /* R1 */
            words[i] = ids[i] - next;
            next = ids[i] + UINT64_C(1);
        }
        at = pack_put(at, words, m);
    }
    return at;
}

static uint8_t *values_put(uint8_t *at, const uint64_t *values, uint32_t n, uint64_t bias)
{
    uint64_t words[ROWS_PACK];

    for (uint32_t m; n > 0; n -= m, values += m) {
        m = pack_of(n);
        for (uint32_t i = 0; i < m; i++)
            words[i] = values[i] - bias;
        at = pack_put(at, words, m);
    }
    return at;
}

/* ---- columns: writing ----------------------------------------------------------------------------------------------- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The values by *scale as far as it divides them; it is above 1. */
static uint32_t divide(const int64_t *values, uint32_t n, uint64_t scale, uint64_t *words)
{
    for (uint32_t i = 0; i < n; i++) {
        words[i] = (uint64_t)values[i] / scale;
        if (words[i] * scale != (uint64_t)values[i])
            return i;
    }
    return n;
}

/* A column without its common factor; `words` is where it may be put. */
static const uint64_t *normalise(const int64_t *values, uint32_t n, uint64_t *words, uint64_t *scale)
{
    uint32_t i = 0;

    for (*scale = 0; i < n && *scale == 0; i++)
        *scale = (uint64_t)values[i];
    for (; *scale > 1 && (i = divide(values, n, *scale, words)) < n;)
        *scale = gcd((uint64_t)values[i], *scale);
    if (*scale > 1)
        return words;
    *scale = 1;
    return (const uint64_t *)values;
}

/* The length of what lies at `from` goes in front of it, where room for the longest was left. */
static uint8_t *close_length(uint8_t *room, uint8_t *end)
{
    uint8_t *from = room + 5;
    uint64_t n = (uint64_t)(end - from);
    uint8_t *to = put_uvarint(room, n);

    assert(n <= UINT32_MAX);
    memmove(to, from, n);
    return to + n;
}

/* Column c of those that have been normalised. */
static uint8_t *column_put(uint8_t *at, const uint64_t *const *columns, uint32_t n, uint32_t c, uint64_t scale)
{
    const uint64_t *mine = columns[c];
    uint64_t        bias = UINT64_MAX, all = 0;
    uint8_t        *room = at;

    at = put_uvarint(at + 5, scale);
    for (uint32_t other = 0; other < c; other++)
        if (memcmp(columns[other], mine, n * sizeof *mine) == 0)
            return close_length(room, put_uvarint(at, 1 + other));
    for (uint32_t i = 0; i < n; i++) {
        bias = mine[i] < bias ? mine[i] : bias;
        all |= mine[i];
    }
    assert(all <= INT64_MAX); /* R2 */
    at = put_uvarint(at, 0);
    return close_length(room, values_put(put_uvarint(at, bias), mine, n, bias));
}

size_t rows_bytes_max(uint64_t n, uint64_t n_columns)
{
    uint64_t packs = (n + ROWS_PACK - 1) / ROWS_PACK;

    /* ids: at most 32 bits a word; values: a width of 56 would be 7 bytes and two more for a patch; store64 fits as well */
    return 32 + packs * 2 + n * 4 + n_columns * (32 + packs * 2 + n * 9);
}

void rows_encode(struct buf *out, const uint32_t *ids, uint32_t n, const int64_t *const *columns, uint32_t n_columns)
{
    uint8_t        *start = (uint8_t *)buf_reserve(out, rows_bytes_max(n, n_columns)), *at = start, *room;
    uint64_t       *words = mem_alloc((size_t)n * n_columns * sizeof *words), scale;
    const uint64_t *normal[ROWS_COLUMNS_MAX];

    assert(n > 0 && n_columns > 0 && n_columns <= ROWS_COLUMNS_MAX);
    at = put_uvarint(at, n);
    *at++ = (uint8_t)n_columns;
    room = at;
    at = close_length(room, ids_put(room + 5, ids, n));
    for (uint32_t c = 0; c < n_columns; c++) {
        normal[c] = normalise(columns[c], n, words + (size_t)c * n, &scale);
        at = column_put(at, normal, n, c, scale);
    }
    memset(at, 0, ROWS_PAD);
    at += ROWS_PAD;
    free(words);
    assert((size_t)(at - start) <= rows_bytes_max(n, n_columns));
    out->n += (size_t)(at - start);
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

uint32_t rows_n(const uint8_t *block)
{
    uint64_t n;
    get_uvarint(block, &n);
    return (uint32_t)n;
}

uint32_t rows_columns(const uint8_t *block)
{
    uint64_t n;
    return *get_uvarint(block, &n);
}

/* Behind the length, the scale and the kind of column `c`; the words or the bias follow. */
static const uint8_t *column_at(const uint8_t *at, uint32_t c, uint64_t *scale, uint64_t *kind)
{
    uint64_t bytes;

    for (at = get_uvarint(at, &bytes); c > 0; c--)
        at = get_uvarint(at + bytes, &bytes);
    return get_uvarint(get_uvarint(at, scale), kind);
}

struct rows_cursor rows_open(const uint8_t *block, uint32_t column)
{
    struct rows_cursor c = { .id = UINT32_MAX };
    uint64_t           n, bytes, kind, ignored;

    block = get_uvarint(block, &n);
    assert(column < *block);
    block = get_uvarint(block + 1, &bytes);
    c.left = (uint32_t)n;
    c.ids = block;
    block += bytes;
    const uint8_t *at = column_at(block, column, &c.scale, &kind);
    if (kind > 0)
        at = column_at(block, (uint32_t)(kind - 1), &ignored, &kind);
    c.values = get_uvarint(at, &c.bias);
    return c;
}

/* `k` words for each eight bytes loaded; k * width <= 57, k divides ROWS_PACK.  What is behind n words is garbage. */
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

static inline const uint8_t *pack_get(const uint8_t *at, uint32_t n, uint64_t words[ROWS_PACK])
{
    uint32_t       width = at[0], patches = at[1];
    const uint8_t *packed = at + 2, *place = packed + (n * width + 7) / 8, *end = place + patches;
    uint64_t       high;

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
    for (uint32_t i = 0; i < patches; i++) {
        end = get_uvarint(end, &high);
        words[place[i]] |= high << width;
    }
    return end;
}

uint32_t rows_next(struct rows_cursor *c, uint32_t ids[ROWS_PACK], int64_t values[ROWS_PACK])
{
    uint32_t n = pack_of(c->left);
    uint64_t words[ROWS_PACK], bias = c->bias, scale = c->scale;
    uint32_t id = c->id;

    if (n == 0)
        return 0;
    c->ids = pack_get(c->ids, n, words);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++)
        ids[i] = id += (uint32_t)words[i] + 1; /* R1 */
    c->values = pack_get(c->values, n, words);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++)
        values[i] = (int64_t)((words[i] + bias) * scale);
    c->id = id;
    c->left -= n;
    return n;
}
