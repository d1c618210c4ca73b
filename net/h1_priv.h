/*
 * Inside HTTP/1.x for one connection: h1.c takes requests and has the connection's events, h1_answer.c answers.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "net/conn.h"
#include "net/h1_chunk.h"
#include "net/h1_head.h"

enum h1_state { H1_HEAD, H1_BODY, H1_ANSWER, H1_LINGER };

struct h1 {
    struct carried  x; /* first */
    struct conn    *c;
    enum h1_state   state;
    struct buf      in;      /* read, not yet taken */
    size_t          scanned; /* of the head that begins `in` */
    int             minor;   /* of the request's version */
    struct h1_chunk chunk;
    uint64_t        left;       /* of a body with content-length */
    size_t          unconsumed; /* body bytes the app has not consumed */
    size_t          lingered;
    int64_t         since_ms; /* when the present wait began */
    struct pace     pace;     /* of the body */
    size_t          marked;   /* h1_unsent when last looked at: what is gone since has left */
    struct buf      head;     /* of the answer, without framing fields and the empty line */
    struct outq     body;     /* of the answer, not yet in the socket's queue */
    int             status;
    bool            is_open;  /* on_head was called and on_gone was not */
    bool            is_used;  /* a request came before */
    bool            is_chunked_in, expects_continue, is_head_method;
    bool            is_last; /* the connection ends with this exchange */
    bool            is_eof, is_shut, is_probed;
    bool            has_head, is_head_sent, is_finished, is_aborted, is_chunked_out;
    bool            is_writable_due; /* written since unsent was last nothing */
    bool            is_held;         /* pipelined requests wait for output to leave */
};

static inline const struct http_app *h1_app(const struct h1 *h) { return h->c->door->app; }

static inline const struct http_limits *h1_limits(const struct h1 *h) { return h->c->door->limits; }

static inline int64_t h1_now_ms(const struct h1 *h) { return loop_now_ms(h->c->sock.loop); }

static inline void h1_wait_begins(struct h1 *h) { h->since_ms = h1_now_ms(h); }

static inline size_t h1_unsent(const struct h1 *h) { return h->body.n + h->c->sock.out.n; }

/* Output above which pipelined requests wait: little where memory is short. */
static inline size_t h1_early_max(const struct h1 *h)
{
    const struct door *d = h->c->door;

    return h1_limits(h)->unsent_bytes_max / (d->held > d->held_max ? 16 : 1);
}

extern const struct carrier h1_carrier;

/* A whole answer of the carrier's own, to a request that cannot be understood; nothing after it can be either. */
void h1_refuse(struct h1 *h, struct h1_wrong w);

/* The same to one that went over a budget. */
void h1_refuse_abuse(struct h1 *h, enum abuse what, struct h1_wrong w);

/* At the end of a turn: what the app has given goes to the socket's queue, and the exchange ends when that was all. */
void h1_answer_more(struct h1 *h);

void h1_set_reading(struct h1 *h);
void h1_exchange_gone(struct h1 *h); /* on_gone, unless it was called */
void h1_close_now(struct h1 *h);
void h1_linger(struct h1 *h);
