/*
 * Redo: what one batch added to its bucket.  The bucket's redos, applied in turn to an empty one, make the same bucket.
 *
 *     struct redo_head, little-endian, and behind it in the order of index/publish.h (v: an uvarint, text: v bytes, bytes):
 *     service    text
 *     strings    text                          names of bare locations too
 *     mappings   v start, limit, offset, file, build_id, flags
 *     functions  v name, system_name, file, zigzag start_line
 *     locations  v address, mapping + 1 or 0, flags, lines, and of each: v function, zigzag line
 *     nodes      v how far behind its parent, less 1; v location         of the location tree
 *     stacks     v node
 *     types      5 text
 *     parts      v series + 1, or 0 for a new one: v labels, and of each: v name + 1, or 0 text; v value + 1, or 0 text
 *                v samples, clamped; text rows (index/rows.h); and of each column: v type, total
 *
 * R1  Everything in a bucket is appended, so what is new stands behind what there was: the lengths before say where.
 * R2  The function tree and all tables follow from the rest: they are made again; symbols' and stacks', which are large, in
 *     one go behind the last redo (bucket_redone).
 * R3  A redo comes from a file and is not trusted: every id, length and count is checked before it is used, and no thing
 *     may be there already.  One that is refused leaves a bucket that can only be let go.
 */
#pragma once

#include "base/buf.h"
#include "index/bucket_priv.h"
#include "index/rows.h"

struct redo_head {
    int64_t  time_ns;
    uint32_t batch; /* how many the bucket had taken before */
    uint32_t group;
    uint32_t strings, text_bytes, mappings, functions, lines, locations, nodes, frames,
        stacks;                                           /* new ones, in the group */
    uint32_t types, type_bytes, parts, points, row_bytes; /* and in the bucket */
    uint32_t series, labels, values, label_bytes; /* new series, all their labels; values among those that are new */
};
_Static_assert(sizeof(struct redo_head) == 88, "without padding");

/* A redo being written. */
struct redo {
    struct buf      *out;
    size_t           start;
    struct redo_head head;
};

/* What a part's rows came to, beside the block itself. */
struct redo_part {
    const struct series *series;
    bool                 is_new; /* the series */
    struct slice         rows;
    uint32_t             samples, clamped, n_columns;
    const uint32_t      *types;  /* [n_columns] */
    const int64_t       *totals; /* [n_columns] */
};

/* Before anything is taken but the group; where the bucket's things end is remembered. */
struct redo redo_begin(struct buf *out, const struct bucket *b, const struct group *g, int64_t time_ns, bool is_new);

/* Symbols, stacks and types have been taken. */
void redo_symbols(struct redo *r, const struct bucket *b, const struct group *g);
void redo_part(struct redo *r, const struct redo_part *part);
void redo_end(struct redo *r);

/* Is it long enough for its head, and for as many things as that says? */
bool redo_head_read(struct slice redo, struct redo_head *out);
