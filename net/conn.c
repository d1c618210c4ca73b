#include "net/conn.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum { PREFACE_BYTES = sizeof PREFACE - 1, DRAIN_WAIT_MS = 500 };

static void on_bytes(void *owner, struct slice bytes)
{
    struct conn *c = owner;

    if (c->proto == NULL) {
        size_t left = PREFACE_BYTES - c->n_sniffed, n = bytes.n < left ? bytes.n : left;
        bool   is_same = memcmp(bytes.p, PREFACE + c->n_sniffed, n) == 0;
        size_t sniffed = c->n_sniffed;
        if (is_same && n < left) {
            c->n_sniffed += n;
            return;
        }
        if (is_same)
            h2_start(c);
        else
            h1_start(c);
        if (sniffed > 0) /* these were taken off the socket before; the rest of `bytes` follows them */
            c->proto->on_bytes(c, slice_make(PREFACE, sniffed));
    }
    if (!c->sock.is_closing)
        c->proto->on_bytes(c, bytes);
}

/* TLS shook hands; one that did not negotiate is sniffed as in clear text. */
static void on_connected(void *owner)
{
    struct conn *c = owner;
    struct slice protocol = tls_session_protocol(c->sock.tls);

    if (slice_is(protocol, "h2"))
        h2_start(c);
    else if (slice_is(protocol, "http/1.1"))
        h1_start(c);
}

static void on_eof(void *owner)
{
    struct conn *c = owner;

    if (c->proto != NULL)
        c->proto->on_eof(c);
    else
        conn_close(c);
}

static void on_broken(void *owner, const char *why)
{
    (void)why;
    conn_close(owner);
}

static void on_turn(void *owner)
{
    struct conn *c = owner;

    if (c->proto != NULL)
        c->proto->on_turn(c);
}

static void on_sent(void *owner)
{
    struct conn *c = owner;

    if (c->proto != NULL)
        c->proto->on_sent(c);
}

static void on_closed(void *owner)
{
    struct conn *c = owner;
    struct door *d = c->door;

    if (c->proto != NULL) {
        c->proto->gone(c);
        c->proto->end(c);
    }
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    free(c);
    door_conn_gone(d);
}

static const struct sock_ops conn_ops = {
    .on_connected = on_connected,
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_broken = on_broken,
    .on_turn = on_turn,
    .on_sent = on_sent,
    .on_closed = on_closed,
};

void conn_new(struct door *d, int fd, const char *peer)
{
    struct conn *c = mem_zalloc(sizeof *c);

    c->door = d;
    c->since_ms = loop_now_ms(d->loop);
    memcpy(c->peer, peer, strnlen(peer, sizeof c->peer - 1));
    c->next = d->conns;
    c->link = &d->conns;
    if (c->next != NULL)
        c->next->link = &c->next;
    d->conns = c;
    sock_open(&c->sock, d->loop, fd, false, d->tls ? tls_session_new(d->tls, NULL) : NULL, &conn_ops, c);
}

/* Exchanges end here and not in the middle of whatever found the connection broken: that is what on_closed is for. */
void conn_close(struct conn *c) { sock_close(&c->sock); }

void conn_drain(struct conn *c)
{
    if (c->sock.is_closing)
        return;
    if (c->proto != NULL)
        c->proto->drain(c); /* one that has said nothing may still be about to; conn_tick sees to it */
}

void conn_tick(struct conn *c, int64_t now_ms)
{
    const struct http_limits *limits = c->door->limits;

    if (c->sock.is_closing)
        return;
    sock_trim(&c->sock); /* idle connections hold little */
    if (c->sock.stalled_ms != 0 && now_ms - c->sock.stalled_ms > limits->body_wait_ns / NS_PER_MS)
        conn_close(c);
    else if (c->proto != NULL)
        c->proto->on_tick(c, now_ms);
    else if (now_ms - c->since_ms > (c->door->is_draining ? DRAIN_WAIT_MS : limits->head_wait_ns / NS_PER_MS))
        conn_close(c);
}
