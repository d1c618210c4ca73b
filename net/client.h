/*
 * HTTP/2 client (prior knowledge, or TLS with ALPN): pooled connections of one loop, many requests on each.
 *
 * C1  A client belongs to one loop; every function and callback runs on that loop's thread.
 * C2  on_done runs exactly once for each request, also when it is cancelled, late, or its connection breaks; never
 *     inside http_client_send or http_client_cancel, but inside http_client_free for what is still open.
 * C3  A broken connection fails its requests with UNAVAILABLE and is replaced on the next request; one that answered
 *     GOAWAY finishes what it has and takes no more.  `was_sent` tells whether the peer may have seen the request.
 * C4  With a TLS context every address is spoken to in TLS, and has to show a certificate for the host it is called by.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "net/http.h"
#include "net/tls.h"

struct http_client;
struct http_request;

struct http_reply {
    enum code                code; /* CODE_OK: a whole answer came; else UNAVAILABLE, DEADLINE_EXCEEDED, CANCELED ... */
    struct slice             text;     /* why, when not OK */
    bool                     was_sent; /* not OK: the peer may have acted on it */
    int                      status;
    const struct http_field *fields, *trailers;
    size_t                   n_fields, n_trailers;
    struct slice             body; /* all borrowed for the callback */
};

typedef void http_reply_fn(void *arg, const struct http_reply *reply);

struct http_client *http_client_new(struct loop *l, struct tls *tls);            /* NULL: clear text; takes a reference */
void                http_client_set_tls(struct http_client *c, struct tls *tls); /* for connections made from now on */
void                http_client_free(struct http_client *c);

struct http_send {
    const char              *address; /* "host:port"; DNS by libuv, off the loop */
    struct slice             method, path;
    const struct http_field *fields;
    size_t                   n_fields;
    struct slice             body;            /* copied */
    int64_t                  deadline_ns;     /* monotonic; 0: none */
    size_t                   body_bytes_max;  /* of the answer; over: RESOURCE_EXHAUSTED */
    http_reply_fn           *on_done;
    void                    *arg;
};

/* The handle is good for http_client_cancel until on_done has run. */
struct http_request *http_client_send(struct http_client *c, const struct http_send *s);
void                 http_client_cancel(struct http_request *r); /* RST_STREAM(CANCEL); on_done says CANCELED */
