/*
 * Zip: gzip in and out, whole buffers, in through libdeflate and out through ISA-L.
 *
 * Z1  What comes out is bounded before it is allocated: never more than max_bytes, whatever the trailer claims.
 * Z2  ISIZE (the trailer's size) is only a hint for the first guess; a guess too small doubles.
 *
 * libdeflate's tables cost more to make than a small profile costs to inflate, so each thread keeps one of each kind;
 * they go when the thread ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"

bool zip_is_gzip(struct slice s); /* by its first two bytes */

/* What the last member's trailer says of its size; 0 when there is no room for one. */
size_t zip_claim(struct slice in);

/*
 * All members of `in`, one after the other, inflated into `a`.  INVALID_ARGUMENT: not gzip, damaged or cut short;
 * RESOURCE_EXHAUSTED: more than max_bytes.
 */
must_check enum code zip_gunzip(struct slice in, size_t max_bytes, struct arena *a, struct slice *out,
                                struct fault *why);

void zip_gzip(struct slice in, struct buf *out); /* appended: one member, of more than a GiB several */
