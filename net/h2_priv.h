/*
 * Inside HTTP/2 for one connection: h2.c has its events, h2_hear.c what the session tells, h2_stream.c the streams and
 * their answers.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "net/conn.h"
#include "net/h2_ids.h"

struct h2_stream {
    struct carried     x; /* first */
    struct h2         *h;
    struct h2_stream  *next, **link; /* all streams of the connection, or the spare ones */
    struct h2_stream  *next_touched;
    int32_t            id;
    struct http_field *fields;
    size_t             cap_fields;
    size_t             head_bytes, kept_bytes; /* of fields: heard, and kept */
    size_t             unconsumed;
    int64_t            since_ms;        /* when the head began */
    struct pace        request, answer; /* bodies */
    int64_t            early_ms;        /* when the answer was whole before the request; 0: it was not */
    size_t             early_bytes;     /* of the request, since then */
    struct outq        body;
    nghttp2_nv        *head, *trailers;
    size_t             n_head, n_trailers;
    bool               has_begun; /* its head is whole */
    bool               is_open;   /* on_head was called */
    bool               is_head_method;
    bool               is_refused; /* 431: the app does not hear of it */
    bool               has_ended;  /* the client's END_STREAM came */
    bool               is_touched, has_head, is_submitted, is_finished, is_aborted, is_writable_due;
};

struct h2 {
    struct conn      *c;
    nghttp2_session  *session;
    struct h2_stream *streams, *spare;
    struct h2_stream *touched;
    size_t            n_streams, n_spare;
    size_t            held;  /* body bytes of all streams */
    size_t            heads; /* kept_bytes of all streams */
    struct h2_ids     ids;
    int64_t           since_ms;               /* idle since; or when the shutdown notice was given */
    bool              is_greeted;             /* the client's first frame came */
    bool              is_notified, is_goaway; /* draining: the notice, the real one */
    bool              is_over;                /* a fault ended it: what is queued leaves, then it closes */
};

struct h2_shared {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option            *option;
};

static inline const struct http_app *h2_app(const struct h2 *h) { return h->c->door->app; }

static inline const struct http_limits *h2_limits(const struct h2 *h) { return h->c->door->limits; }

static inline size_t h2_held(const struct h2 *h)
{
    return h->held + h->c->sock.out.n + h->n_streams * EXCHANGE_BYTES;
}

static inline struct h2_stream *h2_stream_at(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static inline int64_t h2_now_ms(const struct h2 *h) { return loop_now_ms(h->c->sock.loop); }

struct h2_stream *h2_stream_new(struct h2 *h, int32_t id);
void              h2_stream_end(struct h2_stream *s); /* on_gone, whoever ended it */
void              h2_stream_free(struct h2_stream *s);

/*
 * An answer that is whole before the request asks the client to stop sending: not at once, for what is on its way may
 * still break the protocol and has to be told so (RFC 9113 section 5.4.2), but soon.
 */
enum { EARLY_WAIT_MS = 200, EARLY_BYTES_MAX = 64 << 10 };
void h2_stream_stop(struct h2_stream *s);

/* Hands nghttp2 what the touched streams have to say. */
void h2_submit_touched(struct h2 *h);

/* An answer of our own, of one line. */
void h2_answer(struct h2_stream *s, int status, struct slice text);

/* on_writable for the streams that have room again. */
void h2_tell_writable(struct h2 *h);

/* Over `what`: GOAWAY with `error`, then the end; nothing more is read. */
void h2_terminate(struct h2 *h, enum abuse what, uint32_t error);

/* The peer did something that is worth `cost`; over its budget it is terminated. */
void h2_charge(struct h2 *h, enum abuse what, int64_t cost);

/* GOAWAY that refuses what comes from now on; what is open goes on.  Again: nothing. */
void h2_goaway(struct h2 *h);

/* RST_STREAM of our own will, which the peer is not charged for. */
void h2_reset(struct h2_stream *s, uint32_t error);

int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                 nghttp2_data_source *source, void *arg);
