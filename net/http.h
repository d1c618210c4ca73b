/*
 * HTTP: one exchange (a request and its answer), whatever carries it.
 *
 *     conn (h1.c | h2.c)  --on_head, on_body, on_end, on_gone-->  app
 *     conn                <--exchange_head, _write, _finish-----  app
 *
 * H1  Every function and callback here runs on the loop thread of the exchange's connection.  Other threads reach it by
 *     loop_post (net/loop.h).
 * H2  on_head first; then on_body any number of times; then on_end unless the request broke off; on_gone last and
 *     exactly once, whatever happened.  After on_gone returns the exchange is dead.
 * H3  Request bytes stay charged to the connection's flow-control window until exchange_consume: a slow app slows its
 *     sender and holds bounded memory.
 * H4  exchange_head once, then writes, then exchange_finish once.  When the peer has gone they do nothing.
 * H5  Nothing is sent from inside a callback; output is gathered and leaves in one writev, behind the bytes that were read
 *     or at the end of the loop's turn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct loop;
struct networks;

struct http_field {
    struct slice name, value; /* names are lower-case */
};

struct exchange {
    struct slice             method, path, query; /* path without '?', neither is percent-decoded */
    struct slice             authority;           /* :authority or Host; may be empty */
    struct slice             peer;                /* "127.0.0.1:53412" */
    const struct slice      *peer_names;          /* of its verified certificate: CN, then DNS, URI, email */
    size_t                   n_peer_names;        /* 0: it has shown none */
    int                      version;             /* 1 or 2 */
    bool                     has_body;            /* false: on_end follows at once */
    int64_t                  content_length;      /* -1: not said */
    const struct http_field *fields;
    size_t                   n_fields;
    struct loop             *loop;
    struct arena            *arena; /* lives as long as the exchange */
    void                    *user;  /* the app's, NULL at on_head */
    bool                     is_patient; /* set by the app in on_head: a body that pauses is not late */
};

/* The first value of a field, by lower-case name; an empty slice with p == NULL when absent. */
struct slice exchange_field(const struct exchange *x, const char *name);

/* The peer may send `n` more bytes of body. */
void exchange_consume(struct exchange *x, size_t n);

/* Status and fields, copied.  Connection-level fields (date, content-length, transfer-encoding) are the carrier's. */
void exchange_head(struct exchange *x, int status, const struct http_field *fields, size_t n);

/* Bytes of the answer, copied; or handed over, to be freed with free(). */
void exchange_write(struct exchange *x, struct slice bytes);
void exchange_write_owned(struct exchange *x, void *bytes, size_t n);

/*
 * The end of the answer, with trailers (HTTP/2 only; n == 0 for none).  A head followed directly by finish on HTTP/2 is
 * one HEADERS frame with END_STREAM.
 */
void exchange_finish(struct exchange *x, const struct http_field *trailers, size_t n);

/* Break the exchange off: RST_STREAM(INTERNAL_ERROR) or a closed connection. */
void exchange_abort(struct exchange *x);

/* Output bytes accepted but not yet on the wire; the app stops writing above a mark and goes on at on_writable. */
size_t exchange_unsent(const struct exchange *x);

struct http_app {
    void *arg;
    void (*on_head)(struct exchange *x, void *arg);
    void (*on_body)(struct exchange *x, struct slice piece); /* borrowed for the call */
    void (*on_end)(struct exchange *x);
    void (*on_writable)(struct exchange *x); /* output left, unsent is below half of unsent_bytes_max; may be NULL */
    void (*on_gone)(struct exchange *x);
};

/* What a connection may cost; every bound is checked before memory is taken.  net/guard.c has the defaults. */
struct http_limits {
    size_t  head_bytes_max;          /* request line and fields; over: 431 */
    size_t  fields_max;              /* over: 431 */
    size_t  heads_bytes_max;         /* of all streams open on an HTTP/2 connection; over: 431 */
    size_t  unsent_bytes_max;        /* per connection, then reading stops */
    size_t  held_bytes_max;          /* answers that wait on one connection; over: new streams are refused */
    size_t  held_total_bytes_max;    /* on all of a listener; over: the largest that do not move are closed */
    int     streams_max;             /* HTTP/2 concurrent streams */
    int64_t requests_max;            /* of a connection; then the client is asked to take another */
    int64_t connections_max;         /* of a listener */
    int64_t address_connections_max; /* of one address; over either: closed at once */
    int64_t idle_ns;                 /* no exchange open; then the connection is closed */
    int64_t age_max_ns;     /* up to a tenth less, then the client is asked to take another; INT64_MAX: never */
    int64_t head_wait_ns;   /* from the first byte (or accept) to a whole head */
    int64_t body_wait_ns;   /* in each such span a body that we wait for brings at least rate_min */
    int64_t answer_wait_ns; /* in each such span a client takes at least rate_min of an answer */
    size_t  rate_min;       /* bytes a second */

    const struct networks *exempt; /* from address_connections_max; borrowed, NULL: none */
};

extern const struct http_limits http_limits_default;
