/*
 * For the tests of the RPC client: a server of toy methods on the conformance service's messages, told by the text of a
 * request what to do, and a call as its caller sees it.
 */
#pragma once

#include <arpa/inet.h>
#include <assert.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/test_pem.h"
#include "rpc/client.h"
#include "rpc/errors.h"
#include "rpc/server.h"
#include "tests/conformance/descriptors.h"
#include "tests/conformance/service.pb-c.h"

typedef Connectrpc__Conformance__V1__ConformancePayload payload;

/* All questions end in their bytes; all answers look alike. */
struct answer {
    ProtobufCMessage base;
    payload         *payload;
};

/* ---- the toy service ---- */

static atomic_int             n_calls, n_running, n_busy; /* n_busy: so many calls are UNAVAILABLE */
static atomic_size_t          n_sent, n_taken;            /* messages by the server's streams, bytes by its counters */
static _Atomic(struct call *) held;
static const char             filler[1 << 16] = "filler";

static __attribute__((unused)) struct answer answer_of(const ProtobufCMessageDescriptor *d, payload *p,
                                                       const void *bytes, size_t n)
{
    connectrpc__conformance__v1__conformance_payload__init(p);
    p->data = (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)bytes };
    return (struct answer){ PROTOBUF_C_MESSAGE_INIT(d), p };
}

static __attribute__((unused)) void refuse(struct call *c, enum code code, const char *text)
{
    struct fault why;

    atomic_fetch_sub(&n_running, 1);
    call_fail(c, (fail(&why, code, "%s", text), &why));
}

static void end_late(struct call *c) { refuse(c, CODE_CANCELED, "given up"); }

static __attribute__((unused)) void unary(struct call *c, const ProtobufCMessage *m)
{
    const Connectrpc__Conformance__V1__UnaryRequest *q = (const void *)m;
    struct slice                                     text = { (char *)q->request_data.data, q->request_data.len };
    payload                                          p;

    atomic_fetch_add(&n_calls, 1);
    atomic_fetch_add(&n_running, 1);
    call_add_header(c, SLICE("x-head"), call_field(c, "x-ask"));
    call_add_trailer(c, SLICE("x-tail"), call_field(c, "grpc-encoding"));
    if (atomic_load(&n_busy) > 0) {
        atomic_fetch_sub(&n_busy, 1);
        refuse(c, CODE_UNAVAILABLE, "busy");
    } else if (slice_is(text, "fail")) {
        call_add_detail(c, SLICE("a.B"), SLICE("\x08\x01"));
        refuse(c, CODE_ABORTED, "100% as asked");
    } else if (slice_is(text, "wait")) {
        call_after(c, 3600 * NS_PER_S, end_late);
    } else {
        struct answer a = answer_of(&connectrpc__conformance__v1__unary_response__descriptor, &p, text.p, text.n);
        atomic_fetch_sub(&n_running, 1);
        call_reply(c, &a.base);
    }
}

/* "N": that many answers of 64 KiB, as room allows. */
static __attribute__((unused)) void pour(struct call *c)
{
    size_t       *left = call_user(c);
    payload       p;
    struct answer a =
        answer_of(&connectrpc__conformance__v1__server_stream_response__descriptor, &p, filler, sizeof filler);

    for (; *left > 0 && !call_is_cancelled(c); --*left) {
        if (!call_has_room(c)) {
            call_when_room(c, pour);
            return;
        }
        call_send(c, &a.base);
        atomic_fetch_add(&n_sent, 1);
    }
    atomic_fetch_sub(&n_running, 1);
    call_close(c);
}

static __attribute__((unused)) void server_stream(struct call *c, const ProtobufCMessage *m)
{
    const Connectrpc__Conformance__V1__ServerStreamRequest *q = (const void *)m;
    size_t                                                 *left = arena_alloc(call_memory(c), sizeof *left);

    atomic_fetch_add(&n_running, 1);
    *left = 0;
    for (size_t i = 0; i < q->request_data.len; i++)
        *left = *left * 10 + q->request_data.data[i] - '0';
    call_set_user(c, left);
    pour(c);
}

/* Counts bytes; "hold" waits until the test says call_next. */
static __attribute__((unused)) void client_stream(struct call *c, const ProtobufCMessage *m)
{
    const Connectrpc__Conformance__V1__ClientStreamRequest *q = (const void *)m;
    size_t                                                 *n = call_user(c);
    payload                                                 p;
    char                                                    text[32];

    if (n == NULL) {
        call_set_user(c, n = arena_zalloc(call_memory(c), sizeof *n));
        atomic_fetch_add(&n_running, 1);
    }
    if (m == NULL && call_is_cancelled(c)) {
        end_late(c);
    } else if (m == NULL) {
        snprintf(text, sizeof text, "%zu", *n);
        struct answer a =
            answer_of(&connectrpc__conformance__v1__client_stream_response__descriptor, &p, text, strlen(text));
        atomic_fetch_sub(&n_running, 1);
        call_reply(c, &a.base);
    } else {
        *n += q->request_data.len;
        atomic_store(&n_taken, *n);
        if (q->request_data.len == 4)
            atomic_store(&held, c);
        else
            call_next(c);
    }
}

/* Echoes; "fail" does that. */
static __attribute__((unused)) void bidi_stream(struct call *c, const ProtobufCMessage *m)
{
    const Connectrpc__Conformance__V1__BidiStreamRequest *q = (const void *)m;
    payload                                               p;

    if (call_user(c) == NULL) {
        call_set_user(c, c);
        atomic_fetch_add(&n_running, 1);
    }
    if (m == NULL) {
        atomic_fetch_sub(&n_running, 1);
        call_close(c);
        return;
    }
    struct slice  text = { (char *)q->request_data.data, q->request_data.len };
    struct answer a = answer_of(&connectrpc__conformance__v1__bidi_stream_response__descriptor, &p, text.p, text.n);
    if (slice_is(text, "fail")) {
        refuse(c, CODE_ABORTED, "as asked");
        return;
    }
    call_send(c, &a.base);
    call_next(c);
}

#define SERVICE "/connectrpc.conformance.v1.ConformanceService/"
#define REQUEST(stem) &connectrpc__conformance__v1__##stem##_request__descriptor
#define RESPONSE(stem) &connectrpc__conformance__v1__##stem##_response__descriptor

static const struct method methods[] = {
    { SERVICE "Unary", REQUEST(unary), RESPONSE(unary), LANE_INLINE, 0, unary, NULL },
    { SERVICE "ServerStream", REQUEST(server_stream), RESPONSE(server_stream), LANE_INLINE, 0, server_stream, NULL },
    { SERVICE "ClientStream", REQUEST(client_stream), RESPONSE(client_stream), LANE_INLINE, 0, client_stream, NULL },
    { SERVICE "BidiStream", REQUEST(bidi_stream), RESPONSE(bidi_stream), LANE_INLINE, 0, bidi_stream, NULL },
};

/* ---- the world ---- */

enum { LOOPS = 2 };

static struct loop       *server_loop, *loops[LOOPS];
static struct rpc_server *server;
static struct listener   *listener;
static struct rpc_client *client;

/* One call as its caller sees it. */
struct talk {
    struct rpc_stream *stream;
    sem_t              came, room, ended;
    size_t             n, bytes; /* of answers */
    int                echoes_left;
    enum code          code;
    bool               was_sent;
    size_t             n_details;
    char               text[256], last[64], head[32], tail[32], detail[32];
};

static __attribute__((unused)) void take(struct talk *t, const ProtobufCMessage *m)
{
    const payload *p = ((const struct answer *)(const void *)m)->payload;

    t->n++;
    if (p == NULL)
        return;
    t->bytes += p->data.len;
    snprintf(t->last, sizeof t->last, "%.*s", p->data.len < 60 ? (int)p->data.len : 60, (char *)p->data.data);
}

static __attribute__((unused)) void pick(const struct http_field *f, size_t n, const char *name, char *out, size_t room)
{
    for (size_t i = 0; i < n; i++)
        if (slice_is(f[i].name, name))
            snprintf(out, room, "%.*s", SLICE_ARGS(f[i].value));
}

static __attribute__((unused)) void on_end(void *arg, const struct rpc_end *end)
{
    struct talk *t = arg;

    t->code = end->code;
    t->was_sent = end->was_sent;
    snprintf(t->text, sizeof t->text, "%s", end->text);
    if (end->message != NULL)
        take(t, end->message);
    pick(end->headers, end->n_headers, "x-head", t->head, sizeof t->head);
    pick(end->trailers, end->n_trailers, "x-tail", t->tail, sizeof t->tail);
    t->n_details = end->n_details;
    if (end->n_details > 0)
        snprintf(t->detail, sizeof t->detail, "%.*s", SLICE_ARGS(end->details[0].type));
    sem_post(&t->ended);
}

static __attribute__((unused)) void on_message(void *arg, const ProtobufCMessage *m)
{
    struct talk *t = arg;

    take(t, m);
    sem_post(&t->came);
}

static void on_room(void *arg) { sem_post(&((struct talk *)arg)->room); }

static const struct rpc_events one = { .on_room = on_room, .on_end = on_end };
static const struct rpc_events many = { .on_message = on_message, .on_room = on_room, .on_end = on_end };

static __attribute__((unused)) void talk_open(struct talk *t, const struct rpc_events *on, struct rpc_request r)
{
    *t = (struct talk){ 0 };
    sem_init(&t->came, 0, 0);
    sem_init(&t->room, 0, 0);
    sem_init(&t->ended, 0, 0);
    if (r.address == NULL)
        r.address = listener_address(listener);
    if (r.response_bytes_max == 0)
        r.response_bytes_max = 1 << 20;
    r.arg = t;
    t->stream = rpc_stream_open(client, &r, on);
}

static __attribute__((unused)) void talk_end(struct talk *t)
{
    sem_wait(&t->ended);
    rpc_stream_free(t->stream);
    sem_destroy(&t->came);
    sem_destroy(&t->room);
    sem_destroy(&t->ended);
}

static __attribute__((unused)) Connectrpc__Conformance__V1__UnaryRequest question(const char *text, size_t n)
{
    Connectrpc__Conformance__V1__UnaryRequest q = CONNECTRPC__CONFORMANCE__V1__UNARY_REQUEST__INIT;

    q.request_data = (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)text };
    return q;
}

static __attribute__((unused)) void ask(struct talk *t, const char *text, struct rpc_request r)
{
    Connectrpc__Conformance__V1__UnaryRequest q = question(text, strlen(text));

    r.path = r.path ? r.path : SERVICE "Unary";
    r.message = &q.base;
    r.response = RESPONSE(unary);
    talk_open(t, &one, r);
    talk_end(t);
}

static __attribute__((unused)) bool soon(bool (*is_so)(int n), int n)
{
    for (int64_t until = clock_mono_ns() + 10 * NS_PER_S; clock_mono_ns() < until; usleep(1000))
        if (is_so(n))
            return true;
    return false;
}

static bool                         runs(int n) { return atomic_load(&n_running) == n; }
static __attribute__((unused)) bool connected(int n) { return listener_connections(listener) == n; }

static __attribute__((unused)) int64_t retries(void)
{
    return metric_read(metric_counter("hearth_rpc_client_retries_total", "", ""));
}

/* ---- beginning and end ---- */

/* With certificates on both sides, or in clear text. */
static __attribute__((unused)) struct tls *tls_make(const struct test_pem *ca, const struct test_pem *own,
                                                    bool is_server)
{
    struct tls_config config = { .cert = buf_view(&own->cert_pem),
                                 .key = buf_view(&own->key_pem),
                                 .ca = buf_view(&ca->cert_pem),
                                 .clients = TLS_CLIENTS_REQUIRED };
    struct tls       *tls;
    struct fault      why;
    enum code         code = is_server ? tls_server_new(&config, &tls, &why) : tls_client_new(&config, &tls, &why);

    assert(code == CODE_OK);
    return tls;
}

static __attribute__((unused)) void listen_at(const char *address, struct tls *tls)
{
    struct http_app app = rpc_server_app(server, RPC_FACES_ALL);
    struct fault    why;

    for (int tries = 0;
         listener_new(address, &server_loop, 1, &app, &http_limits_default, tls, &listener, &why) != CODE_OK; tries++) {
        assert(tries < 100); /* the one before may be about to leave */
        usleep(20000);
    }
}

static __attribute__((unused)) void world_begin(struct tls *as_server, struct tls *as_client)
{
    struct fault      why;
    size_t            n;
    const uint8_t    *set = conformance_proto_descriptors(&n);
    struct rpc_config config = { .methods = methods,
                                 .n_methods = sizeof methods / sizeof *methods,
                                 .descriptors = slice_make(set, n),
                                 .request_bytes_max = 1 << 20,
                                 .inflight_bytes_max = 64 << 20 };
    enum code         code = rpc_server_new(&config, &server, &why);

    assert(code == CODE_OK);
    rpc_server_set_ready(server, true);
    server_loop = loop_new(9);
    loop_start(server_loop);
    listen_at("127.0.0.1:0", as_server);
    for (int i = 0; i < LOOPS; i++) {
        loops[i] = loop_new(i);
        loop_start(loops[i]);
    }
    client = rpc_client_new(loops, LOOPS, as_client);
}

static __attribute__((unused)) void world_end(void)
{
    rpc_client_free(client);
    assert(soon(runs, 0));
    listener_drain(listener);
    listener_free(listener);
    for (int i = 0; i < LOOPS; i++) {
        loop_stop(loops[i]);
        loop_free(loops[i]);
    }
    loop_stop(server_loop);
    rpc_server_free(server);
    loop_free(server_loop);
}
