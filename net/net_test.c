/*
 * Goal: real sockets, real threads: whatever a client does on HTTP/1.1 or HTTP/2, the app sees whole exchanges, the client
 * sees whole answers, and both ends come to rest.  Method: a listener on a free port of the loopback with a small app
 * (echo, counting, silent, early, streaming), raw sockets for HTTP/1.1, our own client for HTTP/2.
 */
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
#include "net/client.h"
#include "net/listen.h"
#include "net/loop.h"

/* --- the app ------------------------------------------------------------------------------------------------------ */

struct echo {
    struct buf  body;
    size_t      n, written, to_write;
    bool        is_held;
    struct task wake;
    struct exchange *x;
};

static atomic_int heads, gones, silent;
static struct exchange *_Atomic held_exchange;

static void stream_more(struct exchange *x, struct echo *e)
{
    static const char zeros[10000];

    while (e->written < e->to_write && exchange_unsent(x) < 200000) {
        exchange_write(x, slice_make(zeros, sizeof zeros));
        e->written += sizeof zeros;
        if (e->written == e->to_write)
            exchange_finish(x, NULL, 0);
    }
}

static void app_head(struct exchange *x, void *arg)
{
    static const struct http_field type = { SLICE("content-type"), SLICE("text/plain") };
    struct echo                   *e = mem_zalloc(sizeof *e);

    (void)arg;
    x->user = e;
    atomic_fetch_add(&heads, 1);
    if (slice_is(x->path, "/early")) {
        exchange_head(x, 413, &type, 1);
        exchange_write(x, SLICE("too large"));
        exchange_finish(x, NULL, 0);
    } else if (slice_is(x->path, "/hold")) {
        e->is_held = true;
        atomic_store(&held_exchange, x);
    } else if (slice_is(x->path, "/silent")) {
        atomic_fetch_add(&silent, 1);
    }
}

static void app_body(struct exchange *x, struct slice piece)
{
    struct echo *e = x->user;

    e->n += piece.n;
    if (slice_is(x->path, "/echo"))
        buf_slice(&e->body, piece);
    if (!e->is_held)
        exchange_consume(x, piece.n);
}

static void app_end(struct exchange *x)
{
    struct http_field fields[] = { { SLICE("content-type"), SLICE("text/plain") }, { SLICE("x-mark"), SLICE("m") } };
    struct http_field trailer = { SLICE("grpc-status"), SLICE("0") };
    struct echo      *e = x->user;

    if (slice_is(x->path, "/echo")) {
        exchange_head(x, 200, fields, 2);
        exchange_write(x, buf_view(&e->body));
        exchange_finish(x, &trailer, x->version == 2 ? 1 : 0);
    } else if (slice_is(x->path, "/count")) {
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
    } else if (slice_is(x->path, "/query")) {
        exchange_head(x, 200, fields, 1);
        exchange_write(x, x->query);
        exchange_finish(x, NULL, 0);
    }
}

static void app_writable(struct exchange *x)
{
    struct echo *e = x->user;

    if (slice_is(x->path, "/stream"))
        stream_more(x, e);
}

static void app_gone(struct exchange *x)
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

static void server_start(struct server *s, const struct http_limits *limits)
{
    struct fault why;

    for (int i = 0; i < LOOPS; i++) {
        s->loops[i] = loop_new(i);
        loop_start(s->loops[i]);
    }
    if (listener_new("127.0.0.1:0", s->loops, LOOPS, &app, limits, &s->listener, &why) != CODE_OK) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    s->address = listener_address(s->listener);
    s->port = atoi(strrchr(s->address, ':') + 1);
}

/* Everything that began has ended. */
static void server_stop(struct server *s)
{
    listener_free(s->listener);
    for (int i = 0; i < LOOPS; i++) {
        loop_stop(s->loops[i]);
        loop_free(s->loops[i]);
    }
    assert(atomic_load(&heads) == atomic_load(&gones));
}

static bool soon(bool (*is_so)(void *arg), void *arg)
{
    for (int64_t until = clock_mono_ns() + 10 * NS_PER_S; clock_mono_ns() < until; usleep(1000))
        if (is_so(arg))
            return true;
    return false;
}

static bool none_open(void *arg) { return listener_connections(((struct server *)arg)->listener) == 0; }

/* --- HTTP/1.1 ------------------------------------------------------------------------------------------------------ */

static int dial(const struct server *s)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    assert(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static void say(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        assert(n > 0);
        s = slice_from(s, (size_t)n);
    }
}

/* What comes until the peer closes, or until `n` times `mark` was seen. */
static struct buf hear(int fd, const char *mark, int n)
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

static bool has(const struct buf *b, const char *text) { return slice_find(buf_view(b), slice_of(text)) < b->n; }

/* One request, answered and closed. */
static struct buf ask(const struct server *s, struct slice request)
{
    int        fd = dial(s);
    struct buf b;

    say(fd, request);
    b = hear(fd, NULL, 0);
    close(fd);
    return b;
}

static void h1_keeps_alive_and_pipelines(const struct server *s)
{
    int        fd = dial(s);
    struct buf b;

    for (int i = 0; i < 3; i++) {
        say(fd, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe"));
        usleep(2000);
        say(fd, SLICE("llo"));
        b = hear(fd, "hello", 1);
        assert(has(&b, "HTTP/1.1 200 OK\r\n") && has(&b, "content-length: 5\r\n") && has(&b, "x-mark: m\r\n"));
        buf_free(&b);
    }
    for (int i = 0; i < 50; i++)
        say(fd, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
                      "t: v\r\n\r\nGET /query?a=b%20c HTTP/1.1\r\nhost: x\r\n\r\n"));
    b = hear(fd, "a=b%20c", 50);
    struct slice rest = buf_view(&b);
    for (int i = 0; i < 50; i++) {
        size_t at = slice_find(rest, SLICE("abcde"));
        assert(at < rest.n && at < slice_find(rest, SLICE("a=b%20c")));
        rest = slice_from(rest, slice_find(rest, SLICE("a=b%20c")) + 7);
    }
    buf_free(&b);
    close(fd);
}

static void h1_versions_and_methods(const struct server *s)
{
    struct buf b = ask(s, SLICE("GET /query?q HTTP/1.0\r\n\r\n"));
    assert(has(&b, "content-length: 1\r\nconnection: close\r\n\r\nq"));
    buf_free(&b);
    b = ask(s, SLICE("HEAD /query?q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(has(&b, "content-length: 1\r\n") && slice_starts(slice_from(buf_view(&b), b.n - 4), SLICE("\r\n\r\n")));
    buf_free(&b);
    b = ask(s, SLICE("GET /bare HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(has(&b, "HTTP/1.1 204 No Content") && !has(&b, "content-length") && !has(&b, "chunked"));
    buf_free(&b);
    b = ask(s, SLICE("GET http://y/query?z HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(has(&b, "\r\n\r\nz"));
    buf_free(&b);
    b = ask(s, SLICE("GET /stream HTTP/1.0\r\n\r\n"));
    assert(b.n > 20000000 && !has(&b, "chunked"));
    buf_free(&b);
    b = ask(s, SLICE("GET /stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(b.n > 20000000 && has(&b, "transfer-encoding: chunked\r\n"));
    assert(slice_starts(slice_from(buf_view(&b), b.n - 7), SLICE("\r\n0\r\n\r\n")));
    buf_free(&b);
}

static void h1_refuses(const struct server *s)
{
    struct buf b = ask(s, SLICE("GET / HTTP/1.1\nhost: x\n\n"));
    assert(has(&b, "HTTP/1.1 400 ") && has(&b, "CR LF"));
    buf_free(&b);
    b = ask(s, SLICE("GET / HTTP/3.0\r\nhost: x\r\n\r\n"));
    assert(has(&b, "HTTP/1.1 505 "));
    buf_free(&b);
    b = ask(s, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"));
    assert(has(&b, "HTTP/1.1 400 ") && has(&b, "connection: close"));
    buf_free(&b);
    b = ask(s, SLICE("GET /abort HTTP/1.1\r\nhost: x\r\n\r\n"));
    assert(b.n == 0);
    buf_free(&b);
}

static void h1_answers_early_and_continues(const struct server *s)
{
    int          fd = dial(s);
    struct buf   b;
    static char  much[400000];
    struct slice all = slice_make(much, sizeof much);

    say(fd, SLICE("POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n"));
    say(fd, all);
    b = hear(fd, NULL, 0);
    assert(has(&b, "HTTP/1.1 413 ") && has(&b, "connection: close") && has(&b, "too large"));
    buf_free(&b);
    close(fd);
    fd = dial(s);
    say(fd, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"));
    b = hear(fd, "100 Continue\r\n\r\n", 1);
    buf_free(&b);
    say(fd, SLICE("ok"));
    b = hear(fd, "\r\n\r\nok", 1);
    buf_free(&b);
    say(fd, SLICE("GET /query?half HTTP/1.1\r\nhost: x\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    b = hear(fd, NULL, 0);
    assert(has(&b, "\r\n\r\nhalf"));
    buf_free(&b);
    close(fd);
}

static void release_held(struct task *t)
{
    struct exchange *x = atomic_exchange(&held_exchange, NULL);

    free(t);
    struct echo *e = x->user;
    e->is_held = false;
    exchange_consume(x, e->n);
    exchange_head(x, 200, NULL, 0);
    exchange_finish(x, NULL, 0);
}

static bool is_held(void *arg)
{
    (void)arg;
    return atomic_load(&held_exchange) != NULL;
}

/* A body that nobody consumes stops its sender: the loop reads a window's worth and no more. */
static void h1_slows_its_sender(const struct server *s)
{
    int         fd = dial(s);
    size_t      sent = 0;
    static char zeros[65536];

    say(fd, SLICE("POST /hold HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n"));
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        if (poll(&p, 1, 300) == 0)
            break;
        ssize_t n = send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
        assert(n > 0);
        sent += (size_t)n;
        assert(sent < 100000000);
    }
    assert(sent > 1000000 && soon(is_held, NULL));
    struct task *t = mem_zalloc(sizeof *t);
    t->run = release_held;
    loop_post(atomic_load(&held_exchange)->loop, t);
    struct buf b = hear(fd, "HTTP/1.1 200 OK", 1);
    buf_free(&b);
    close(fd);
}

/* --- HTTP/2 by our own client -------------------------------------------------------------------------------------- */

struct heard {
    enum code code;
    bool      was_sent;
    int       status;
    size_t    n_body, n_trailers;
    char      start[64], text[200];
    sem_t    *done;
};

struct side {
    struct loop        *loop;
    struct http_client *client;
};

struct order {
    struct task          task;
    struct side         *side;
    struct http_send     send;
    struct heard        *heard;
    struct http_request *request;
};

static void on_reply(void *arg, const struct http_reply *r)
{
    struct heard *h = arg;
    size_t        n = r->body.n < sizeof h->start - 1 ? r->body.n : sizeof h->start - 1;

    h->code = r->code;
    h->was_sent = r->was_sent;
    h->status = r->status;
    h->n_body = r->body.n;
    h->n_trailers = r->n_trailers;
    if (n > 0)
        memcpy(h->start, r->body.p, n);
    snprintf(h->text, sizeof h->text, "%.*s", SLICE_ARGS(r->text));
    sem_post(h->done);
}

static void run_order(struct task *t)
{
    struct order *o = (struct order *)t;

    o->request = http_client_send(o->side->client, &o->send);
}

static void run_cancel(struct task *t)
{
    struct order *o = (struct order *)t;

    http_client_cancel(o->request);
}

static void order_init(struct order *o, struct side *side, const char *address, const char *path, struct slice body,
                       struct heard *heard)
{
    *o = (struct order){ .task.run = run_order, .side = side, .heard = heard };
    o->send = (struct http_send){ .address = address,
                                  .method = SLICE("POST"),
                                  .path = slice_of(path),
                                  .body = body,
                                  .body_bytes_max = 64 << 20,
                                  .on_done = on_reply,
                                  .arg = heard };
}

static void fetch(struct side *side, const char *address, const char *path, struct slice body, struct heard *h)
{
    struct order o;
    sem_t        done;

    sem_init(&done, 0, 0);
    *h = (struct heard){ .done = &done };
    order_init(&o, side, address, path, body, h);
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    sem_destroy(&done);
}

static void run_new(struct task *t)
{
    struct order *o = (struct order *)t;

    o->side->client = http_client_new(o->side->loop);
    sem_post(o->heard->done);
}

static void run_free(struct task *t)
{
    struct order *o = (struct order *)t;

    http_client_free(o->side->client);
    sem_post(o->heard->done);
}

static void on_side(struct side *side, task_fn *fn)
{
    sem_t        done;
    struct heard h = { .done = &done };
    struct order o = { .task.run = fn, .side = side, .heard = &h };

    sem_init(&done, 0, 0);
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    sem_destroy(&done);
}

static void side_start(struct side *side)
{
    side->loop = loop_new(9);
    loop_start(side->loop);
    on_side(side, run_new);
}

static void side_stop(struct side *side)
{
    on_side(side, run_free);
    loop_stop(side->loop);
    loop_free(side->loop);
}

static void h2_unary(struct server *s, struct side *side)
{
    struct heard h;
    static char  much[5000000];

    fetch(side, s->address, "/echo", SLICE("hello"), &h);
    assert(h.code == CODE_OK && h.status == 200 && h.n_body == 5 && h.n_trailers == 1 && strcmp(h.start, "hello") == 0);
    fetch(side, s->address, "/trailers", SLICE(""), &h);
    assert(h.code == CODE_OK && h.status == 200 && h.n_body == 0 && h.n_trailers == 1);
    fetch(side, s->address, "/bare", SLICE(""), &h);
    assert(h.code == CODE_OK && h.status == 204 && h.n_body == 0);
    fetch(side, s->address, "/echo", slice_make(much, sizeof much), &h);
    assert(h.code == CODE_OK && h.n_body == sizeof much);
    fetch(side, s->address, "/early", slice_make(much, sizeof much), &h);
    assert(h.code == CODE_OK && h.status == 413);
    fetch(side, s->address, "/stream", SLICE(""), &h);
    assert(h.code == CODE_OK && h.n_body == 20000000);
    fetch(side, s->address, "/abort", SLICE(""), &h);
    assert(h.code == CODE_INTERNAL && h.was_sent);
    fetch(side, "127.0.0.1:1", "/", SLICE(""), &h);
    assert(h.code == CODE_UNAVAILABLE && !h.was_sent && strstr(h.text, "127.0.0.1:1") != NULL);
    fetch(side, "no-such-host.invalid:1", "/", SLICE(""), &h);
    assert(h.code == CODE_UNAVAILABLE && strstr(h.text, "no-such-host.invalid") != NULL);
    fetch(side, "nonsense", "/", SLICE(""), &h);
    assert(h.code == CODE_UNAVAILABLE && strstr(h.text, "HOST:PORT") != NULL);
}

static void h2_deadline_and_cancel(struct server *s, struct side *side)
{
    struct heard h;
    struct order o, cancel;
    sem_t        done;

    sem_init(&done, 0, 0);
    h = (struct heard){ .done = &done };
    order_init(&o, side, s->address, "/silent", SLICE("x"), &h);
    int64_t begun = clock_mono_ns();
    o.send.deadline_ns = begun + 50 * NS_PER_MS;
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    assert(h.code == CODE_DEADLINE_EXCEEDED && h.was_sent && clock_mono_ns() - begun >= 50 * NS_PER_MS);
    h = (struct heard){ .done = &done };
    order_init(&o, side, s->address, "/silent", SLICE("x"), &h);
    loop_post(side->loop, &o.task);
    usleep(20000);
    cancel = o;
    cancel.task.run = run_cancel;
    loop_post(side->loop, &cancel.task);
    sem_wait(&done);
    assert(h.code == CODE_CANCELED);
    sem_destroy(&done);
}

/* --- posting ------------------------------------------------------------------------------------------------------- */

enum { POSTERS = 4, POSTS = 20000 };

struct ticket {
    struct task task;
    int         poster, number;
};

static struct loop *post_loop;
static int          last_of[POSTERS], n_run; /* the loop's thread only */

static void run_ticket(struct task *t)
{
    struct ticket *k = (struct ticket *)t;

    assert(loop_is_mine(post_loop) && last_of[k->poster] == k->number - 1);
    last_of[k->poster] = k->number;
    n_run++;
    free(k);
}

static void *post_many(void *arg)
{
    for (int i = 1; i <= POSTS; i++) {
        struct ticket *k = mem_zalloc(sizeof *k);
        *k = (struct ticket){ .task.run = run_ticket, .poster = (int)(intptr_t)arg, .number = i };
        loop_post(post_loop, &k->task);
    }
    return NULL;
}

static void posts_keep_their_order(void)
{
    pthread_t threads[POSTERS];

    post_loop = loop_new(3);
    loop_start(post_loop);
    for (intptr_t i = 0; i < POSTERS; i++)
        pthread_create(&threads[i], NULL, post_many, (void *)i);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    loop_stop(post_loop);
    assert(n_run == POSTERS * POSTS);
    loop_free(post_loop);
}

int main(void)
{
    struct server s;
    struct side   side;

    posts_keep_their_order();
    server_start(&s, &http_limits_default);
    h1_keeps_alive_and_pipelines(&s);
    h1_versions_and_methods(&s);
    h1_refuses(&s);
    h1_answers_early_and_continues(&s);
    h1_slows_its_sender(&s);
    side_start(&side);
    h2_unary(&s, &side);
    h2_deadline_and_cancel(&s, &side);
    side_stop(&side);
    assert(soon(none_open, &s));
    server_stop(&s);
    printf("net: ok\n");
    return 0;
}
