/*
 * Goal: streams of each kind say the same in each dialect, on the loop and on workers; nobody's slowness costs more than a
 * bounded amount of memory, and none of it a worker; who goes away, runs out of time or sends rubbish in mid-stream ends
 * exactly his own call, and the method hears of it.
 * Method: toy methods on the conformance service's messages, told by the text of a request what to do.  HTTP/2 exchanges go
 * through our client, whole; what depends on when bytes move goes through a plain HTTP/1.1 socket.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/client.h"
#include "net/listen.h"
#include "net/loop.h"
#include "rpc/codec.h"
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
static struct http_client *client;
static struct arena       *kept;

struct got {
    enum code    code;
    int          status;
    struct slice body, head, tail, grpc_status, details; /* x-head's values joined, x-tail */
};

struct asking {
    struct task      task;
    struct http_send send;
    struct got      *got;
    sem_t            done;
};

static struct slice pick(const struct http_field *f, size_t n, const char *name)
{
    struct buf joined = { 0 };

    for (size_t i = 0; i < n; i++)
        if (slice_is(f[i].name, name))
            buf_printf(&joined, "%s%.*s", joined.n ? "," : "", SLICE_ARGS(f[i].value));
    struct slice copy = arena_copy(kept, buf_view(&joined));
    buf_free(&joined);
    return copy;
}

static void on_done(void *arg, const struct http_reply *r)
{
    struct asking *a = arg;

    *a->got = (struct got){ .code = r->code,
                            .status = r->status,
                            .body = arena_copy(kept, r->body),
                            .head = pick(r->fields, r->n_fields, "x-head"),
                            .tail = pick(r->trailers, r->n_trailers, "x-tail"),
                            .grpc_status = pick(r->trailers, r->n_trailers, "grpc-status"),
                            .details = pick(r->trailers, r->n_trailers, "grpc-status-details-bin") };
    if (a->got->tail.n == 0)
        a->got->tail = pick(r->fields, r->n_fields, "trailer-x-tail");
    if (a->got->grpc_status.n == 0)
        a->got->grpc_status = pick(r->fields, r->n_fields, "grpc-status");
    sem_post(&a->done);
}

static void run_asking(struct task *t)
{
    struct asking *a = (struct asking *)t;

    if (client == NULL)
        client = http_client_new(the_loop, NULL);
    http_client_send(client, &a->send);
}

static struct got ask(const char *method, const char *path, const char *const *fields, struct slice body)
{
    struct got        got;
    struct http_field f[8];
    struct asking     a = { .task.run = run_asking, .got = &got };

    a.send = (struct http_send){ .address = listener_address(listener),
                                 .method = slice_of(method),
                                 .path = slice_of(path),
                                 .fields = f,
                                 .body = body,
                                 .body_bytes_max = 64 << 20,
                                 .on_done = on_done,
                                 .arg = &a };
    for (; *fields != NULL; fields += 2)
        f[a.send.n_fields++] = (struct http_field){ slice_of(fields[0]), slice_of(fields[1]) };
    sem_init(&a.done, 0, 0);
    loop_post(the_loop, &a.task);
    sem_wait(&a.done);
    return got;
}

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

/* The next envelope of a body. */
static bool envelope_take(struct slice *body, uint8_t *flags, struct slice *payload)
{
    struct inbox in = { .bytes = { (char *)(uintptr_t)body->p, body->n, body->n }, .message_bytes_max = SIZE_MAX };
    size_t       at, n;

    if (inbox_next(&in, flags, &at, &n) != INBOX_MESSAGE)
        return false;
    *payload = slice_make(body->p + at, n);
    *body = slice_from(*body, at + n);
    return true;
}

/* The data of the answers, joined by '|'; what follows them stays in *body. */
static struct slice answers(struct slice *body, const ProtobufCMessageDescriptor *d, const struct compression *by)
{
    struct buf   joined = { 0 };
    struct slice payload, before = *body;
    uint8_t      flags;
    struct fault why;

    for (; envelope_take(body, &flags, &payload) && flags <= ENVELOPE_COMPRESSED; before = *body) {
        ProtobufCMessage *m;
        if (flags != 0 && by->unpack(payload, 1 << 24, kept, &payload, &why) != CODE_OK)
            abort();
        if (proto_decode(d, payload, 1 << 24, kept, &m, &why) != CODE_OK)
            abort();
        const struct answer *a = (const void *)m;
        buf_printf(&joined, "%s%.*s", joined.n ? "|" : "", (int)a->payload->data.len, (const char *)a->payload->data.data);
    }
    *body = before;
    struct slice copy = arena_copy(kept, buf_view(&joined));
    buf_free(&joined);
    return copy;
}

/* ---- the same in each dialect ---- */

struct dialect {
    const char *type, *encoding, *accept;
    bool        is_connect, is_web;
};

static const struct dialect dialects[] = {
    { "application/grpc", "grpc-encoding", "grpc-accept-encoding", false, false },
    { "application/grpc-web", "grpc-encoding", "grpc-accept-encoding", false, true },
    { "application/connect+proto", "connect-content-encoding", "connect-accept-encoding", true, false },
};

static struct got ask_stream(const struct dialect *d, const char *path, struct slice body, const char *encoding)
{
    return ask("POST", path, FIELDS("content-type", d->type, d->encoding, encoding, d->accept, encoding), body);
}

/* How the body says that it went well or not. */
static void expect_end(const struct dialect *d, const struct got *got, struct slice rest, bool is_good, const char *tail)
{
    uint8_t      flags;
    struct slice last = rest, want = { 0 };

    assert(got->status == 200);
    if (!d->is_connect && !d->is_web) {
        assert(slice_is(got->grpc_status, is_good ? "0" : "10") && slice_is(got->tail, tail) && rest.n == 0);
        assert(is_good == (got->details.n == 0));
        return;
    }
    assert(envelope_take(&rest, &flags, &last) && rest.n == 0);
    assert(flags == (d->is_connect ? ENVELOPE_CONNECT_END : ENVELOPE_WEB_TRAILERS));
    want = is_good ? SLICE("grpc-status: 0\r\n") : SLICE("grpc-status: 10\r\ngrpc-message: as asked\r\n");
    if (d->is_connect)
        want = is_good ? SLICE("{") : SLICE("{\"error\":{\"code\":\"aborted\",\"message\":\"as asked\",\"details\":[{\"type\":"
                                            "\"a.B\",\"value\":\"CAE\"}]}");
    assert(slice_starts(last, want));
    assert(tail[0] == '\0' || slice_find(last, d->is_connect ? SLICE("\"metadata\":{\"x-tail\":[\"3\"]}")
                                                             : SLICE("x-tail: 3\r\n")) < last.n);
}

#define RESPONSE(stem) &connectrpc__conformance__v1__##stem##_response__descriptor

static void test_kinds(const struct dialect *d, const char *encoding)
{
    const struct compression *by;
    struct fault              why;
    struct slice              body;
    enum code                 code = compression_named(slice_of(encoding), &by, &why);

    assert(code == CODE_OK);
    struct got got = ask_stream(d, SERVICE "ServerStream", questions(2, FIELDS("3 2000"), by), encoding);
    body = got.body;
    assert(answers(&body, RESPONSE(server_stream), by).n == 3 * 6 + 2); /* filler ends in NULs, which %s stops at */
    assert(slice_is(got.head, "1,2"));
    expect_end(d, &got, body, true, "3");

    got = ask_stream(d, SERVICE "ServerStream", questions(2, FIELDS("?"), by), encoding);
    assert(slice_is(got.head, "1,2"));
    expect_end(d, &got, got.body, false, "3");

    got = ask_stream(d, SERVICE "ClientStream", questions(2, FIELDS("ab", "cde", ""), by), encoding);
    body = got.body;
    assert(slice_is(answers(&body, RESPONSE(client_stream), by), "3 5"));
    expect_end(d, &got, body, true, "");
    got = ask_stream(d, SERVICE "ClientStream", (struct slice){ 0 }, encoding);
    body = got.body;
    assert(slice_is(answers(&body, RESPONSE(client_stream), by), "0 0"));

    got = ask_stream(d, SERVICE "BidiStream", questions(3, FIELDS("ab", "cd", "e"), by), encoding);
    body = got.body;
    assert(slice_is(answers(&body, RESPONSE(bidi_stream), by), "ab|cd|e"));
    expect_end(d, &got, body, true, "");
    got = ask_stream(d, SERVICE "BidiStream", questions(3, FIELDS("ab", "fail", "e"), by), encoding);
    body = got.body;
    assert(slice_is(answers(&body, RESPONSE(bidi_stream), by), "ab"));
    expect_end(d, &got, body, false, "");
}

static void wait_for_none(void)
{
    for (int i = 0; i < 5000 && (rpc_server_inflight(server) > 0 || n_running > 0); i++)
        usleep(1000);
    assert(rpc_server_inflight(server) == 0 && n_running == 0);
}

/* Rubbish behind a good message: the method, which runs already, hears that it is over. */
static void test_rubbish(const struct dialect *d)
{
    struct buf body = { 0 };
    int        cancelled = n_cancelled;

    question_put(&body, 3, SLICE("ab"), NULL);
    buf_put(&body, "\0\0\0\0\1\xFF", 6);
    struct got got = ask_stream(d, SERVICE "BidiStream", buf_view(&body), "identity");
    assert(got.status == 200 && slice_find(got.body, SLICE("ab")) < got.body.n);
    assert(d->is_web || d->is_connect || slice_is(got.grpc_status, "3"));
    wait_for_none();
    assert(n_cancelled == cancelled + 1);
    body.n -= 2; /* cut short */
    got = ask_stream(d, SERVICE "BidiStream", buf_view(&body), "identity");
    assert(d->is_web || d->is_connect || slice_is(got.grpc_status, "3"));
    wait_for_none();
    buf_free(&body);
}

static void test_deadline(const struct dialect *d)
{
    int        cancelled = n_cancelled;
    struct got got = ask("POST", SERVICE "BidiStream",
                         FIELDS("content-type", d->type, d->is_connect ? "connect-timeout-ms" : "grpc-timeout",
                                d->is_connect ? "150" : "150m"),
                         questions(3, FIELDS("ab", "wait"), NULL));

    struct slice body = got.body;
    assert(slice_is(answers(&body, RESPONSE(bidi_stream), NULL), "ab"));
    assert(d->is_web || d->is_connect || slice_is(got.grpc_status, "4"));
    assert(!d->is_connect || slice_find(body, SLICE("\"deadline_exceeded\"")) < body.n);
    wait_for_none();
    assert(n_cancelled == cancelled + 1);
}

/* ---- Connect's GET, and metadata of a unary call ---- */

static void test_get(void)
{
    static const char *const none[] = { NULL };

    struct got got = ask("GET", SERVICE "IdempotentUnary?encoding=json&message=%7B%22requestData%22:%22YWJj%22%7D&connect=v1",
                         none, (struct slice){ 0 });
    assert(got.status == 200 && slice_is(got.body, "{\"payload\":{\"data\":\"YWJj\"}}"));
    assert(slice_is(got.head, "1") && slice_is(got.tail, "3"));
    got = ask("GET", SERVICE "IdempotentUnary?message=EgNhYmM&base64=1&encoding=proto", none, (struct slice){ 0 });
    assert(got.status == 200 && slice_is(got.body, "\x0a\x05\x0a\x03"
                                                   "abc"));
    assert(ask("GET", SERVICE "IdempotentUnary?message=*&base64=1&encoding=proto", none, (struct slice){ 0 }).status == 400);
    assert(ask("GET", SERVICE "IdempotentUnary?message=x&encoding=text", none, (struct slice){ 0 }).status == 415);
    assert(ask("GET", SERVICE "IdempotentUnary?message=x&encoding=json&connect=v2", none, (struct slice){ 0 }).status == 400);
    assert(ask("GET", SERVICE "IdempotentUnary?encoding=json", none, (struct slice){ 0 }).status == 400);
    assert(ask("GET", SERVICE "IdempotentUnary?encoding=json&message={}", none, SLICE("{}")).status == 415);
    assert(ask("GET", SERVICE "ServerStream?encoding=json&message={}", none, (struct slice){ 0 }).status == 405);
}

/* ---- slow ends, on a socket whose every byte is ours to hold back ---- */

static int connected(void)
{
    const char        *address = listener_address(listener);
    int                fd = socket(AF_INET, SOCK_STREAM, 0), small = 32 << 10;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1)) };

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

static void write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        assert(n > 0);
        bytes = slice_from(bytes, (size_t)n);
    }
}

static void head_write(int fd, const char *method)
{
    char text[512];
    int  n = snprintf(text, sizeof text,
                      "POST " SERVICE "%s HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+proto\r\n"
                      "transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
                      method);

    write_all(fd, slice_make(text, (size_t)n));
}

static void chunk_write(int fd, struct slice bytes)
{
    char size[24];

    write_all(fd, slice_make(size, (size_t)snprintf(size, sizeof size, "%zx\r\n", bytes.n)));
    write_all(fd, bytes);
    write_all(fd, SLICE("\r\n"));
}

static size_t read_to_end(int fd)
{
    static char bytes[1 << 16];
    size_t      all = 0;
    ssize_t     n;

    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        all += (size_t)n;
    return all;
}

/* 64 MiB for a client that does not read: the method is stopped early, and goes on when it does. */
static void test_slow_reader(void)
{
    enum { N = 1024 };
    int fd = connected(), before;

    n_sent = 0;
    head_write(fd, "ServerStream");
    chunk_write(fd, questions(2, FIELDS("1024 65536"), NULL));
    write_all(fd, SLICE("0\r\n\r\n"));
    do {
        before = n_sent;
        usleep(100000);
    } while (before != n_sent || n_sent == 0);
    assert(n_sent < N / 8); /* our mark and the kernel's buffers: a few MiB */
    assert(read_to_end(fd) > (size_t)N * 65536 && n_sent == N);
    close(fd);
    wait_for_none();
}

/* The method holds: its client cannot push more than a window and the kernel's buffers into us. */
static void test_slow_method(void)
{
    enum { N = 512, LEAST = 64 };
    int        fd = connected(), n = 0;
    struct buf message = { 0 };

    question_put(&message, 2, slice_make(filler, sizeof filler), NULL);
    head_write(fd, "ClientStream");
    chunk_write(fd, questions(2, FIELDS("hold"), NULL));
    sem_wait(&is_held);
    struct timeval patience = { .tv_usec = 200000 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    char   size[24];
    size_t n_size = (size_t)snprintf(size, sizeof size, "%zx\r\n", message.n), left = 0;
    struct buf wire = { 0 };
    buf_put(&wire, size, n_size);
    buf_slice(&wire, buf_view(&message));
    buf_put(&wire, "\r\n", 2);
    for (; n < N && left == 0; n++)
        for (left = wire.n; left > 0;) {
            ssize_t wrote = write(fd, wire.p + wire.n - left, left);
            if (wrote <= 0)
                break;
            left -= (size_t)wrote;
        }
    assert(n < N / 2 && left > 0); /* it blocked */
    call_next(atomic_exchange(&held, NULL));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ 0 }, sizeof patience);
    write_all(fd, slice_make(wire.p + wire.n - left, left));
    for (; n < LEAST; n++)
        write_all(fd, buf_view(&wire));
    write_all(fd, SLICE("0\r\n\r\n"));
    char answer[2048] = "", want[64];
    for (size_t got = 0; got < sizeof answer - 1;) {
        ssize_t more = read(fd, answer + got, sizeof answer - 1 - got);
        if (more <= 0)
            break;
        got += (size_t)more;
    }
    snprintf(want, sizeof want, "%d %d", n + 1, n * 65536 + 4);
    bool is_there = false;
    for (size_t i = 0; i < sizeof answer - strlen(want); i++)
        is_there |= memcmp(answer + i, want, strlen(want)) == 0;
    assert(is_there);
    close(fd);
    buf_free(&message);
    buf_free(&wire);
    wait_for_none();
}

/* Clients that vanish: while the method waits for a message, for room, for a time. */
static void test_vanishing(void)
{
    static const struct {
        const char *method, *text;
        int         number;
    } cases[] = { { "ClientStream", "x", 2 }, { "ServerStream", "100000 65536", 2 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = connected(), cancelled = n_cancelled;
        head_write(fd, cases[i].method);
        chunk_write(fd, questions(cases[i].number, FIELDS(cases[i].text), NULL));
        if (cases[i].method[0] == 'S')
            write_all(fd, SLICE("0\r\n\r\n"));
        while (n_running == 0)
            usleep(1000);
        struct linger hard = { 1, 0 };
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fd);
        wait_for_none();
        assert(n_cancelled == cancelled + 1);
    }
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

static void close_client(struct task *t)
{
    (void)t;
    http_client_free(client);
    client = NULL;
    sem_post(&is_held);
}

static void world_end(void)
{
    struct task closing = { .run = close_client };

    wait_for_none();
    loop_post(the_loop, &closing);
    sem_wait(&is_held);
    listener_drain(listener);
    listener_free(listener);
    loop_stop(the_loop);
    rpc_server_free(server);
    loop_free(the_loop);
    arena_free(kept);
}

int main(void)
{
    static const enum lane lanes[] = { LANE_INLINE, LANE_QUERY };

    sem_init(&is_held, 0, 0);
    for (size_t l = 0; l < 2; l++) {
        world_begin(lanes[l]);
        for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
            test_kinds(&dialects[i], "identity");
            test_kinds(&dialects[i], "gzip");
            test_kinds(&dialects[i], "zstd");
            test_rubbish(&dialects[i]);
            test_deadline(&dialects[i]);
        }
        test_get();
        test_slow_reader();
        test_slow_method();
        test_vanishing();
        world_end();
    }
    return 0;
}
