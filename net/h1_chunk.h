/*
 * Chunked bodies (RFC 9112 section 7.1), taken apart as they come.  Extensions and trailers are bounded and dropped.
 *
 *     5;ext CRLF | hello CRLF | 0 CRLF | trailer: x CRLF | CRLF
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum h1_chunk_state {
    H1_CHUNK_SIZE, /* the first state: all zero */
    H1_CHUNK_EXT,
    H1_CHUNK_SIZE_LF,
    H1_CHUNK_DATA,
    H1_CHUNK_DATA_CR,
    H1_CHUNK_DATA_LF,
    H1_CHUNK_TRAILER_START,
    H1_CHUNK_TRAILER,
    H1_CHUNK_TRAILER_LF,
    H1_CHUNK_LAST_LF,
    H1_CHUNK_END, /* the body is whole */
    H1_CHUNK_BAD
};

struct h1_chunk {
    enum h1_chunk_state state;
    uint64_t            left;     /* of the chunk's data */
    unsigned            digits;   /* of the size read so far */
    size_t              overhead; /* bytes of extensions and trailers so far */
    const char         *wrong;    /* when BAD: what */
};

/*
 * Takes bytes from the front of `in` and returns the next piece of data; an empty one when `in` is used up, or the
 * state is END or BAD.
 */
struct slice h1_chunk_next(struct h1_chunk *c, struct slice *in);
