/* Everything that readers of a block trust (K1): one pass, each table against those it refers to. */
#include "index/block_check.h"

/* ---- labels, types -------------------------------------------------------------------------------------------------- */

static bool is_sorted(const struct block *b, uint32_t at, uint32_t end)
{
    for (uint32_t i = at + 1; i < end; i++)
        if (slice_cmp(block_text(b, i - 1), block_text(b, i)) >= 0)
            return false;
    return true;
}

static enum code labels_check(struct block *b, struct fault *why)
{
    const struct section *names = &b->of[B_NAME_ENDS], *postings = &b->of[B_POSTING_ENDS];
    uint64_t              n_texts;

    b->n_names = names->n;
    b->n_values = postings->n;
    b->n_types = b->of[B_TYPE_PARTS].n / 4;
    b->n_series = b->of[B_LABEL_ENDS].n;
    n_texts = (uint64_t)b->n_names + b->n_values + b->n_types + b->head.n_groups;
    if (!is_ends(&b->of[B_TEXT_ENDS], n_texts, b->of[B_TEXT].bytes))
        return bad(why, "texts of labels, types and services are out of order");
    if (!is_ends(names, b->n_names, b->n_values))
        return bad(why, "label values are out of order");
    if (!is_sorted(b, 0, b->n_names))
        return bad(why, "label names are not sorted");
    for (uint32_t i = 0; i < b->n_names; i++) {
        struct range r = range_at(names, i);
        if (!is_sorted(b, b->n_names + r.at, b->n_names + r.end))
            return bad(why, "label values are not sorted");
    }
    return CODE_OK;
}

static bool is_type(const struct block *b, uint32_t i)
{
    struct slice id = block_text(b, b->n_names + b->n_values + i);
    uint64_t     at = 0;

    for (uint32_t k = 0; k < 4; k++, at++) {
        at += bits_at(&b->of[B_TYPE_PARTS], 4 * i + k);
        if (at >= id.n || id.p[at] != ':')
            return false;
    }
    return true;
}

static enum code types_check(const struct block *b, struct fault *why)
{
    if (!is_bits(&b->of[B_TYPE_PARTS], 4 * (uint64_t)b->n_types))
        return bad(why, "parts of types are damaged");
    for (uint32_t i = 0; i < b->n_types; i++)
        if (!is_type(b, i))
            return bad(why, "a profile type does not have five parts");
    return CODE_OK;
}

/* ---- series --------------------------------------------------------------------------------------------------------- */

static bool is_posting(const struct block *b, struct range r)
{
    const uint8_t *at = b->of[B_POSTINGS].at + r.at, *end = b->of[B_POSTINGS].at + r.end;
    uint64_t       next = 0, gap;

    while (at < end) {
        at = uvarint_check(at, end, &gap);
        if (at == NULL || gap >= b->n_series - next)
            return false;
        next += gap + 1;
    }
    return true;
}

/* A series has each name once. */
static bool are_labels(const struct block *b, struct range r)
{
    const struct section *names = &b->of[B_NAME_ENDS];
    uint32_t              next = 0;

    for (uint32_t i = r.at; i < r.end; i++) {
        uint32_t value = bits_at(&b->of[B_LABELS], i);
        if (value < next)
            return false;
        next = range_at(names, ends_find(names, value)).end;
    }
    return true;
}

static enum code series_check(const struct block *b, struct fault *why)
{
    if (!is_ends(&b->of[B_POSTING_ENDS], b->n_values, b->of[B_POSTINGS].bytes))
        return bad(why, "postings are out of order");
    for (uint32_t i = 0; i < b->n_values; i++)
        if (!is_posting(b, range_at(&b->of[B_POSTING_ENDS], i)))
            return bad(why, "a posting list is damaged");
    if (!is_ends(&b->of[B_GROUP_ENDS], b->head.n_groups, b->n_series))
        return bad(why, "series of services are out of order");
    if (!is_ends(&b->of[B_LABEL_ENDS], b->n_series, b->of[B_LABELS].n) ||
        !is_below(&b->of[B_LABELS], b->of[B_LABELS].n, b->n_values))
        return bad(why, "labels of series are out of range");
    for (uint32_t i = 0; i < b->n_series; i++)
        if (!are_labels(b, range_at(&b->of[B_LABEL_ENDS], i)))
            return bad(why, "labels of a series are not in order");
    if (!is_ends(&b->of[B_STREAM_ENDS], b->n_series, b->of[B_STREAM_TYPES].n) ||
        !is_below(&b->of[B_STREAM_TYPES], b->of[B_STREAM_TYPES].n, b->n_types))
        return bad(why, "streams of series are out of range");
    return CODE_OK;
}

enum code block_check(struct block *b, struct fault *why)
{
    enum code code = labels_check(b, why);

    if (code == CODE_OK)
        code = types_check(b, why);
    if (code == CODE_OK)
        code = series_check(b, why);
    for (uint32_t g = 0; g < b->head.n_groups && code == CODE_OK; g++)
        code = block_check_group(b, g, why);
    return code == CODE_OK ? block_check_points(b, why) : code;
}
