/*
 * Inside the HTTP/2 client of one loop.
 *
 *     client --> peer "host:port" --> requests that wait
 *                   `--> links (connections) --> requests that run, each a stream
 *                                                links that are leaving finish what they have
 *
 * client.c keeps requests, peer.c whom they wait for, link.c connections, link_stream.c what nghttp2 tells and asks.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/arena.h"
#include "net/client.h"
#include "net/sock.h"

enum { LINKS_MAX = 4 };

struct peer {
    struct peer         *next;
    struct http_client  *client;
    struct link         *links;   /* also those that are leaving, until libuv has closed them */
    size_t               n_links; /* of these, that take requests */
    struct http_request *waiting, **waiting_last;
    size_t               n_waiting;
    int64_t              retry_ms, backoff_ms;
    char                 why[240]; /* the last failure to connect */
    char                 address[];
};

struct http_client {
    struct loop               *loop;
    struct tls                *tls; /* NULL: clear text */
    struct http_patience       patience;
    struct peer               *peers;
    struct http_request       *over, **over_last; /* on_done is due */
    struct turn                turn;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option            *option;
    bool                       is_closing;
};

struct link {
    struct sock          sock; /* first; valid while has_sock */
    struct peer         *peer;
    struct link         *next, **link; /* of the peer's; NULL when the client has gone */
    nghttp2_session     *session;      /* once connected */
    struct http_request *running;
    size_t               n_running;
    uv_getaddrinfo_t     dns;
    struct addrinfo     *addresses, *at;
    struct loop_timer   *timer; /* patience while connecting, then the pulse */
    int64_t              heard_ms, used_ms;
    char                 why[160]; /* the last address failed */
    bool                 has_sock, is_dns_busy, is_ready, is_leaving, is_dead;
    bool                 has_answered; /* a request, ever */
    bool                 is_pinged;    /* and has not been heard since */
    bool                 has_writable; /* some of its requests are due on_writable */
};

enum request_state { REQUEST_WAITING, REQUEST_RUNNING, REQUEST_OVER };

struct http_request {
    struct http_client       *client;
    struct peer              *peer;         /* while WAITING */
    struct link              *on;           /* while RUNNING */
    struct http_request      *next, **link; /* of the list of its state */
    enum request_state        state;
    struct arena             *arena;
    nghttp2_nv               *nv;
    size_t                    n_nv;
    struct outq               unsent; /* of the body */
    int32_t                   id;     /* of the stream, when RUNNING */
    struct http_field        *fields, *trailers;
    size_t                    n_fields, n_trailers, head_bytes;
    const struct http_events *events; /* NULL: gathered */
    struct buf                answer;
    size_t                    answer_max;
    int                       status;
    int64_t                   deadline_ns; /* 0: none */
    struct loop_timer        *timer;       /* of it */
    http_reply_fn            *on_done;
    void                     *arg;
    enum code                 code;
    struct slice              text;
    bool                      was_sent, is_in_trailers, is_whole /* its body */, is_deferred, is_writable_due;
};

/* The request is over; on_done runs at the end of the turn.  Its stream, if any, is reset unless it has ended. */
__attribute__((format(printf, 3, 4))) void request_over(struct http_request *r, enum code code, const char *format,
                                                        ...);

struct peer *peer_at(struct http_client *c, const char *address);
void         peer_free(struct peer *p); /* its links are dead, and live until libuv has closed their sockets */

/* Fails at once right after a failure to connect, for as long as the backoff says. */
void peer_add(struct peer *p, struct http_request *r);
void peer_remove(struct peer *p, struct http_request *r);

/* Something has changed: those that wait go where there is room, or a link is made for them. */
void peer_serve(struct peer *p);
/* A link could not be made, or broke before it was of any use. */
void peer_unreachable(struct peer *p);
/* Every request that waits is over. */
void peer_fail(struct peer *p, enum code code, const char *why);

struct link *link_new(struct peer *p);
size_t       link_room(const struct link *l); /* so many more requests does its peer take; 0 until it is connected */
void         link_leave(struct link *l);      /* no new requests here */

/* Every request of the link is over with `code`; the link frees itself when libuv has let go of it. */
void link_die(struct link *l, enum code code, const char *why);
void link_broke(struct link *l, const char *why);

/* The request, which no longer waits, becomes a stream. */
void link_submit(struct link *l, struct http_request *r);
void link_cancel(struct link *l, struct http_request *r); /* RST_STREAM */
void link_consume(struct link *l, struct http_request *r, size_t n);
void link_resume(struct link *l, struct http_request *r); /* there is more of its body, or it has become whole */
void link_tell_writable(struct link *l);

nghttp2_session_callbacks *link_callbacks(void);
