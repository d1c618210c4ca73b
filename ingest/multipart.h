/*
 * Multipart: the parts of a multipart/form-data body (RFC 7578), in place.
 *
 *     preamble CRLF --boundary CRLF headers CRLF CRLF bytes CRLF --boundary CRLF ... CRLF --boundary--
 *
 * M1  Parts borrow the body; nothing is copied.  Lines may end in LF alone, as some clients have them.
 * M2  Reading ends: each part takes at least its delimiter.
 */
#pragma once

#include <stdbool.h>

#include "base/fault.h"
#include "base/slice.h"

struct multipart {
    struct slice boundary;
    struct slice rest; /* behind a delimiter's boundary */
};

struct multipart_part {
    struct slice name, filename; /* as quoted, escapes not undone */
    bool         has_filename;
    struct slice bytes;
};

bool multipart_is(struct slice content_type); /* says multipart/form-data */

/* INVALID_ARGUMENT: no boundary in the content type, or none in the body. */
must_check enum code multipart_open(struct slice content_type, struct slice body, struct multipart *out,
                                    struct fault *why);

/* The next part; `*has_part` is false behind the last.  INVALID_ARGUMENT: malformed or cut short. */
must_check enum code multipart_next(struct multipart *m, struct multipart_part *out, bool *has_part, struct fault *why);
