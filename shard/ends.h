/*
 * Ends: which record of a log is the last of its bucket, told before the replay begins: what has all its records can be
 * sealed when memory is short, and nothing else can.
 *
 *     { first, last } { first, last } ...       a bucket is named by its first record, so they ascend
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

struct ends {
    struct buf pairs;
};

/* A record, in the order of the log.  `generation`: the first record of its bucket; 0: this one is it. */
void ends_note(struct ends *e, uint64_t generation, uint64_t seq);

/* The last record of the bucket that begins with `first`; `first` itself when none does. */
uint64_t ends_of(const struct ends *e, uint64_t first);

void ends_free(struct ends *e);
