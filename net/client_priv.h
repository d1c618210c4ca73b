/*
 * Inside the HTTP/2 client of one loop.
 *
 *     client --> peer "host:port" --> link (one live connection) --> requests: waiting, then running as streams
 *                                     links that are leaving finish what they have
 *
 * client.c keeps requests and peers, link.c connections and nghttp2.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/arena.h"
#include "net/client.h"
#include "net/sock.h"

struct peer {
    struct peer        *next;
    struct http_client *client;
    struct link        *live; /* NULL: the next request makes one */
    int64_t             retry_ms, backoff_ms;
    char                why[200]; /* the last failure to connect */
    char                address[];
};

struct http_client {
    struct loop               *loop;
    struct tls                *tls; /* NULL: clear text */
    struct peer               *peers;
    struct link               *links;
    struct http_request       *over, **over_last; /* on_done is due */
    struct turn                turn;
    nghttp2_session_callbacks *callbacks;
    bool                       is_closing;
};

struct link {
    struct sock          sock; /* first; valid while has_sock */
    struct http_client  *client;
    struct peer         *peer;
    struct link         *next, **link; /* of the client's links */
    nghttp2_session     *session;      /* once connected */
    struct http_request *waiting, **waiting_last, *running;
    size_t               n_running;
    uv_getaddrinfo_t     dns;
    struct addrinfo     *addresses, *at;
    struct loop_timer   *patience; /* while connecting */
    char                 why[160]; /* the last address failed */
    bool                 has_sock, is_dns_busy, is_ready, is_leaving, is_dead;
};

enum request_state { REQUEST_WAITING, REQUEST_RUNNING, REQUEST_OVER };

struct http_request {
    struct http_client  *client;
    struct link         *on;           /* not when OVER */
    struct http_request *next, **link; /* of the list of its state */
    enum request_state   state;
    struct arena        *arena;
    nghttp2_nv          *nv;
    size_t               n_nv;
    struct slice         body;
    size_t               body_sent;
    int32_t              id; /* of the stream, when RUNNING */
    struct http_field   *fields, *trailers;
    size_t               n_fields, n_trailers, head_bytes;
    struct buf           answer;
    size_t               answer_max;
    int                  status;
    int64_t              deadline_ns;
    struct loop_timer   *timer; /* NULL: no deadline */
    http_reply_fn       *on_done;
    void                *arg;
    enum code            code;
    struct slice         text;
    bool                 was_sent, is_in_trailers;
};

/* The request is over; on_done runs at the end of the turn.  Its stream, if any, is reset unless it has ended. */
__attribute__((format(printf, 3, 4))) void request_over(struct http_request *r, enum code code, const char *format,
                                                        ...);

struct link *link_new(struct peer *p);
void         link_add(struct link *l, struct http_request *r);

/* Every request of the link is over with `code`; the link frees itself when libuv has let go of it. */
void link_die(struct link *l, enum code code, const char *why);

nghttp2_session_callbacks *link_callbacks(void);
