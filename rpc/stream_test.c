/*
 * Goal: streams of each kind say the same in each dialect, on the loop and on workers; who runs out of time or sends rubbish in
 * mid-stream ends exactly his own call, and the method hears of it.  Connect's GET asks as a POST does.
 * Method: the toys of test_streams.h, asked through our client over HTTP/2, whole.
 */
#include "net/client.h"
#include "rpc/codec.h"
#include "rpc/test_streams.h"

/* ---- asking ---- */

static struct http_client *client;

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

static void run_closing(struct task *t)
{
    struct asking *a = (struct asking *)t;

    http_client_free(client);
    client = NULL;
    sem_post(&a->done);
}

static void client_close(void)
{
    struct asking a = { .task.run = run_closing };

    sem_init(&a.done, 0, 0);
    loop_post(the_loop, &a.task);
    sem_wait(&a.done);
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
        wait_for_none();
        client_close();
        world_end();
    }
    return 0;
}
