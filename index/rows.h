/*
 * Rows: the samples of one profile under one label set, packed once and shared by its sample types.
 *
 *     uvarint n            rows, at least 1
 *     u8 columns           at least 1
 *     uvarint bytes        of the ids, then the ids
 *     per column: uvarint bytes of what follows, uvarint scale, and then
 *         uvarint 0, uvarint bias, words     value = scale * (bias + word)
 *         uvarint 1 + c                      value = scale * that of column c before its scale: proportional, no bytes
 *     7 bytes of 0         so that eight bytes can be loaded wherever a word begins
 *
 *     ids, words: packs (index/pack.h)
 *
 * R1  Ids strictly ascend; a word of the ids is the distance to the one before, less 1 (a run of new stacks costs 2 bytes).
 * R2  Values are >= 0.  Counts that are mostly 1 have width 0 and patches; so have columns that are mostly 0.
 * R3  What rows_encode wrote, and what rows_check has passed, is decoded without further checks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "index/pack.h"

enum { ROWS_PACK = PACK, ROWS_PAD = 7, ROWS_COLUMNS_MAX = 255 };

/* `columns[c][i]` is the value of ids[i]; 1 <= n, 1 <= n_columns <= ROWS_COLUMNS_MAX.  Appended to `out`. */
void rows_encode(struct buf *out, const uint32_t *ids, uint32_t n, const int64_t *const *columns, uint32_t n_columns);

/* The most bytes that rows_encode writes. */
size_t rows_bytes_max(uint64_t n, uint64_t n_columns);

/* Is it a block of rows_encode's form, to the last byte, with ids below `ids_end`? */
bool rows_check(struct slice block, uint64_t ids_end);

/* Is it one whatever the ids?  Then they are below *ids_end. */
bool rows_measure(struct slice block, uint64_t *ids_end);

/* One column on its way through a block: up to 64 rows a step. */
struct rows_cursor {
    uint32_t       left, id;
    uint64_t       scale, bias;
    const uint8_t *ids, *values; /* the packs to come */
};

struct rows_cursor rows_open(const uint8_t *block, uint32_t column);

/* The next rows; 0: there are no more. */
uint32_t rows_next(struct rows_cursor *c, uint32_t ids[ROWS_PACK], int64_t values[ROWS_PACK]);

uint32_t rows_n(const uint8_t *block);
size_t   rows_bytes(const uint8_t *block);
uint32_t rows_columns(const uint8_t *block);
