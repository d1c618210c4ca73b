/*
 * Metadata: the request fields that all dialects read, each under its own name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* grpc-timeout: up to 8 digits and one of H M S m u n. */
bool timeout_of_grpc(struct slice text, int64_t *ns);

/* connect-timeout-ms: up to 10 digits. */
bool timeout_of_connect(struct slice text, int64_t *ns);

/* "application/json; charset=utf-8" -> "application/json"; letters as they came. */
struct slice media_type(struct slice content_type);

/* The next token of a list like "br;q=0, gzip, zstd;q=0.5" that is not refused by its quality; false: no more. */
bool list_next(struct slice *list, struct slice *token);

/* Can every media range of an Accept field be read, as type/subtype?  Parameters and empty ranges are let pass. */
bool accept_is_readable(struct slice accept);
