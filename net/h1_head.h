/*
 * HTTP/1 request heads (RFC 9112), strictly: whatever two readers could understand in two ways is refused.
 *
 *     POST /ingest?name=a HTTP/1.1 CRLF | host: h CRLF | content-length: 3 CRLF | CRLF | abc
 *     `------------------------------ one head ---------------------------------------'
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/http.h"

enum { H1_NOT_HTTP = -1 };

/*
 * What was found wrong: the status to answer with (0: nothing) and a sentence for the client.  H1_NOT_HTTP: the peer
 * speaks something else and would not understand an answer.
 */
struct h1_wrong {
    int         status;
    const char *text;
};

struct h1_head {
    struct slice method, target; /* target: origin form, also when an absolute form came */
    struct slice authority;      /* of the absolute form, else Host; may be empty */
    size_t       n_fields;
    int64_t      content_length; /* -1: not said */
    int          minor;          /* of HTTP/1.x */
    bool         is_chunked, is_last, expects_continue; /* is_last: the client closes after this request */
};

/*
 * Where the head at the beginning of `in` ends: its length with the empty line, 0 when it is not yet whole.  `scanned`
 * is 0 at first and remembers how far was looked.  Refuses bare LF and bare CR at line ends, and heads over
 * `bytes_max`.
 */
size_t h1_head_end(struct slice in, size_t bytes_max, size_t *scanned, struct h1_wrong *wrong);

/*
 * Takes apart a whole head as h1_head_end measured it.  Field names are lowered in place; everything points into
 * `head`. `fields` has room for fields_max.
 */
struct h1_wrong h1_head_parse(char *head, size_t n, struct http_field *fields, size_t fields_max, struct h1_head *out);

/* For bytes of field values, also in trailers: no control characters but TAB. */
bool h1_is_text(struct slice s);
bool h1_is_token(struct slice s);
