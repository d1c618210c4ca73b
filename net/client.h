/*
 * HTTP/2 client (prior knowledge, or TLS with ALPN): pooled connections of one loop, many requests on each.
 *
 * C1  A client belongs to one loop; every function and callback runs on that loop's thread.
 * C2  on_done runs exactly once for each request, also when it is cancelled, late, or its connection breaks; never
 *     inside a function of this header but http_client_free, for what is still open.  No other callback runs after it.
 * C3  A broken connection fails its requests with UNAVAILABLE and is replaced on the next request; one that answered
 *     GOAWAY finishes what it has and takes no more.  `was_sent` tells whether the peer may have seen the request.
 * C4  With a TLS context every address is spoken to in TLS, and has to show a certificate for the host it is called by.
 * C5  A connection carries as many requests as its peer allows.  What comes when all are full opens another, up to four
 *     of an address; beyond that requests wait, the oldest first, and nobody has seen them.
 * C6  A peer that is silent while it owes an answer is sent a PING, and is gone if it does not answer that either.
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

/* For an answer that is wanted as it comes.  Bytes stay charged to its window until http_request_consume. */
struct http_events {
    void (*on_head)(void *arg, int status, const struct http_field *fields, size_t n); /* good until on_done */
    void (*on_body)(void *arg, struct slice piece);                                    /* borrowed for the call */
    void (*on_writable)(void *arg); /* of what was written, at most half of HTTP_UNSENT_MARK is unsent; may be NULL */
};

enum { HTTP_UNSENT_MARK = 256 << 10 };

struct http_client *http_client_new(struct loop *l, struct tls *tls);            /* NULL: clear text; takes a reference */
void                http_client_set_tls(struct http_client *c, struct tls *tls); /* for connections made from now on */
void                http_client_free(struct http_client *c);

struct http_patience {
    int64_t connect_ms;    /* for the name and all its addresses together */
    int64_t ping_after_ms; /* of silence (C6) */
    int64_t ping_wait_ms;
    int64_t idle_ms; /* then a connection without requests is closed: before the peer does it */
};
extern const struct http_patience http_patience_default;
void http_client_set_patience(struct http_client *c, const struct http_patience *p); /* before the first request */

struct http_send {
    const char               *address; /* "host:port"; DNS by libuv, off the loop */
    struct slice              method, path;
    const struct http_field  *fields;
    size_t                    n_fields;
    struct slice              body;           /* copied, unless ... */
    bool                      is_given;       /* ... it is the request's from now on, and freed with free() */
    bool                      is_open;        /* more of the body follows, by http_request_write, until _finish */
    int64_t                   deadline_ns;    /* monotonic; 0: none */
    const struct http_events *events;         /* NULL: the answer is gathered and comes whole, with on_done */
    size_t                    body_bytes_max; /* of a gathered answer; over: RESOURCE_EXHAUSTED */
    http_reply_fn            *on_done;
    void                     *arg;
};

/* The handle is good until on_done has run.  What is asked of a request that is over already does nothing. */
struct http_request *http_client_send(struct http_client *c, const struct http_send *s);
void                 http_client_cancel(struct http_request *r); /* RST_STREAM(CANCEL); on_done says CANCELED */

/* More of an open body: freed with free() when it has left.  And its end. */
void   http_request_give(struct http_request *r, void *bytes, size_t n);
void   http_request_finish(struct http_request *r);
size_t http_request_unsent(const struct http_request *r);

/* The peer may send `n` more bytes of the answer. */
void http_request_consume(struct http_request *r, size_t n);
