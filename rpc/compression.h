/*
 * Compression: what messages may be packed by, under the names that all dialects use.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"

struct compression {
    const char *name;

    /* What the bytes claim to be unpacked, a hint; 0 when they claim nothing. */
    size_t (*claim)(struct slice packed);

    /* INVALID_ARGUMENT: damaged; RESOURCE_EXHAUSTED: more than max_bytes. */
    enum code (*unpack)(struct slice packed, size_t max_bytes, struct arena *a, struct slice *out, struct fault *why);
    void (*pack)(struct slice plain, struct buf *out); /* appends */
};

#define COMPRESSIONS "gzip,zstd" /* as headers list what we take */

/* NULL: identity, or no name.  UNIMPLEMENTED: one we do not know; the fault lists those we do. */
must_check enum code compression_named(struct slice name, const struct compression **out, struct fault *why);

/* The first that a list like "br, gzip;q=0.5, zstd" takes; NULL when it takes none of ours. */
const struct compression *compression_accepted(struct slice list);
