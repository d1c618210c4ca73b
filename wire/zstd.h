/*
 * Zstd: Zstandard in and out, whole buffers, as wire/zip.h has gzip.
 *
 * What comes out is bounded before it is allocated, whatever a frame claims of its size; a frame that wants a window of
 * more than 8 MiB is refused (RFC 8878 section 3.1.1.1.2).
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"

/*
 * All frames of `in`, inflated into `a`.  INVALID_ARGUMENT: not Zstandard, damaged or cut short; RESOURCE_EXHAUSTED: more
 * than max_bytes.
 */
must_check enum code zstd_unpack(struct slice in, size_t max_bytes, struct arena *a, struct slice *out,
                                 struct fault *why);

/* What the first frame says of its size; 0 when it says nothing. */
size_t zstd_claim(struct slice in);

void zstd_pack(struct slice in, struct buf *out); /* one frame, appended */
