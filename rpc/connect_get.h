/*
 * The query of a Connect GET: the message in the URL, for methods without side effects.
 *
 *     ?encoding=json&message=%7B%22name%22%3A%22pod%22%7D
 *     ?encoding=proto&message=CgNwb2Q&base64=1&compression=gzip&connect=v1
 *
 * Parameters come in any order, unknown ones are ignored, of one given twice the first counts.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

struct connect_get {
    struct slice message, encoding, compression; /* the last is empty when it is not said */
};

/* INVALID_ARGUMENT: what is missing or wrong.  What is found lives in `a` or in the query. */
must_check enum code connect_get_parse(struct slice query, struct arena *a, struct connect_get *out, struct fault *why);

/* Its encoding alone, empty when it is not said: by which the codec is chosen before all else. */
struct slice connect_get_encoding(struct slice query, struct arena *a);
