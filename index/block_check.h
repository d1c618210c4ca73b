/* Checking a block: what the checks of its parts share. */
#pragma once

#include "index/block_priv.h"

static inline enum code bad(struct fault *why, const char *what)
{
    return fail(why, CODE_DATA_LOSS, "block: %s", what);
}

static inline bool is_bits(const struct section *s, uint64_t n)
{
    return s->n == n && s->bytes == ((uint64_t)s->n * s->width + 7) / 8;
}

/* Ascending, the last one `last`. */
static inline bool is_ends(const struct section *s, uint64_t n, uint64_t last)
{
    uint32_t before = 0;

    if (!is_bits(s, n))
        return false;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t end = bits_at(s, i);
        if (end < before)
            return false;
        before = end;
    }
    return before == last;
}

static inline bool is_below(const struct section *s, uint64_t n, uint64_t limit)
{
    bool is = is_bits(s, n);

    for (uint32_t i = 0; i < s->n && is; i++)
        is = bits_at(s, i) < limit;
    return is;
}

/* block_check_points.c: points, rollups, row blocks; labels, series and groups are good. */
must_check enum code block_check_points(const struct block *b, struct fault *why);

/* block_check_group.c: the sections of one group. */
must_check enum code block_check_group(const struct block *b, uint32_t group, struct fault *why);
