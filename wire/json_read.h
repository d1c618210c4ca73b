/*
 * JSON, read: a cursor over a text that takes one value after the other and makes no tree of them.
 *
 *     struct json_reader r = json_reader(body);
 *     if (json_read_open(&r, '{'))
 *         while (json_read_key(&r, &key))
 *             if (!slice_is(key.raw, "n") || !json_read_number(&r, &n))
 *                 json_read_skip(&r);
 *     json_read_end(&r);
 *
 * Q1  RFC 8259 and nothing looser: valid UTF-8, no lone surrogates, brackets not deeper than JSON_DEPTH_MAX.
 * Q2  The first mistake stays in `wrong`; from then on nothing is read and everything returns false.
 * Q3  Slices that are returned are parts of the text.
 */
#pragma once

#include <stdbool.h>

#include "base/fault.h"
#include "base/slice.h"

enum { JSON_DEPTH_MAX = 100 };

struct json_reader {
    const char *begin, *p, *end;
    const char *wrong; /* what is wrong at p; NULL: nothing so far */
    unsigned    depth; /* brackets open */
    bool        wants_comma;
};

struct json_string {
    struct slice raw; /* between the quotes */
    bool         is_escaped;
};

struct json_reader json_reader(struct slice text);

/* What comes: one of { [ " 0 (a number) t f n.  0: no value, which is a mistake. */
char json_peek(struct json_reader *r);

/* Each reads one value of its kind; false: something else comes. */
bool json_read_open(struct json_reader *r, char bracket);
bool json_read_string(struct json_reader *r, struct json_string *out);
bool json_read_number(struct json_reader *r, struct slice *out);
bool json_read_bool(struct json_reader *r, bool *out);
bool json_read_null(struct json_reader *r);
bool json_read_skip(struct json_reader *r); /* of any kind */

/* In an object, the next key; in an array, whether there is another value.  False: the bracket has been closed. */
bool json_read_key(struct json_reader *r, struct json_string *out);
bool json_read_item(struct json_reader *r);

/* Nothing but white space is left, and nothing was wrong. */
bool json_read_end(struct json_reader *r);

/* INVALID_ARGUMENT: what `wrong` says, with its place. */
enum code json_read_fault(const struct json_reader *r, struct fault *why);

/* Is that the whole of a JSON number? */
bool json_text_is_number(struct slice s);

/* What the string stands for: at most raw.n bytes into `room`; returns how many. */
size_t json_unescape(struct json_string s, char *room);
