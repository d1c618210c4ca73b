/*
 * Conn: one connection of a listener.  It learns which HTTP is spoken, from TLS or by sniffing, and hands its socket's
 * events to h1.c or h2.c.
 *
 *     door (a listener's part in one loop) --> conn --> struct h1 | struct h2
 */
#pragma once

#include <stdatomic.h>

#include "net/carrier.h"
#include "net/sock.h"

struct conn;
struct listener;
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
    void (*gone)(struct conn *c); /* the socket is closed: on_gone for every exchange */
    void (*end)(struct conn *c);  /* free */
};

struct conn {
    struct sock              sock;
    struct door             *door;
    struct conn             *next, **link;
    const struct conn_proto *proto; /* NULL while sniffing */
    void                    *state; /* struct h1 or struct h2 */
    int64_t                  since_ms;
    size_t                   n_sniffed; /* bytes of the HTTP/2 preface seen so far */
    char                     peer[56];
};

void conn_new(struct door *d, int fd, const char *peer); /* n_conns counts it already */
void conn_close(struct conn *c);                         /* at once; gone and end follow */
void conn_drain(struct conn *c);
void conn_tick(struct conn *c, int64_t now_ms);

void door_conn_gone(struct door *d); /* listen.c: one connection less */

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
