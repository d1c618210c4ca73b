/*
 * Rollup: what all points of a group come to under one type, added up once, when their bucket is sealed.
 *
 *     points of a type: rows + rows + rows ... --> one row block, stack -> sum; the types of one profile share it
 *
 * U1  It is exact: where a sum does not fit 63 bits there is none.
 * U2  It is worth its bytes and its time: it has at most a quarter of the rows it stands for, and those are no fewer than
 *     the stacks of the group, which a question goes through anyway.
 */
#pragma once

#include "base/arena.h"
#include "index/bucket_priv.h"

struct rollup {
    uint32_t       type, column;
    const uint8_t *rows; /* index/rows.h */
};

/* Of a group of a live bucket that nobody appends to, by type.  They are in `a`. */
struct rollup *rollups_make(const struct bucket *b, const struct group *g, struct arena *a, uint32_t *n);
