/*
 * Location: a place in a program with all that a pprof says of it, as one string.  What an id is within a bucket, this is
 * between buckets and shards: stacks of locations are a tree (model/tree.h) whose names are such strings, so they merge, are
 * shipped and are bounded as any tree.
 *
 *     uvarint: address, is folded, mapping, lines, { line, function }...
 *     mapping: start, limit, offset, flags, file, build id
 *     function: start line, name, system name, file                          texts: length, bytes
 *
 * L1  Equal locations have equal strings; so have equal mappings and functions within them.
 * L2  Lines are innermost first, as pprof has them.  No mapping is a mapping of zeros.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

struct location_mapping {
    uint64_t     start, limit, offset;
    uint32_t     flags; /* BATCH_HAS_* */
    struct slice file, build_id;
};

struct location_function {
    int64_t      start_line;
    struct slice name, system_name, file;
};

struct location_line {
    int64_t                  line;
    struct location_function function;
    struct slice             function_bytes; /* its part of the string */
};

struct location {
    uint64_t                address;
    bool                    is_folded;
    struct location_mapping mapping;
    struct slice            mapping_bytes; /* its part of the string */
    struct location_line   *lines;
    uint32_t                n_lines;
};

/* Parts whose bytes are given are taken as those say, the others are made first. */
void location_encode(const struct location *l, struct buf *out);
void location_encode_mapping(const struct location_mapping *m, struct buf *out);
void location_encode_function(const struct location_function *f, struct buf *out);

/* Lines are in `a`, texts and the bytes of parts borrow `bytes`.  False: malformed. */
bool location_decode(struct slice bytes, struct arena *a, struct location *out);

/* What a frame without lines is called: `basename(file)!0xaddress`, `unknown!0x...` without a file.  `room` holds it. */
enum { LOCATION_NAME_ROOM = 280 };
struct slice location_bare_name(struct slice file, uint64_t address, char room[LOCATION_NAME_ROOM]);
