/*
 * JSON: a writer that streams into a buf, and what has to be known of a text before it is read (wire/json_read.h).
 *
 *     struct json_writer w = { .out = &body };
 *     json_open(&w, '{'), json_key(&w, SLICE("code")), json_text(&w, name), json_close(&w, '}');
 *
 * J1  Commas are the writer's; the order of calls (key before value, open before close) is the caller's.
 * J2  What is written is valid UTF-8 whatever it was made from: a byte that belongs to no character becomes U+FFFD.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct json_writer {
    struct buf *out;
    bool        wants_comma; /* a value stands before this place */
};

void json_open(struct json_writer *w, char bracket); /* '{' or '[' */
void json_close(struct json_writer *w, char bracket);
void json_key(struct json_writer *w, struct slice name);
void json_text(struct json_writer *w, struct slice text);
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
void json_int_text(struct json_writer *w, int64_t v); /* in quotes, as proto JSON wants 64-bit integers */
void json_uint_text(struct json_writer *w, uint64_t v);
void json_double(struct json_writer *w, double v); /* the shortest that reads back the same; NaN, Infinity: as text */
void json_float(struct json_writer *w, float v);   /* the same for the shorter kind */
void json_bool(struct json_writer *w, bool v);
void json_base64(struct json_writer *w, struct slice bytes); /* standard alphabet, padded */
void json_raw(struct json_writer *w, struct slice value);    /* already JSON */

struct json_size {
    size_t values;  /* at least as many as there are keys and values */
    size_t objects; /* ... and objects */
};

/* One pass over any bytes, JSON or not: bounds what can be made of them. */
struct json_size json_measure(struct slice text);

/* Decodes either base64 alphabet, padded or not; false when it is neither.  `out` holds text.n / 4 * 3 + 3 bytes. */
bool base64_decode(struct slice text, uint8_t *out, size_t *n);

/* Appends; without padding when `is_padded` is false. */
void base64_encode(struct slice bytes, bool is_padded, struct buf *out);
