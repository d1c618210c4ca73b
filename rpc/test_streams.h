/*
 * For tests of streams: toy methods on the conformance service's messages, told by the text of a request what to do, on the loop or on
 * workers.
 */
#pragma once

#include <assert.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/listen.h"
#include "net/loop.h"
#include "rpc/compression.h"
#include "rpc/envelope.h"
#include "rpc/server.h"
#include "tests/conformance/descriptors.h"
#include "tests/conformance/service.pb-c.h"

typedef Connectrpc__Conformance__V1__ServerStreamRequest server_question;
typedef Connectrpc__Conformance__V1__ClientStreamRequest client_question;
typedef Connectrpc__Conformance__V1__BidiStreamRequest   bidi_question;

/* All answers look alike. */
struct answer {
    ProtobufCMessage                                base;
    Connectrpc__Conformance__V1__ConformancePayload *payload;
};

/* ---- the toy service ---- */

static atomic_int         n_running, n_sent, n_cancelled;
static _Atomic(struct call *) held;
static sem_t              is_held;

struct state {
    size_t left, size, n, bytes;
};

static struct state *state_of(struct call *c)
{
    if (call_user(c) == NULL) {
        call_set_user(c, arena_zalloc(call_memory(c), sizeof(struct state)));
        atomic_fetch_add(&n_running, 1);
    }
    return call_user(c);
}

static struct answer answer_of(const ProtobufCMessageDescriptor *d, Connectrpc__Conformance__V1__ConformancePayload *p,
                               const void *bytes, size_t n)
{
    connectrpc__conformance__v1__conformance_payload__init(p);
    p->data = (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)bytes };
    return (struct answer){ PROTOBUF_C_MESSAGE_INIT(d), p };
}

static void end(struct call *c, enum code code)
{
    struct fault why;

    if (call_is_cancelled(c))
        atomic_fetch_add(&n_cancelled, 1);
    atomic_fetch_sub(&n_running, 1);
    if (code == CODE_OK) {
        call_close(c);
        return;
    }
    call_add_detail(c, SLICE("a.B"), SLICE("\x08\x01"));
    call_fail(c, (fail(&why, code, "as asked"), &why));
}

static const char filler[1 << 16] = "filler";

/* "N SIZE": that many answers of that size, as room allows. */
static void pour(struct call *c)
{
    struct state                                   *s = call_user(c);
    Connectrpc__Conformance__V1__ConformancePayload p;
    struct answer a = answer_of(&connectrpc__conformance__v1__server_stream_response__descriptor, &p, filler, s->size);

    for (; s->left > 0 && !call_is_cancelled(c); s->left--) {
        if (!call_has_room(c)) {
            call_when_room(c, pour);
            return;
        }
        call_send(c, &a.base);
        atomic_fetch_add(&n_sent, 1);
    }
    end(c, CODE_OK);
}

static void server_stream(struct call *c, const ProtobufCMessage *m)
{
    const server_question *q = (const void *)m;
    struct state          *s = state_of(c);
    char                   text[64];

    snprintf(text, sizeof text, "%.*s", (int)q->request_data.len, (const char *)q->request_data.data);
    call_add_header(c, SLICE("x-head"), SLICE("1"));
    call_add_header(c, SLICE("x-head"), SLICE("2"));
    call_add_trailer(c, SLICE("x-tail"), SLICE("3"));
    if (sscanf(text, "%zu %zu", &s->left, &s->size) == 2)
        pour(c);
    else
        end(c, CODE_ABORTED);
}

/* Counts; "hold" waits until the test says call_next. */
static void client_stream(struct call *c, const ProtobufCMessage *m)
{
    const client_question                          *q = (const void *)m;
    struct state                                   *s = state_of(c);
    Connectrpc__Conformance__V1__ConformancePayload p;
    char                                            text[64];

    if (m != NULL) {
        s->n++;
        s->bytes += q->request_data.len;
        if (q->request_data.len == 4 && memcmp(q->request_data.data, "hold", 4) == 0) {
            atomic_store(&held, c);
            sem_post(&is_held);
        } else {
            call_next(c);
        }
        return;
    }
    if (call_is_cancelled(c)) {
        struct fault why;
        atomic_fetch_add(&n_cancelled, 1);
        atomic_fetch_sub(&n_running, 1);
        call_fail(c, (fail(&why, CODE_CANCELED, "gone"), &why));
        return;
    }
    snprintf(text, sizeof text, "%zu %zu", s->n, s->bytes);
    struct answer a = answer_of(&connectrpc__conformance__v1__client_stream_response__descriptor, &p, text, strlen(text));
    atomic_fetch_sub(&n_running, 1);
    call_reply(c, &a.base);
}

/* Echoes; "fail" and "wait" do that. */
static void bidi_end_late(struct call *c) { end(c, CODE_OK); }

static void bidi_stream(struct call *c, const ProtobufCMessage *m)
{
    const bidi_question                            *q = (const void *)m;
    Connectrpc__Conformance__V1__ConformancePayload p;

    state_of(c);
    if (m == NULL) {
        end(c, CODE_OK);
        return;
    }
    struct slice  text = slice_make(q->request_data.data, q->request_data.len);
    struct answer a = answer_of(&connectrpc__conformance__v1__bidi_stream_response__descriptor, &p, text.p, text.n);
    if (slice_is(text, "fail")) {
        end(c, CODE_ABORTED);
    } else if (slice_is(text, "wait")) {
        call_after(c, 3600 * NS_PER_S, bidi_end_late);
    } else {
        call_send(c, &a.base);
        call_next(c);
    }
}

static void unary(struct call *c, const ProtobufCMessage *m)
{
    Connectrpc__Conformance__V1__ConformancePayload p;
    const Connectrpc__Conformance__V1__IdempotentUnaryRequest *q = (const void *)m;
    struct answer a = answer_of(&connectrpc__conformance__v1__idempotent_unary_response__descriptor, &p, q->request_data.data,
                                q->request_data.len);

    call_add_header(c, SLICE("x-head"), SLICE("1"));
    call_add_trailer(c, SLICE("x-tail"), SLICE("3"));
    call_reply(c, &a.base);
}

#define SERVICE "/connectrpc.conformance.v1.ConformanceService/"
#define MESSAGES(stem) \
    &connectrpc__conformance__v1__##stem##_request__descriptor, &connectrpc__conformance__v1__##stem##_response__descriptor

static struct method methods[] = {
    { SERVICE "ServerStream", MESSAGES(server_stream), LANE_INLINE, 0, server_stream, NULL },
    { SERVICE "ClientStream", MESSAGES(client_stream), LANE_INLINE, 0, client_stream, NULL },
    { SERVICE "BidiStream", MESSAGES(bidi_stream), LANE_INLINE, 0, bidi_stream, NULL },
    { SERVICE "IdempotentUnary", MESSAGES(idempotent_unary), LANE_INLINE, 0, unary, NULL },
};

/* ---- the world ---- */

static struct loop        *the_loop;
static struct rpc_server  *server;
static struct listener    *listener;
static struct arena       *kept;

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A request whose field `number` is `text`, in an envelope. */
static void question_put(struct buf *out, int number, struct slice text, const struct compression *by)
{
    size_t     at = out->n;
    struct buf message = { 0 };

    if (text.n > 0) {
        buf_byte(&message, (uint8_t)(number << 3 | 2));
        for (size_t n = text.n; n > 0; n >>= 7)
            buf_byte(&message, (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0)));
        buf_slice(&message, text);
    }
    envelope_open(out);
    if (by != NULL)
        by->pack(buf_view(&message), out);
    else
        buf_slice(out, buf_view(&message));
    envelope_close(out, at, by ? ENVELOPE_COMPRESSED : 0);
    buf_free(&message);
}

static struct slice questions(int number, const char *const *texts, const struct compression *by)
{
    struct buf b = { 0 };

    for (; *texts != NULL; texts++)
        question_put(&b, number, slice_of(*texts), by);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static void wait_for_none(void)
{
    for (int i = 0; i < 5000 && (rpc_server_inflight(server) > 0 || n_running > 0); i++)
        usleep(1000);
    assert(rpc_server_inflight(server) == 0 && n_running == 0);
}

/* ---- beginning and end ---- */

static void world_begin(enum lane lane)
{
    struct fault      why;
    size_t            n;
    const uint8_t    *set = conformance_proto_descriptors(&n);
    struct rpc_config config = { .methods = methods,
                                 .n_methods = sizeof methods / sizeof *methods,
                                 .descriptors = slice_make(set, n),
                                 .query_workers = 2,
                                 .request_bytes_max = 1 << 20,
                                 .inflight_bytes_max = 64 << 20 };

    for (size_t i = 0; i < config.n_methods; i++)
        methods[i].lane = lane;
    kept = arena_new(0);
    the_loop = loop_new(0);
    if (rpc_server_new(&config, &server, &why) != CODE_OK)
        abort();
    struct http_app app = rpc_server_app(server, RPC_FACES_ALL);
    loop_start(the_loop);
    if (listener_new("127.0.0.1:0", &the_loop, 1, &app, &http_limits_default, NULL, &listener, &why) != CODE_OK)
        abort();
}

static void world_end(void)
{
    wait_for_none();
    listener_drain(listener);
    listener_free(listener);
    loop_stop(the_loop);
    rpc_server_free(server);
    loop_free(the_loop);
    arena_free(kept);
}
