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

static bool check_ids(struct bytes b, uint64_t n, uint64_t *end)
{
    uint64_t words[ROWS_PACK], next = 0;

    for (uint64_t i = 0; i < n; i += ROWS_PACK) {
        uint32_t count = pack_of(n - i);
        uint64_t all = 0, sum = 0;
        if ((b.at = pack_check(b.at, b.end, count, words)) == NULL)
            return false;
        for (uint32_t k = 0; k < count; k++) {
            all |= words[k];
            sum += words[k];
        }
        next += sum + count;
        if (all > UINT32_MAX || next > UINT32_MAX)
            return false;
    }
    *end = next;
    return b.at == b.end;
}

/* The largest word of a pack, or what none is above; NULL: it is no pack. */
typedef const uint8_t *top_fn(const uint8_t *at, const uint8_t *end, uint32_t n, uint64_t *top);

static const uint8_t *pack_top(const uint8_t *at, const uint8_t *end, uint32_t n, uint64_t *top)
{
    uint64_t       words[PACK];
    const uint8_t *next = pack_check(at, end, n, words);

    *top = 0;
    for (uint32_t k = 0; k < n && next != NULL; k++)
        *top = words[k] > *top ? words[k] : *top;
    return next;
}

/* No value may leave int64; *top is the largest word, bias included. */
static bool check_words(struct bytes b, uint64_t n, uint64_t bias, top_fn *top_of, uint64_t *top)
{
    uint64_t most = 0, here;

    for (uint64_t i = 0; i < n; i += ROWS_PACK) {
        if ((b.at = top_of(b.at, b.end, pack_of(n - i), &here)) == NULL)
            return false;
        most = here > most ? here : most;
    }
    return b.at == b.end && !__builtin_add_overflow(most, bias, top);
}

static bool check_column(struct bytes b, uint64_t n, uint32_t c, top_fn *top_of, uint64_t *tops)
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
    return check_uvarint(&b, &bias) && check_words(b, n, bias, top_of, &tops[c]) && tops[c] <= INT64_MAX / scale;
}

static bool measure(struct slice block, top_fn *top_of, uint64_t *ids_end)
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
        if (!check_part(&b, &part) || !check_column(part, n, c, top_of, tops))
            return false;
    return b.at == b.end;
}

/* Values are nearly always so small that widths prove it; else each is looked at. */
bool rows_measure(struct slice block, uint64_t *ids_end)
{
    return measure(block, pack_check_bound, ids_end) || measure(block, pack_top, ids_end);
}

bool rows_check(struct slice block, uint64_t ids_end)
{
    uint64_t end;

    return rows_measure(block, &end) && end <= ids_end;
}
