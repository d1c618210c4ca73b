#include <stdlib.h>

#include "base/mem.h"
#include "index/block_check.h"
#include "index/rows.h"

/* Where the stack indexes of each row block end. */
static enum code rows_check_all(const struct block *b, uint32_t *ids_end, struct fault *why)
{
    const struct section *ends = &b->of[B_ROW_ENDS];

    for (uint32_t i = 0; i < ends->n; i++) {
        struct range r = range_at(ends, i);
        uint64_t     end;
        if (!rows_measure(slice_make(b->of[B_ROWS].at + r.at, r.end - r.at), &end))
            return fail(why, CODE_DATA_LOSS, "block: row block %u is damaged", i);
        ids_end[i] = (uint32_t)end;
    }
    return CODE_OK;
}

struct points_of {
    const struct block *block;
    const uint32_t     *ids_end; /* [row blocks] */
    uint32_t            n_stacks;
};

static bool is_point(const struct points_of *p, int64_t time_ns, uint64_t total, uint64_t row, uint64_t column)
{
    const struct block *b = p->block;

    return time_ns >= b->head.oldest_ns && time_ns <= b->head.newest_ns && time_ns >= b->head.start_ns &&
           time_ns < b->head.end_ns && total <= INT64_MAX && row < b->of[B_ROW_ENDS].n &&
           p->ids_end[row] <= p->n_stacks &&
           column < rows_columns(b->of[B_ROWS].at + range_at(&b->of[B_ROW_ENDS], (uint32_t)row).at);
}

static bool is_stream(const struct points_of *p, struct range r)
{
    const uint8_t *at = p->block->of[B_POINTS].at + r.at, *end = p->block->of[B_POINTS].at + r.end;
    uint64_t       part[4], row = 0;
    int64_t        time_ns = p->block->head.start_ns;

    while (at < end) {
        for (int i = 0; i < 4; i++)
            if ((at = uvarint_check(at, end, &part[i])) == NULL)
                return false;
        if (__builtin_add_overflow(time_ns, unzigzag(part[0]), &time_ns))
            return false;
        row += (uint64_t)unzigzag(part[2]);
        if (!is_point(p, time_ns, part[1], row, part[3]))
            return false;
        row++;
    }
    return true;
}

static bool is_group_points(const struct block *b, uint32_t group, const uint32_t *ids_end)
{
    struct points_of p = { b, ids_end, group_section(b, group, G_STACK_LOCATION).n };
    struct range     series = range_at(&b->of[B_GROUP_ENDS], group);

    for (uint32_t i = series.at; i < series.end; i++) {
        struct range streams = range_at(&b->of[B_STREAM_ENDS], i);
        for (uint32_t k = streams.at; k < streams.end; k++)
            if (!is_stream(&p, range_at(&b->of[B_POINT_ENDS], k)))
                return false;
    }
    return true;
}

static bool is_rollup(const struct block *b, uint32_t i, uint32_t n_stacks, const uint32_t *ids_end)
{
    uint32_t row = bits_at(&b->of[B_ROLLUP_ROWS], i);

    return ids_end[row] <= n_stacks &&
           bits_at(&b->of[B_ROLLUP_COLUMNS], i) < rows_columns(b->of[B_ROWS].at + range_at(&b->of[B_ROW_ENDS], row).at);
}

static bool is_group_rollups(const struct block *b, uint32_t group, const uint32_t *ids_end)
{
    const struct section *types = &b->of[B_ROLLUP_TYPES];
    uint32_t              n_stacks = group_section(b, group, G_STACK_LOCATION).n;
    struct range          r = range_at(&b->of[B_ROLLUP_ENDS], group);

    for (uint32_t i = r.at; i < r.end; i++)
        if (!is_rollup(b, i, n_stacks, ids_end) || (i > r.at && bits_at(types, i - 1) >= bits_at(types, i)))
            return false;
    return true;
}

static enum code rollups_check(const struct block *b, const uint32_t *ids_end, struct fault *why)
{
    uint32_t n = b->of[B_ROLLUP_TYPES].n;

    if (!is_ends(&b->of[B_ROLLUP_ENDS], b->head.n_groups, n) || !is_below(&b->of[B_ROLLUP_TYPES], n, b->n_types) ||
        !is_below(&b->of[B_ROLLUP_ROWS], n, b->of[B_ROW_ENDS].n) || !is_bits(&b->of[B_ROLLUP_COLUMNS], n))
        return bad(why, "rollups are out of range");
    for (uint32_t g = 0; g < b->head.n_groups; g++)
        if (!is_group_rollups(b, g, ids_end))
            return fail(why, CODE_DATA_LOSS, "block: rollups of service %u are damaged", g);
    return CODE_OK;
}

enum code block_check_points(const struct block *b, struct fault *why)
{
    if (!is_ends(&b->of[B_POINT_ENDS], b->of[B_STREAM_TYPES].n, b->of[B_POINTS].bytes))
        return bad(why, "points are out of order");
    if (!is_ends(&b->of[B_ROW_ENDS], b->of[B_ROW_ENDS].n, b->of[B_ROWS].bytes))
        return bad(why, "row blocks are out of order");
    uint32_t *ids_end = mem_alloc(b->of[B_ROW_ENDS].n * sizeof *ids_end);
    enum code code = rows_check_all(b, ids_end, why);
    for (uint32_t i = 0; i < b->head.n_groups && code == CODE_OK; i++)
        if (!is_group_points(b, i, ids_end))
            code = fail(why, CODE_DATA_LOSS, "block: points of service %u are damaged", i);
    if (code == CODE_OK)
        code = rollups_check(b, ids_end, why);
    free(ids_end);
    return code;
}
