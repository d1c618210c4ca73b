/*
 * Envelope: messages in a body, both ways.
 *
 *     flags (1 byte) | length (4, big-endian) | payload      gRPC, gRPC-Web, Connect streams
 *     the whole body                                         Connect unary, plain routes
 *
 * V1  A length above the limit is refused when its prefix is read, before anything is gathered for it.
 * V2  Memory grows with the bytes that have come, at most twofold; to what the head announced at most eightfold.  A length
 *     alone takes none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { ENVELOPE_BYTES = 5, ENVELOPE_COMPRESSED = 0x01, ENVELOPE_CONNECT_END = 0x02, ENVELOPE_WEB_TRAILERS = 0x80 };

/* Where the bytes of a request gather.  Zeroes are an empty one. */
struct inbox {
    struct buf bytes;
    size_t     taken; /* of bytes.n, handed out by inbox_next */
    size_t     message_bytes_max;
    size_t     announced; /* bytes that are to come in all; 0: not known */
};

enum inbox_state { INBOX_WAITS, INBOX_MESSAGE, INBOX_TOO_LARGE };

/* Memory that inbox_put of `n` more bytes will take; 0 when they fit. */
size_t inbox_growth(const struct inbox *in, size_t n);
void   inbox_put(struct inbox *in, struct slice piece);

/*
 * The next whole message: its payload begins at bytes.p + *at (an offset: the bytes move when more are put).  Of
 * TOO_LARGE only *n is told.
 */
enum inbox_state inbox_next(struct inbox *in, uint8_t *flags, size_t *at, size_t *n);

/* Bytes of a message that is not whole. */
size_t inbox_rest(const struct inbox *in);

/* Forgets what was handed out.  Offsets from before are void. */
void inbox_trim(struct inbox *in);
void inbox_free(struct inbox *in);

/* Room for a prefix at the end of `out`; afterwards the prefix is filled in from what has been appended. */
void envelope_open(struct buf *out);
void envelope_close(struct buf *out, size_t opened_at, uint8_t flags);
