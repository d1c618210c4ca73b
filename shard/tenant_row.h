/*
 * Row: the buckets of one tenant, oldest first.  It never changes once it is published (directory.h D1): a change is a copy.
 */
#pragma once

#include "shard/directory.h"

struct row {
    ck_epoch_entry_t reclaim;
    size_t           n;
    struct held      at[]; /* [n] by start_ns, then by turn */
};

void row_free(ck_epoch_entry_t *e);

/* The first bucket of a later span: where the next generation of this one belongs. */
size_t row_behind(const struct row *r, int64_t start_ns);

/* Copies, the caller's: whole, with one more at i (`old` NULL: nothing but that), without the i-th. */
struct row *row_copy(const struct row *old);
struct row *row_with(const struct row *old, size_t i, const struct held *h);
struct row *row_without(const struct row *old, size_t i);
