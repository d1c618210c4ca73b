/*
 * Columns: an array of items on its way, each field of theirs by itself and in as few bytes as its values need.
 *
 *     items { name, file, line } { name, file, line } ... --> name name ... | file file ... | line line ...
 *
 *      0  4  n, items
 *      4 12  of each field in turn the bytes a value takes: 0, 1, 2, 4 or 8
 *     16 8k  of each field the bits above these, which all its values have in common
 *     then the fields, n values each, every one from a multiple of 8 on; gaps are zero bytes
 *
 * C1  More than one item takes a byte at least, so unpacked they are at most `item_bytes` times as large as packed.
 * C2  What no field covers is zero when unpacked.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

enum { COLUMNS_MAX = 12 };

struct column {
    uint8_t at, bytes; /* in the item; 4 or 8 */
};

struct columns {
    uint8_t       item_bytes, n; /* 4, or a multiple of 8 and the items aligned to it */
    struct column at[COLUMNS_MAX];
};

void columns_pack(const struct columns *c, const void *items, uint32_t n, struct buf *out); /* a multiple of 8 bytes */

/* Takes what was packed off the front of *packed, wherever that begins; the items are in `a`.  False: it is none. */
bool columns_unpack(const struct columns *c, struct slice *packed, struct arena *a, const void **items, uint32_t *n);

/* The same into items[n]; false also where it is not n items. */
bool columns_unpack_n(const struct columns *c, struct slice *packed, void *items, uint32_t n);
