/*
 * Record: what the log holds of one profile: whose it is, which bucket it went to, and what it added there.
 *
 *      0  8  start_ns: the span of the bucket
 *      8  8  generation: the sequence number of the first record of the bucket; 0: this one is it
 *     16 16  key (low word, high word)
 *     32  4  bytes of the tenant's name
 *     36  4  bytes of the redo
 *     40     the name, the redo (index/redo.h), zeros up to a multiple of 8
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"
#include "base/hash.h"

enum { RECORD_BYTES_MAX = 48 }; /* beside the name and the redo */

struct record {
    int64_t        start_ns;
    uint64_t       generation;
    struct hash128 key;
    struct slice   tenant, redo;
};

void record_write(struct buf *out, const struct record *r);

/* Slices of `payload`.  DATA_LOSS: it is none. */
must_check enum code record_read(struct slice payload, struct record *out, struct fault *why);
