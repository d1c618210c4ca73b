#include "net/conn.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum {
    PREFACE_BYTES = sizeof PREFACE - 1,
    DRAIN_WAIT_MS = 500,
    STALL_MS = 500, /* without progress that long, answers count as not wanted when memory is short */
    LOOK_MS = 50
};

static void account(struct conn *c, size_t held)
{
    struct door *d = c->door;

    if (c->held == 0 && held > 0)
        c->moved_ms = loop_now_ms(d->loop);
    d->held += held - c->held;
    metric_add(d->held_shown, (int64_t)held - (int64_t)c->held);
    c->held = held;
}

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
    account(c, c->proto->held(c)); /* now, since the next that is read must know */
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

static struct conn *most_stalled(const struct door *d)
{
    struct conn *most = NULL;

    for (struct conn *c = d->conns; c != NULL; c = c->next)
        if (conn_is_stalled(c) && (most == NULL || c->held > most->held))
            most = c;
    return most;
}

/* Over its part of the limit, a door closes those that do not move, whoever holds most first. */
static void make_room(struct door *d)
{
    int64_t      now_ms = loop_now_ms(d->loop);
    struct conn *c;

    if (d->held <= d->held_max || now_ms - d->looked_ms < LOOK_MS)
        return;
    d->looked_ms = now_ms;
    while (d->held > d->held_max && (c = most_stalled(d)) != NULL) {
        conn_abused(c, ABUSE_HELD_MEMORY);
        account(c, 0);
    }
}

static void on_sent(void *owner)
{
    struct conn *c = owner;

    if (c->proto == NULL)
        return;
    c->proto->on_sent(c);
    account(c, c->proto->held(c));
    make_room(c->door);
}

static void on_closed(void *owner)
{
    struct conn    *c = owner;
    struct door    *d = c->door;
    struct admitted admitted = c->admitted;

    if (c->proto != NULL) {
        c->proto->gone(c);
        c->proto->end(c);
    }
    account(c, 0);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    free(c);
    door_conn_gone(d, admitted);
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

/* Connections that came together part one after the other, over a tenth of the age. */
static int64_t part_ms(struct door *d, int64_t now_ms)
{
    int64_t age_ms = d->limits->age_max_ns / NS_PER_MS;

    if (d->limits->age_max_ns == INT64_MAX)
        return INT64_MAX;
    uint32_t spread = d->n_seen++ * 2654435769u; /* the golden ratio of 2^32: neighbours land far from each other */
    return now_ms + age_ms - (int64_t)((uint64_t)(age_ms / 10) * spread >> 32);
}

void conn_new(struct door *d, int fd, const char *peer, struct admitted admitted)
{
    struct conn *c = mem_zalloc(sizeof *c);

    c->door = d;
    c->admitted = admitted;
    c->since_ms = loop_now_ms(d->loop);
    c->part_ms = part_ms(d, c->since_ms);
    pace_begin(&c->answers, c->since_ms);
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

void conn_abused(struct conn *c, enum abuse what)
{
    if (!c->sock.is_closing)
        abuse_count(what);
    conn_close(c);
}

static void part(struct conn *c)
{
    c->is_parting = true;
    c->proto->part(c);
}

void conn_request_begins(struct conn *c)
{
    if (++c->n_requests == c->door->limits->requests_max && !c->is_parting)
        part(c);
}

void conn_moved(struct conn *c, size_t n)
{
    c->moved_ms = loop_now_ms(c->sock.loop);
    pace_moved(&c->answers, n, c->moved_ms);
}

bool conn_is_stalled(const struct conn *c)
{
    return c->held > 0 && loop_now_ms(c->sock.loop) - c->moved_ms >= STALL_MS;
}

void conn_drain(struct conn *c)
{
    if (c->sock.is_closing)
        return;
    if (c->proto != NULL)
        c->proto->drain(c); /* one that has said nothing may still be about to; conn_tick sees to it */
}

/* Does what waits for the socket leave too slowly?  What waits for a stream's window is h2.c's. */
static bool is_slow_reader(struct conn *c, int64_t now_ms)
{
    const struct http_limits *l = c->door->limits;

    if (c->sock.out.n > 0)
        return pace_is_slow(&c->answers, l->answer_wait_ns, l->rate_min, now_ms);
    pace_begin(&c->answers, now_ms);
    return false;
}

void conn_tick(struct conn *c, int64_t now_ms)
{
    const struct http_limits *limits = c->door->limits;

    make_room(c->door);
    if (c->sock.is_closing)
        return;
    sock_trim(&c->sock); /* idle connections hold little */
    if (is_slow_reader(c, now_ms)) {
        conn_abused(c, ABUSE_SLOW_READ);
    } else if (c->proto != NULL) {
        if (now_ms > c->part_ms && !c->is_parting)
            part(c);
        c->proto->on_tick(c, now_ms);
    } else if (c->door->is_draining && now_ms - c->since_ms > DRAIN_WAIT_MS) {
        conn_close(c);
    } else if (now_ms - c->since_ms > limits->head_wait_ns / NS_PER_MS) {
        conn_abused(c, ABUSE_SLOW_HEAD);
    }
}
