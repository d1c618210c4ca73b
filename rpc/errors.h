/*
 * Errors: the sixteen codes as the dialects spell them.
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"

const char *code_name(enum code code);        /* "invalid_argument" */
int         code_http_status(enum code code); /* as Connect maps them */
enum code   code_of_http_status(int status);  /* what a client makes of an answer that is no RPC answer */

/* What a fault tells beside its text: a message by its full name, and its protobuf bytes. */
struct detail {
    struct slice type, value;
};

struct json_writer;

/* {"code":"...","message":"...","details":[{"type":"...","value":"..."}]}, message and details left out when empty. */
void error_json(struct json_writer *w, const struct fault *why, const struct detail *details, size_t n);

/* A google.rpc.Status, as grpc-status-details-bin carries it: base64 without padding. */
void error_status_text(const struct fault *why, const struct detail *details, size_t n, struct buf *out);

/* grpc-message: every byte outside 0x20..0x7E, and '%', as %XX.  Invalid UTF-8 becomes U+FFFD first. */
void percent_encode(struct slice text, struct buf *out);

/* The reverse; what is not %XX stays as it is. */
void percent_decode(struct slice text, struct buf *out);
