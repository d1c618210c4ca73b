/*
 * A block in the making: what the writers of its parts share.
 *
 *     block_write --> labels and series --> streams, points, rows --> each group       sections, in their order
 */
#pragma once

#include "base/arena.h"
#include "index/block_priv.h"
#include "index/bucket_priv.h"

/* One block; sections come in their order. */
struct sealing {
    const struct bucket       *from;
    struct buf                *out;
    size_t                     start; /* of the image in out */
    struct block_entry        *table; /* as far as sections have been closed */
    uint32_t                   n_sections, n_names, n_values, n_series, n_groups;
    struct arena              *arena;
    uint32_t                  *names;      /* [N] of the bucket, sorted by text */
    uint32_t                 **place;      /* [N of the bucket][its values]: their place among all */
    const struct label_value **values;     /* [V] in their places */
    const struct series      **series;     /* [S] by group */
    uint32_t                  *renumbered; /* [S]: where they stand there */
    bool                       is_too_large;
};

static inline uint32_t *sealing_numbers(struct sealing *x, size_t n)
{
    return arena_array(x->arena, n, sizeof(uint32_t));
}

/* ---- sections: block_section.c ----------------------------------------------------------------------------------------- */

/* What was put from `from` on is the next section. */
void section_close(struct sealing *x, size_t from, uint64_t n, uint32_t width);

void section_bytes(struct sealing *x, const void *bytes, size_t n);
void section_bits(struct sealing *x, const uint32_t *numbers, uint32_t n);
void section_packs(struct sealing *x, const uint32_t *numbers, uint32_t n);

/* ---- parts ---------------------------------------------------------------------------------------------------------- */

/* block_labels.c: texts to series; what is sorted and renumbered stays in `x`. */
void sealing_put_labels(struct sealing *x);

/* block_labels.c: the series that come after the i-th, which lie about as they came, and their streams are asked for. */
void sealing_fetch(const struct sealing *x, uint32_t i);

/* block_points.c: streams to rows. */
void sealing_put_points(struct sealing *x);

/* block_group.c: the sections of one group. */
void sealing_put_group(struct sealing *x, const struct group *g);
