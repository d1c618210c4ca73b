/*
 * Conn: one connection of a listener.  It learns which HTTP is spoken, from TLS or by sniffing, and hands its socket's
 * events to h1.c or h2.c.
 *
 *     door (a listener's part in one loop) --> conn --> struct h1 | struct h2
 */
#pragma once

#include <stdatomic.h>

#include "net/admit.h"
#include "net/carrier.h"
#include "net/guard.h"
#include "net/sock.h"

/* What an open exchange holds besides its bodies: two arenas, a piece of queue, nghttp2's stream; measured, 11 KB. */
enum { EXCHANGE_BYTES = 11 << 10 };

struct conn;
struct listener;
struct metric;
struct h2_shared;

struct door {
    struct listener          *listener;
    struct loop              *loop;
    const struct http_app    *app;
    const struct http_limits *limits;
    const struct h2_shared   *h2;
    struct tls               *tls; /* for the next connection; NULL: clear text */
    struct conn              *conns;
    _Atomic size_t            n_conns; /* with those on their way here from other loops' doors */
    size_t                    held, held_max; /* by all conns; the door's part of the limit */
    struct metric            *held_shown;
    int64_t                   looked_ms; /* when a conn was last looked for that may go for it */
    uint32_t                  n_seen;    /* conns so far: spreads their ages */
    bool                      is_draining;
};

/* What h1.c and h2.c do for a connection.  None of them frees anything but `end`. */
struct conn_proto {
    void (*on_bytes)(struct conn *c, struct slice bytes);
    void (*on_eof)(struct conn *c);
    void (*on_turn)(struct conn *c);
    void (*on_sent)(struct conn *c);
    void (*on_tick)(struct conn *c, int64_t now_ms); /* look for what has taken too long */
    void (*drain)(struct conn *c);
    void (*part)(struct conn *c);         /* the client should take another connection; nothing it asks is lost */
    size_t (*held)(const struct conn *c); /* memory of answers that wait and of open exchanges */
    void (*gone)(struct conn *c); /* the socket is closed: on_gone for every exchange */
    void (*end)(struct conn *c);  /* free */
};

struct conn {
    struct sock              sock;
    struct door             *door;
    struct conn             *next, **link;
    const struct conn_proto *proto; /* NULL while sniffing */
    void                    *state; /* struct h1 or struct h2 */
    int64_t                  since_ms, part_ms; /* accepted; to be parted from */
    size_t                   n_sniffed;         /* bytes of the HTTP/2 preface seen so far */
    int64_t                  n_requests;
    size_t                   held;     /* as the door counts it */
    struct pace              answers;  /* at which they leave */
    int64_t                  moved_ms; /* bytes of a body last came or left, or something began to be held */
    struct guard             guard;
    struct admitted          admitted;
    bool                     is_parting; /* no more requests after this one */
    char                     peer[56];
};

/* n_conns counts it already. */
void conn_new(struct door *d, int fd, const char *peer, struct admitted admitted);
void conn_close(struct conn *c); /* at once; gone and end follow */
void conn_drain(struct conn *c);
void conn_tick(struct conn *c, int64_t now_ms);

void conn_request_begins(struct conn *c);          /* counts; the last one that the connection may have parts it */
void conn_moved(struct conn *c, size_t n);         /* so much of an answer has left */
bool conn_is_stalled(const struct conn *c);        /* holds memory, and nothing comes or leaves */
void conn_abused(struct conn *c, enum abuse what); /* counts, and closes at once */

void door_conn_gone(struct door *d, struct admitted a); /* listen.c: one connection less */

/* What an exchange says of the connection that carries it. */
static inline void conn_describe(const struct conn *c, struct exchange *x)
{
    x->loop = c->sock.loop;
    x->peer = slice_of(c->peer);
    if (c->sock.tls != NULL)
        x->peer_names = tls_session_names(c->sock.tls, &x->n_peer_names);
}

void h1_start(struct conn *c);
void h2_start(struct conn *c);

struct h2_shared *h2_shared_new(void);
void              h2_shared_free(struct h2_shared *s);
