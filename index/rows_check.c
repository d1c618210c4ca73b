/* The checks that let rows.c decode without any: for blocks that come from outside (files, peers). */
#include <string.h>

#include "index/rows.h"

struct bytes {
    const uint8_t *at, *end;
};

/* Minimal uvarints only: one value, one encoding. */
static bool check_uvarint(struct bytes *b, uint64_t *v)
{
    uint64_t x = 0;

    for (unsigned shift = 0; shift < 64 && b->at < b->end; shift += 7) {
        uint8_t byte = *b->at++;
        if (shift == 63 && byte > 1)
            return false;
        x |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *v = x;
            return shift == 0 || byte != 0;
        }
    }
    return false;
}

static bool check_part(struct bytes *b, struct bytes *part)
{
    uint64_t n;

    if (!check_uvarint(b, &n) || n > (uint64_t)(b->end - b->at))
        return false;
    *part = (struct bytes){ b->at, b->at + n };
    b->at += n;
    return true;
}

static uint64_t word_at(const uint8_t *packed, uint32_t width, uint32_t i)
{
    uint64_t word = 0;

    for (uint32_t k = 0; k < width; k++) {
        uint32_t bit = i * width + k;
        word |= (uint64_t)(packed[bit / 8] >> bit % 8 & 1) << k;
    }
    return word;
}

static bool check_pack(struct bytes *b, uint32_t n, uint64_t *words)
{
    if (b->end - b->at < 2)
        return false;
    uint32_t width = b->at[0], patches = b->at[1], packed = (n * width + 7) / 8;
    if (width > 56 || patches > n || (uint64_t)(b->end - b->at) < UINT64_C(2) + packed + patches)
        return false;
    const uint8_t *place = b->at + 2 + packed;
    for (uint32_t i = 0; i < n; i++)
        words[i] = word_at(b->at + 2, width, i);
    b->at = place + patches;
    for (uint32_t i = 0; i < patches; i++) {
        uint64_t high;
        if (place[i] >= n || (i > 0 && place[i] <= place[i - 1]) || !check_uvarint(b, &high) || high == 0)
            return false;
        if (width > 0 && high >> (64 - width) != 0)
            return false;
        words[place[i]] += high << width;
    }
    return true;
}

static bool check_ids(struct bytes b, uint64_t n, uint64_t end)
{
    uint64_t words[ROWS_PACK], next = 0;

    for (uint64_t i = 0; i < n; i += ROWS_PACK) {
        uint32_t count = n - i < ROWS_PACK ? (uint32_t)(n - i) : ROWS_PACK;
        if (!check_pack(&b, count, words))
            return false;
        for (uint32_t k = 0; k < count; k++) {
            if (next >= end || words[k] >= end - next)
                return false;
            next += words[k] + 1;
        }
    }
    return b.at == b.end;
}

/* No value may leave int64; *top is the largest word, bias included. */
static bool check_words(struct bytes b, uint64_t n, uint64_t bias, uint64_t *top)
{
    uint64_t words[ROWS_PACK];

    for (uint64_t i = 0; i < n; i += ROWS_PACK) {
        uint32_t count = n - i < ROWS_PACK ? (uint32_t)(n - i) : ROWS_PACK;
        if (!check_pack(&b, count, words))
            return false;
        for (uint32_t k = 0; k < count; k++) {
            if (__builtin_add_overflow(words[k], bias, &words[k]))
                return false;
            *top = words[k] > *top ? words[k] : *top;
        }
    }
    return b.at == b.end;
}

static bool check_column(struct bytes b, uint64_t n, uint32_t c, uint64_t *tops)
{
    uint64_t scale, kind, bias;

    if (!check_uvarint(&b, &scale) || scale == 0 || !check_uvarint(&b, &kind))
        return false;
    if (kind > 0) {
        /* its words must be stored there, not referred to once more; and nothing follows */
        if (kind > c || tops[kind - 1] == UINT64_MAX || b.at != b.end)
            return false;
        tops[c] = UINT64_MAX;
        return tops[kind - 1] <= INT64_MAX / scale;
    }
    tops[c] = 0;
    return check_uvarint(&b, &bias) && check_words(b, n, bias, &tops[c]) && tops[c] <= INT64_MAX / scale;
}

bool rows_check(struct slice block, uint64_t ids_end)
{
    static const uint8_t pad[ROWS_PAD];
    struct bytes         b = { (const uint8_t *)block.p, (const uint8_t *)block.p + block.n }, part;
    uint64_t             n, tops[ROWS_COLUMNS_MAX];

    if (!check_uvarint(&b, &n) || n == 0 || n > UINT32_MAX || b.at == b.end)
        return false;
    uint32_t columns = *b.at++;
    if (columns == 0 || ids_end > UINT32_MAX || !check_part(&b, &part) || !check_ids(part, n, ids_end))
        return false;
    for (uint32_t c = 0; c < columns; c++)
        if (!check_part(&b, &part) || !check_column(part, n, c, tops))
            return false;
    return b.end - b.at == ROWS_PAD && memcmp(b.at, pad, ROWS_PAD) == 0;
}
