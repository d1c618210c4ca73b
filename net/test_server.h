/*
 * For the tests of this room: a listener on a free port of the loopback with a small app, and raw sockets to talk to
 * it.
 *
 *     /echo /count /query /bare /trailers answer at the end; /patient too, however slow; /early at once; /stream 20 MB;
 *     /big 1 MB in one piece; /names the peer's; /hold consumes nothing and waits for release_held; /silent never
 *     answers; /abort breaks off
 */
#pragma once

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/listen.h"
#include "net/loop.h"

/* --- the app ------------------------------------------------------------------------------------------------------ */

enum { BIG_BYTES = 1000000 };

struct echo {
    struct buf    body;
    atomic_size_t n; /* of the body; the test reads it, too */
    size_t        written, to_write;
    bool          is_held;
};

static atomic_int heads, gones, silent, heads_of[2]; /* heads_of: by loop */
static struct exchange *_Atomic held_exchange;

static __attribute__((unused)) void stream_more(struct exchange *x, struct echo *e)
{
    static const char zeros[10000];

    while (e->written < e->to_write && exchange_unsent(x) < 200000) {
        exchange_write(x, slice_make(zeros, sizeof zeros));
        e->written += sizeof zeros;
        if (e->written == e->to_write)
            exchange_finish(x, NULL, 0);
    }
}

static __attribute__((unused)) void app_head(struct exchange *x, void *arg)
{
    static const struct http_field type = { SLICE("content-type"), SLICE("text/plain") };
    struct echo                   *e = mem_zalloc(sizeof *e);

    (void)arg;
    x->user = e;
    atomic_fetch_add(&heads, 1);
    atomic_fetch_add(&heads_of[loop_index(x->loop) % 2], 1);
    if (slice_is(x->path, "/early")) {
        exchange_head(x, 413, &type, 1);
        exchange_write(x, SLICE("too large"));
        exchange_finish(x, NULL, 0);
    } else if (slice_is(x->path, "/hold")) {
        e->is_held = true;
        atomic_store(&held_exchange, x);
    } else if (slice_is(x->path, "/silent")) {
        atomic_fetch_add(&silent, 1);
    } else if (slice_is(x->path, "/patient")) {
        x->is_patient = true;
    }
}

static __attribute__((unused)) void app_body(struct exchange *x, struct slice piece)
{
    struct echo *e = x->user;

    e->n += piece.n;
    if (slice_is(x->path, "/echo"))
        buf_slice(&e->body, piece);
    if (!e->is_held)
        exchange_consume(x, piece.n);
}

static __attribute__((unused)) void app_end(struct exchange *x)
{
    struct http_field fields[] = { { SLICE("content-type"), SLICE("text/plain") }, { SLICE("x-mark"), SLICE("m") } };
    struct http_field trailer = { SLICE("grpc-status"), SLICE("0") };
    struct echo      *e = x->user;

    if (slice_is(x->path, "/echo")) {
        exchange_head(x, 200, fields, 2);
        exchange_write(x, buf_view(&e->body));
        exchange_finish(x, &trailer, x->version == 2 ? 1 : 0);
    } else if (slice_is(x->path, "/count") || slice_is(x->path, "/patient")) {
        char text[32];
        exchange_head(x, 200, fields, 1);
        exchange_write(x, slice_make(text, (size_t)snprintf(text, sizeof text, "%zu", e->n)));
        exchange_finish(x, NULL, 0);
    } else if (slice_is(x->path, "/bare")) {
        exchange_head(x, 204, fields, 0);
        exchange_finish(x, NULL, 0);
    } else if (slice_is(x->path, "/trailers")) {
        exchange_head(x, 200, fields, 1);
        exchange_finish(x, &trailer, 1);
    } else if (slice_is(x->path, "/abort")) {
        exchange_abort(x);
    } else if (slice_is(x->path, "/stream")) {
        exchange_head(x, 200, fields, 1);
        e->to_write = 20000000;
        stream_more(x, e);
    } else if (slice_is(x->path, "/names")) {
        exchange_head(x, 200, fields, 1);
        for (size_t i = 0; i < x->n_peer_names; i++) {
            exchange_write(x, x->peer_names[i]);
            exchange_write(x, SLICE(" "));
        }
        exchange_write(x, SLICE(".\n"));
        exchange_finish(x, NULL, 0);
    } else if (slice_is(x->path, "/big")) {
        exchange_head(x, 200, fields, 1);
        exchange_write_owned(x, mem_zalloc(BIG_BYTES), BIG_BYTES);
        exchange_finish(x, NULL, 0);
    } else if (slice_is(x->path, "/query")) {
        exchange_head(x, 200, fields, 1);
        exchange_write(x, x->query);
        exchange_finish(x, NULL, 0);
    }
}

static __attribute__((unused)) void app_writable(struct exchange *x)
{
    struct echo *e = x->user;

    if (slice_is(x->path, "/stream"))
        stream_more(x, e);
}

static __attribute__((unused)) void app_gone(struct exchange *x)
{
    struct echo *e = x->user;

    atomic_fetch_add(&gones, 1);
    buf_free(&e->body);
    free(e);
}

static const struct http_app app = { .on_head = app_head,
                                     .on_body = app_body,
                                     .on_end = app_end,
                                     .on_writable = app_writable,
                                     .on_gone = app_gone };

/* --- the server --------------------------------------------------------------------------------------------------- */

enum { LOOPS = 2 };

struct server {
    struct loop     *loops[LOOPS];
    struct listener *listener;
    const char      *address;
    int              port;
};

static struct tls *server_tls; /* of servers that start; NULL: clear text */

static __attribute__((unused)) void server_start_at(struct server *s, const char *address,
                                                    const struct http_limits *limits)
{
    struct fault why;

    for (int i = 0; i < LOOPS; i++) {
        s->loops[i] = loop_new(i);
        loop_start(s->loops[i]);
    }
    for (int tries = 0; listener_new(address, s->loops, LOOPS, &app, limits, server_tls, &s->listener, &why) != CODE_OK;
         tries++) {
        fprintf(stderr, "%s\n", why.text); /* the server before may be about to leave */
        assert(tries < 100);
        usleep(20000);
    }
    s->address = listener_address(s->listener);
    s->port = atoi(strrchr(s->address, ':') + 1);
}

static __attribute__((unused)) void server_start(struct server *s, const struct http_limits *limits)
{
    server_start_at(s, "127.0.0.1:0", limits);
}

static __attribute__((unused)) bool soon(bool (*is_so)(void *arg), void *arg)
{
    for (int64_t until = clock_mono_ns() + 10 * NS_PER_S; clock_mono_ns() < until; usleep(1000))
        if (is_so(arg))
            return true;
    return false;
}

static __attribute__((unused)) bool all_gone(void *arg)
{
    (void)arg;
    return atomic_load(&heads) == atomic_load(&gones);
}

/* Everything that began has ended. */
static __attribute__((unused)) void server_stop(struct server *s)
{
    listener_free(s->listener);
    for (int i = 0; i < LOOPS; i++) {
        loop_stop(s->loops[i]);
        loop_free(s->loops[i]);
    }
    assert(soon(all_gone, NULL));
}

static __attribute__((unused)) bool none_open(void *arg)
{
    return listener_connections(((struct server *)arg)->listener) == 0;
}

/* hearth_net_abuse_total of a class */
static __attribute__((unused)) int64_t counted(const char *class)
{
    char labels[64];

    snprintf(labels, sizeof labels, "class=\"%s\"", class);
    return metric_read(metric_counter("hearth_net_abuse_total", "", labels));
}

/* --- HTTP/1.1 ----------------------------------------------------------------------------------------------------- */

static __attribute__((unused)) int dial(const struct server *s)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    assert(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static __attribute__((unused)) void say(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        assert(n > 0);
        s = slice_from(s, (size_t)n);
    }
}

/* What comes until the peer closes, or until `n` times `mark` was seen. */
static __attribute__((unused)) struct buf hear(int fd, const char *mark, int n)
{
    struct buf    b = { 0 };
    struct pollfd p = { .fd = fd, .events = POLLIN };

    for (;;) {
        struct slice rest = buf_view(&b);
        int          seen = 0;
        for (size_t at; mark && rest.n && (at = slice_find(rest, slice_of(mark))) < rest.n; seen++)
            rest = slice_from(rest, at + strlen(mark));
        if (mark && seen >= n)
            return b;
        assert(poll(&p, 1, 20000) == 1);
        ssize_t got = recv(fd, buf_reserve(&b, 65536), 65536, 0);
        if (got <= 0)
            return b;
        b.n += (size_t)got;
    }
}

static __attribute__((unused)) bool has(const struct buf *b, const char *text)
{
    return slice_find(buf_view(b), slice_of(text)) < b->n;
}

/* One request, answered and closed. */
static __attribute__((unused)) struct buf ask(const struct server *s, struct slice request)
{
    int        fd = dial(s);
    struct buf b;

    say(fd, request);
    b = hear(fd, NULL, 0);
    close(fd);
    return b;
}

static __attribute__((unused)) void release_held(struct task *t)
{
    struct exchange *x = atomic_exchange(&held_exchange, NULL);

    free(t);
    struct echo *e = x->user;
    e->is_held = false;
    exchange_consume(x, e->n);
    exchange_head(x, 200, NULL, 0);
    exchange_finish(x, NULL, 0);
}

static __attribute__((unused)) bool is_held(void *arg)
{
    (void)arg;
    return atomic_load(&held_exchange) != NULL;
}

/* The held exchange is answered. */
static __attribute__((unused)) void release(void)
{
    struct task *t = mem_zalloc(sizeof *t);

    t->run = release_held;
    loop_post(atomic_load(&held_exchange)->loop, t);
}
