/*
 * Goal: calls of every kind through our client, in clear text and with certificates on both sides: what comes is what was
 * answered, whoever is slow holds bounded memory, and who gives up is heard.
 * Method: the toy methods of test_service.h, which count.
 */
#include "rpc/test_service.h"

/* ---- one question ---- */

static void test_unary(void)
{
    static const char *const fields[] = { "X-Ask", "yes", NULL };
    struct talk              t;

    ask(&t, "hello", (struct rpc_request){ .fields = fields });
    assert(t.code == CODE_OK && t.was_sent && t.n == 1 && strcmp(t.last, "hello") == 0 && strcmp(t.head, "yes") == 0);
    ask(&t, "fail", (struct rpc_request){ 0 });
    assert(t.code == CODE_ABORTED && t.was_sent && t.n == 0 && strcmp(t.text, "100% as asked") == 0);
    assert(t.n_details == 1 && strcmp(t.detail, "a.B") == 0);
    ask(&t, "much too long", (struct rpc_request){ .response_bytes_max = 10 });
    assert(t.code == CODE_RESOURCE_EXHAUSTED && strstr(t.text, "more than 10") != NULL);
    ask(&t, "x", (struct rpc_request){ .path = "/no.Service/Method" });
    assert(t.code == CODE_UNIMPLEMENTED && t.was_sent && strstr(t.text, "404") != NULL);
    ask(&t, "x", (struct rpc_request){ .address = "127.0.0.1:1" });
    assert(t.code == CODE_UNAVAILABLE && !t.was_sent && strstr(t.text, "127.0.0.1:1") != NULL);
    ask(&t, "wait", (struct rpc_request){ .deadline_ns = clock_mono_ns() + 50 * NS_PER_MS });
    assert(t.code == CODE_DEADLINE_EXCEEDED && t.was_sent && soon(runs, 0));
}

static void on_reply(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *m)
{
    struct talk *t = arg;

    t->code = code;
    t->was_sent = was_sent;
    snprintf(t->text, sizeof t->text, "%s", text);
    if (m != NULL)
        take(t, m);
    sem_post(&t->ended);
}

/* The short form: a question and its answer, and a question that is given up. */
static void test_call(void)
{
    Connectrpc__Conformance__V1__UnaryRequest q = question("hello", 5);
    struct talk                               t = { 0 };
    struct rpc_request                        r = { .address = listener_address(listener),
                                                    .path = SERVICE "Unary",
                                                    .message = &q.base,
                                                    .response = RESPONSE(unary),
                                                    .response_bytes_max = 10000,
                                                    .on_reply = on_reply,
                                                    .arg = &t };

    sem_init(&t.ended, 0, 0);
    rpc_client_call(client, &r);
    sem_wait(&t.ended);
    assert(t.code == CODE_OK && t.was_sent && t.n == 1 && strcmp(t.last, "hello") == 0);
    q = question("wait", 4);
    struct rpc_stream *pending = rpc_client_call(client, &r);
    assert(soon(runs, 1));
    rpc_stream_cancel(pending);
    sem_wait(&t.ended);
    assert(t.code == CODE_CANCELED && t.was_sent && t.n == 1 && soon(runs, 0));
    sem_destroy(&t.ended);
}

static void test_compression(void)
{
    static const char *const names[] = { "gzip", "zstd" };
    static char              text[100001];
    struct talk              t;

    memset(text, 'a', sizeof text - 1);
    for (int i = 0; i < 2; i++) {
        ask(&t, text, (struct rpc_request){ .compression = names[i], .accepts = names[i] });
        assert(t.code == CODE_OK && t.bytes == sizeof text - 1 && strcmp(t.tail, names[i]) == 0);
        ask(&t, text, (struct rpc_request){ .accepts = names[i], .response_bytes_max = 50000 });
        assert(t.code == CODE_RESOURCE_EXHAUSTED); /* small on the wire, and too large */
    }
}

/* ---- streams ---- */

static struct rpc_request stream_of(const char *method, const ProtobufCMessageDescriptor *response)
{
    return (struct rpc_request){ .path = method, .response = response };
}

static void send_text(struct talk *t, const char *text, size_t n)
{
    Connectrpc__Conformance__V1__UnaryRequest        q = question(text, n);
    Connectrpc__Conformance__V1__ClientStreamRequest c = CONNECTRPC__CONFORMANCE__V1__CLIENT_STREAM_REQUEST__INIT;

    c.request_data = q.request_data;
    rpc_stream_send(t->stream, &c.base);
}

static void send_bidi(struct talk *t, const char *text)
{
    Connectrpc__Conformance__V1__BidiStreamRequest q = CONNECTRPC__CONFORMANCE__V1__BIDI_STREAM_REQUEST__INIT;

    q.request_data = (ProtobufCBinaryData){ strlen(text), (uint8_t *)(uintptr_t)text };
    rpc_stream_send(t->stream, &q.base);
}

static void open_pour(struct talk *t, const char *n)
{
    Connectrpc__Conformance__V1__ServerStreamRequest q = CONNECTRPC__CONFORMANCE__V1__SERVER_STREAM_REQUEST__INIT;
    struct rpc_request                               r = stream_of(SERVICE "ServerStream", RESPONSE(server_stream));

    q.request_data = (ProtobufCBinaryData){ strlen(n), (uint8_t *)(uintptr_t)n };
    r.message = &q.base;
    talk_open(t, &many, r);
}

/* What stands still for a moment. */
static size_t settled(atomic_size_t *n)
{
    size_t before = 0, now = atomic_load(n);

    do {
        before = now;
        usleep(100000);
        now = atomic_load(n);
    } while (now != before || now == 0);
    return now;
}

static void test_slow_reader(void)
{
    struct talk t;

    atomic_store(&n_sent, 0);
    open_pour(&t, "1000");
    assert(settled(&n_sent) < 40); /* 2.5 MiB: the window here, what waits there, and what the kernel holds */
    for (int i = 0; i < 1000; i++) {
        rpc_stream_next(t.stream);
        sem_wait(&t.came);
    }
    rpc_stream_next(t.stream);
    talk_end(&t);
    assert(t.code == CODE_OK && t.n == 1000 && t.bytes == 1000 * sizeof filler && soon(runs, 0));
}

static void release(struct task *t)
{
    struct call *c = atomic_exchange(&held, NULL);

    free(t);
    call_next(c);
}

static void test_slow_server(void)
{
    struct talk  t;
    struct task *task = mem_zalloc(sizeof *task);
    size_t       n = 4;

    atomic_store(&n_taken, 0);
    talk_open(&t, &one, stream_of(SERVICE "ClientStream", RESPONSE(client_stream)));
    send_text(&t, "hold", 4);
    do { /* full, and still so when all has left that can */
        for (; rpc_stream_has_room(t.stream); n += sizeof filler) {
            send_text(&t, filler, sizeof filler);
            usleep(2000);
        }
        usleep(100000);
    } while (rpc_stream_has_room(t.stream));
    assert(n < 4 << 20); /* the window there, and HTTP_UNSENT_MARK here; not all of them at once on a busy machine */
    assert(settled(&n_taken) == 4);
    rpc_stream_when_room(t.stream);
    usleep(50000);
    assert(sem_trywait(&t.room) != 0);
    task->run = release;
    loop_post(server_loop, task);
    sem_wait(&t.room);
    for (int i = 0; i < 100; i++, n += sizeof filler) {
        if (!rpc_stream_has_room(t.stream)) {
            rpc_stream_when_room(t.stream);
            sem_wait(&t.room);
        }
        send_text(&t, filler, sizeof filler);
    }
    rpc_stream_close_send(t.stream);
    talk_end(&t);
    assert(t.code == CODE_OK && t.n == 1 && (size_t)atoll(t.last) == n);
}

/* On the loop's thread: an answer is what the next question follows. */
static void on_echo(void *arg, const ProtobufCMessage *m)
{
    struct talk *t = arg;

    take(t, m);
    if (--t->echoes_left == 0) {
        rpc_stream_close_send(t->stream);
    } else {
        send_bidi(t, "again");
    }
    rpc_stream_next(t->stream);
}

static void test_bidi(void)
{
    struct rpc_events echo = { .on_message = on_echo, .on_end = on_end };
    struct talk       t;

    talk_open(&t, &echo, stream_of(SERVICE "BidiStream", RESPONSE(bidi_stream)));
    t.echoes_left = 200;
    send_bidi(&t, "first");
    rpc_stream_next(t.stream);
    talk_end(&t);
    assert(t.code == CODE_OK && t.n == 200 && strcmp(t.last, "again") == 0);
    talk_open(&t, &many, stream_of(SERVICE "BidiStream", RESPONSE(bidi_stream)));
    send_bidi(&t, "hello");
    send_bidi(&t, "fail");
    for (int64_t until = clock_mono_ns() + 100 * NS_PER_MS; clock_mono_ns() < until; usleep(10000))
        assert(sem_trywait(&t.ended) != 0); /* the end waits behind the answer that nobody has asked for */
    rpc_stream_next(t.stream);
    talk_end(&t);
    assert(t.code == CODE_ABORTED && t.n == 1 && strcmp(t.text, "as asked") == 0 && soon(runs, 0));
}

/* Of each kind; the server hears of it. */
static void test_cancel(void)
{
    static const struct {
        const char                       *path;
        const ProtobufCMessageDescriptor *response;
        const struct rpc_events          *on;
    } kinds[] = { { SERVICE "ClientStream", RESPONSE(client_stream), &one },
                  { SERVICE "BidiStream", RESPONSE(bidi_stream), &many } };
    struct talk t;

    for (size_t i = 0; i < 2; i++) {
        talk_open(&t, kinds[i].on, stream_of(kinds[i].path, kinds[i].response));
        if (i == 0)
            send_text(&t, "x", 1);
        else
            send_bidi(&t, "x");
        assert(soon(runs, 1));
        rpc_stream_cancel(t.stream);
        talk_end(&t);
        assert(t.code == CODE_CANCELED && soon(runs, 0));
    }
    open_pour(&t, "1000");
    assert(soon(runs, 1));
    rpc_stream_free(t.stream); /* as good as cancelling */
    sem_wait(&t.ended);
    assert(t.code == CODE_CANCELED && soon(runs, 0));
    struct rpc_request r = stream_of(SERVICE "BidiStream", RESPONSE(bidi_stream));
    r.deadline_ns = clock_mono_ns() + 100 * NS_PER_MS;
    talk_open(&t, &many, r);
    send_bidi(&t, "x");
    talk_end(&t);
    assert(t.code == CODE_DEADLINE_EXCEEDED && t.n == 0 && soon(runs, 0));
}

static void all(struct tls *as_server, struct tls *as_client)
{
    world_begin(as_server, as_client);
    test_unary();
    test_call();
    test_compression();
    test_slow_reader();
    test_slow_server();
    test_bidi();
    test_cancel();
    world_end();
}

int main(void)
{
    struct test_pem ca = pem_new("test CA", NULL, NULL, -60, 86400);
    struct test_pem own = pem_new("both", "IP:127.0.0.1", &ca, -60, 86400);

    signal(SIGPIPE, SIG_IGN);
    all(NULL, NULL);
    struct tls *as_server = tls_make(&ca, &own, true), *as_client = tls_make(&ca, &own, false);
    all(as_server, as_client);
    tls_unref(as_server);
    tls_unref(as_client);
    pem_free(&ca);
    pem_free(&own);
    return 0;
}
