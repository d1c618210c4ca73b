/*
 * Window: a segment's file as it is read, a piece at a time.  A piece is small enough to be still in the caches when its
 * records are checked and taken, so a log of any size passes through the same few pages.
 */
#pragma once

#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"
#include "shard/disk.h"

struct window {
    struct disk *disk;
    int          file;
    bool         is_open;
    uint64_t     number, size; /* of the segment, of its file */
    char        *bytes;        /* [from, from + n) of the file */
    uint64_t     from;
    size_t       n, cap;
};

/* Another file takes the place of the one before.  UNAVAILABLE: it cannot be read. */
must_check enum code window_open(struct window *w, uint64_t number, struct fault *why);

/* What there is from `at` on, with at least `n` bytes when the file has them; until the next call.  UNAVAILABLE: as above. */
must_check enum code window_look(struct window *w, uint64_t at, size_t n, struct slice *out, struct fault *why);

void window_fini(struct window *w);
