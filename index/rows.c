#include "index/rows.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "index/pack.h"

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
    uint8_t *to = uvarint_put(room, n);

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

    at = uvarint_put(at + 5, scale);
    for (uint32_t other = 0; other < c; other++)
        if (memcmp(columns[other], mine, n * sizeof *mine) == 0)
            return close_length(room, uvarint_put(at, 1 + other));
    for (uint32_t i = 0; i < n; i++) {
        bias = mine[i] < bias ? mine[i] : bias;
        all |= mine[i];
    }
    assert(all <= INT64_MAX); /* R2 */
    at = uvarint_put(at, 0);
    return close_length(room, values_put(uvarint_put(at, bias), mine, n, bias));
}

size_t rows_bytes_max(uint64_t n, uint64_t n_columns)
{
    uint64_t packs = (n + ROWS_PACK - 1) / ROWS_PACK;

    /* ids: at most 32 bits a word; values: a width of 56 is 7 bytes and 13 bits of a patch; what is written behind fits, too */
    return 32 + packs * 2 + n * 4 + n_columns * (32 + packs * 4 + n * 9);
}

void rows_encode(struct buf *out, const uint32_t *ids, uint32_t n, const int64_t *const *columns, uint32_t n_columns)
{
    uint8_t        *start = (uint8_t *)buf_reserve(out, rows_bytes_max(n, n_columns)), *at = start, *room;
    uint64_t       *words = mem_alloc((size_t)n * n_columns * sizeof *words), scale;
    const uint64_t *normal[ROWS_COLUMNS_MAX];

    assert(n > 0 && n_columns > 0 && n_columns <= ROWS_COLUMNS_MAX);
    at = uvarint_put(at, n);
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
    uvarint_get(block, &n);
    return (uint32_t)n;
}

uint32_t rows_columns(const uint8_t *block)
{
    uint64_t n;
    return *uvarint_get(block, &n);
}

size_t rows_bytes(const uint8_t *block)
{
    const uint8_t *at = block;
    uint64_t       n;

    at = uvarint_get(at, &n);
    uint32_t parts = *at++ + 1u; /* the ids, then the columns */
    for (; parts > 0; parts--) {
        at = uvarint_get(at, &n);
        at += n;
    }
    return (size_t)(at - block) + ROWS_PAD;
}

/* Behind the length, the scale and the kind of column `c`; the words or the bias follow. */
static const uint8_t *column_at(const uint8_t *at, uint32_t c, uint64_t *scale, uint64_t *kind)
{
    uint64_t bytes;

    for (at = uvarint_get(at, &bytes); c > 0; c--)
        at = uvarint_get(at + bytes, &bytes);
    return uvarint_get(uvarint_get(at, scale), kind);
}

struct rows_cursor rows_open(const uint8_t *block, uint32_t column)
{
    struct rows_cursor c = { .id = UINT32_MAX };
    uint64_t           n, bytes, kind, ignored;

    block = uvarint_get(block, &n);
    assert(column < *block);
    block = uvarint_get(block + 1, &bytes);
    c.left = (uint32_t)n;
    c.ids = block;
    block += bytes;
    const uint8_t *at = column_at(block, column, &c.scale, &kind);
    if (kind > 0)
        at = column_at(block, (uint32_t)(kind - 1), &ignored, &kind);
    c.values = uvarint_get(at, &c.bias);
    return c;
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
