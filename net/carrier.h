/* What carries an exchange: HTTP/1.1 (h1.c) or HTTP/2 (h2.c).  net/http.h's functions go through this table. */
#pragma once

#include "net/http.h"

struct carrier {
    void (*consume)(struct exchange *x, size_t n);
    void (*head)(struct exchange *x, int status, const struct http_field *fields, size_t n);
    void (*write)(struct exchange *x, struct slice bytes);
    void (*give)(struct exchange *x, void *bytes, size_t n);
    void (*finish)(struct exchange *x, const struct http_field *trailers, size_t n);
    void (*abort)(struct exchange *x);
    size_t (*unsent)(const struct exchange *x);
};

struct carried {
    struct exchange       pub; /* first: an app's exchange is a carrier's carried */
    const struct carrier *by;
};

/* Request bytes an exchange may hold unconsumed before its sender is stopped. */
enum { STREAM_WINDOW_BYTES = 1 << 20, CONNECTION_WINDOW_BYTES = 8 << 20 };

/* "path?query" cut in two. */
void exchange_set_target(struct exchange *x, struct slice target);

const char *http_reason(int status); /* "Not Found"; "" when unknown */
