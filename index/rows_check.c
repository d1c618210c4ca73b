/* The checks that let rows.c decode without any: for blocks that come from outside (files, peers). */
#include <string.h>

#include "index/rows.h"

struct bytes {
    const uint8_t *at, *end;
};

static bool check_uvarint(struct bytes *b, uint64_t *v) { return (b->at = uvarint_check(b->at, b->end, v)) != NULL; }

static bool check_part(struct bytes *b, struct bytes *part)
{
    uint64_t n;

    if (!check_uvarint(b, &n) || n > (uint64_t)(b->end - b->at))
        return false;
    *part = (struct bytes){ b->at, b->at + n };
    b->at += n;
    return true;
}

static bool check_pack(struct bytes *b, uint32_t n, uint64_t *words)
{
    return (b->at = pack_check(b->at, b->end, n, words)) != NULL;
}

static bool check_ids(struct bytes b, uint64_t n, uint64_t *end)
{
    uint64_t words[ROWS_PACK], next = 0;

    for (uint64_t i = 0; i < n; i += ROWS_PACK) {
        uint32_t count = pack_of(n - i);
        if (!check_pack(&b, count, words))
            return false;
        for (uint32_t k = 0; k < count; k++) {
            if (words[k] >= UINT32_MAX - next)
                return false;
            next += words[k] + 1;
        }
    }
    *end = next;
    return b.at == b.end;
}

/* No value may leave int64; *top is the largest word, bias included. */
static bool check_words(struct bytes b, uint64_t n, uint64_t bias, uint64_t *top)
{
    uint64_t words[ROWS_PACK];

    for (uint64_t i = 0; i < n; i += ROWS_PACK) {
        uint32_t count = pack_of(n - i);
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

bool rows_measure(struct slice block, uint64_t *ids_end)
{
    static const uint8_t pad[ROWS_PAD];
    struct bytes         b = { (const uint8_t *)block.p, (const uint8_t *)block.p }, part;
    uint64_t             n, tops[ROWS_COLUMNS_MAX];

    if (block.n < ROWS_PAD)
        return false;
    b.end += block.n - ROWS_PAD;
    if (memcmp(b.end, pad, ROWS_PAD) != 0)
        return false;
    if (!check_uvarint(&b, &n) || n == 0 || n > UINT32_MAX || b.at == b.end)
        return false;
    uint32_t columns = *b.at++;
    if (columns == 0 || !check_part(&b, &part) || !check_ids(part, n, ids_end))
        return false;
    for (uint32_t c = 0; c < columns; c++)
        if (!check_part(&b, &part) || !check_column(part, n, c, tops))
            return false;
    return b.at == b.end;
}

bool rows_check(struct slice block, uint64_t ids_end)
{
    uint64_t end;

    return rows_measure(block, &end) && end <= ids_end;
}
