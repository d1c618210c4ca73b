/*
 * Goal: the same methods answer alike in three dialects, two codecs, compressed or not; and each thing that can go
 * wrong between a socket and a method has its own answer in the dialect's own form.
 * Method: toy methods under real names, served on a loopback port.  HTTP/2 exchanges go through our client with raw
 * fields and bodies, HTTP/1.1 ones through a plain socket.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/client.h"
#include "net/listen.h"
#include "net/loop.h"
#include "proto/descriptors.h"
#include "proto/health.pb-c.h"
#include "proto/push.pb-c.h"
#include "proto/querier.pb-c.h"
#include "proto/reflection.pb-c.h"
#include "rpc/codec.h"
#include "rpc/envelope.h"
#include "rpc/server.h"
#include "wire/zip.h"

/* ---- the toy service ---- */

static sem_t       slow_runs, slow_may_end;
static atomic_bool slow_was_cancelled, values_were_inline;

/* As many names as `start` says, each `name`. */
static void values(struct call *c, const ProtobufCMessage *request)
{
    const Types__V1__LabelValuesRequest *q = (const void *)request;
    Types__V1__LabelValuesResponse       r = TYPES__V1__LABEL_VALUES_RESPONSE__INIT;
    struct fault                         why;

    values_were_inline = call_is_inline(c);
    if (q->start < 0) {
        (void)fail(&why, CODE_NOT_FOUND, "100%% no \"%s\"", q->name);
        call_fail(c, &why);
        return;
    }
    r.n_names = (size_t)q->start;
    r.names = arena_array(call_arena(c), r.n_names, sizeof *r.names);
    for (size_t i = 0; i < r.n_names; i++)
        r.names[i] = q->name;
    call_reply(c, &r.base);
}

static bool values_are_quick(struct call *c, const ProtobufCMessage *request)
{
    (void)c;
    return ((const Types__V1__LabelValuesRequest *)(const void *)request)->name[0] == 'q';
}

/* Decodes its message itself. */
static void raw(struct call *c, const ProtobufCMessage *none)
{
    Types__V1__LabelValuesResponse r = TYPES__V1__LABEL_VALUES_RESPONSE__INIT;

    assert(none == NULL && slice_is(call_message(c), "no protobuf"));
    call_reply(c, &r.base);
}

static bool never_quick(struct call *c, const ProtobufCMessage *request)
{
    (void)c;
    (void)request;
    return false;
}

/* Works until its client has gone or its deadline is over. */
static void slow(struct call *c, const ProtobufCMessage *request)
{
    Types__V1__LabelNamesResponse r = TYPES__V1__LABEL_NAMES_RESPONSE__INIT;

    (void)request;
    sem_post(&slow_runs);
    sem_wait(&slow_may_end);
    for (int i = 0; i < 10000 && !call_is_cancelled(c); i++)
        usleep(1000);
    slow_was_cancelled = call_is_cancelled(c);
    call_reply(c, &r.base);
}

static void push(struct call *c, const ProtobufCMessage *request)
{
    Push__V1__PushResponse r = PUSH__V1__PUSH_RESPONSE__INIT;

    (void)request;
    call_reply(c, &r.base);
}

static void page(struct call *c, struct slice body)
{
    struct buf out = { 0 };

    buf_printf(&out, "%.*s?%.*s:", SLICE_ARGS(call_path(c)), SLICE_ARGS(call_query(c)));
    buf_slice(&out, body);
    call_http(c, 200, "text/plain", buf_view(&out));
    buf_free(&out);
}

static enum code authorize(struct call *c, const char *path, struct fault *why)
{
    (void)path;
    return slice_is(call_field(c, "x-who"), "stranger") ? fail(why, CODE_UNAUTHENTICATED, "who are you") : CODE_OK;
}

#define QUERIER "/querier.v1.QuerierService/"

static const struct method methods[] = {
    { QUERIER "LabelValues", &types__v1__label_values_request__descriptor,
      &types__v1__label_values_response__descriptor, LANE_QUERY, 0, values, values_are_quick },
    { QUERIER "LabelNames", &types__v1__label_names_request__descriptor, &types__v1__label_names_response__descriptor,
      LANE_DECODE, 0, slow, never_quick },
    { QUERIER "Series", NULL, &types__v1__label_values_response__descriptor, LANE_DECODE, 0, raw, NULL },
    { "/push.v1.PusherService/Push", &push__v1__push_request__descriptor, &push__v1__push_response__descriptor,
      LANE_INLINE, 200, push, NULL },
};

static const struct route routes[] = {
    { "GET", "/page", LANE_INLINE, 0, page },
    { "PUT", "/page", LANE_QUERY, 100, page },
};

/* ---- the world ---- */

static struct loop        *the_loop;
static struct rpc_server  *server;
static struct listener    *listener;
static struct http_client *client;

struct got {
    enum code    code;
    int          status;
    struct slice content_type, grpc_status, grpc_message, encoding, allow, accept_post, retry_after, origin;
    bool         has_trailers;
    struct slice body;
};

struct asking {
    struct task          task, cancel;
    struct http_send     send;
    struct http_request *request;
    struct got          *got;
    sem_t                done;
};

static struct arena *kept;

static struct slice pick(const struct http_reply *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields + r->n_trailers; i++) {
        const struct http_field *f = i < r->n_fields ? &r->fields[i] : &r->trailers[i - r->n_fields];
        if (slice_is(f->name, name))
            return arena_copy(kept, f->value);
    }
    return (struct slice){ 0 };
}

static void on_done(void *arg, const struct http_reply *r)
{
    struct asking *a = arg;

    *a->got = (struct got){ .code = r->code,
                            .status = r->status,
                            .content_type = pick(r, "content-type"),
                            .grpc_status = pick(r, "grpc-status"),
                            .grpc_message = pick(r, "grpc-message"),
                            .encoding = pick(r, "content-encoding"),
                            .allow = pick(r, "allow"),
                            .accept_post = pick(r, "accept-post"),
                            .retry_after = pick(r, "retry-after"),
                            .origin = pick(r, "access-control-allow-origin"),
                            .has_trailers = r->n_trailers > 0,
                            .body = arena_copy(kept, r->body) };
    if (a->got->encoding.p == NULL)
        a->got->encoding = pick(r, "grpc-encoding");
    sem_post(&a->done);
}

static void run_asking(struct task *t)
{
    struct asking *a = (struct asking *)t;

    if (client == NULL)
        client = http_client_new(the_loop, NULL);
    a->request = http_client_send(client, &a->send);
}

static void run_cancel(struct task *t)
{
    struct asking *a = (struct asking *)((char *)t - offsetof(struct asking, cancel));
    http_client_cancel(a->request);
}

static void ask_begin(struct asking *a, struct got *got, const char *method, const char *path,
                      const char *const *fields, struct slice body)
{
    static const char *const none[] = { NULL };
    struct http_field       *f = arena_array(kept, 16, sizeof *f);

    *a = (struct asking){ .task.run = run_asking, .cancel.run = run_cancel, .got = got };
    a->send = (struct http_send){ .address = listener_address(listener),
                                  .method = slice_of(method),
                                  .path = slice_of(path),
                                  .fields = f,
                                  .body = body,
                                  .body_bytes_max = 64 << 20,
                                  .on_done = on_done,
                                  .arg = a };
    for (fields = fields ? fields : none; *fields != NULL; fields += 2)
        f[a->send.n_fields++] = (struct http_field){ slice_of(fields[0]), slice_of(fields[1]) };
    sem_init(&a->done, 0, 0);
}

static struct got ask(const char *method, const char *path, const char *const *fields, struct slice body)
{
    struct asking a;
    struct got    got;

    ask_begin(&a, &got, method, path, fields, body);
    loop_post(the_loop, &a.task);
    sem_wait(&a.done);
    return got;
}

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct slice enveloped(uint8_t flags, struct slice payload)
{
    struct buf b = { 0 };
    envelope_open(&b);
    buf_slice(&b, payload);
    envelope_close(&b, 0, flags);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static struct slice gzipped(struct slice s)
{
    struct buf b = { 0 };
    zip_gzip(s, &b);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static struct slice gunzipped(struct slice s)
{
    struct fault why;
    struct slice out;
    enum code    code = zip_gunzip(s, 64 << 20, kept, &out, &why);
    assert(code == CODE_OK);
    return out;
}

static struct slice query_bytes(bool is_json, const char *name, int64_t start)
{
    Types__V1__LabelValuesRequest q = TYPES__V1__LABEL_VALUES_REQUEST__INIT;
    struct buf                    b = { 0 };

    q.name = (char *)name;
    q.start = start;
    if (is_json)
        return arena_printf(kept, "{\"name\":\"%s\",\"start\":%lld}", name, (long long)start);
    proto_encode(&q.base, &b);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static void check_values(bool is_json, struct slice bytes, const char *name, size_t n)
{
    ProtobufCMessage *m = NULL;
    struct fault      why;
    struct buf        want = { 0 };

    if (!is_json) {
        enum code code = proto_decode(&types__v1__label_values_response__descriptor, bytes, 64 << 20, kept, &m, &why);
        assert(code == CODE_OK);
        Types__V1__LabelValuesResponse *r = (void *)m;
        assert(r->n_names == n && (n == 0 || strcmp(r->names[n - 1], name) == 0));
        return;
    }
    buf_text(&want, n ? "{\"names\":[" : "{");
    for (size_t i = 0; i < n; i++)
        buf_printf(&want, "%s\"%s\"", i ? "," : "", name);
    buf_text(&want, n ? "]}" : "}");
    assert(slice_eq(bytes, buf_view(&want)));
    buf_free(&want);
}

/* ---- what is checked ---- */

static void test_connect(bool is_json, bool is_gzip, size_t n)
{
    const char  *type = is_json ? "application/json" : "application/proto";
    struct slice body = query_bytes(is_json, "abc", (int64_t)n);
    struct got   got = ask("POST", QUERIER "LabelValues",
                           FIELDS("content-type", type, "content-encoding", is_gzip ? "gzip" : "identity",
                                  "accept-encoding", is_gzip ? "br, gzip" : "br"),
                         is_gzip ? gzipped(body) : body);

    assert(got.code == CODE_OK && got.status == 200 && slice_is(got.content_type, type) && !got.has_trailers);
    assert(slice_is(got.encoding, "gzip") == (is_gzip && n > 1000));
    check_values(is_json, got.encoding.n ? gunzipped(got.body) : got.body, "abc", n);
}

/* The one message of an enveloped answer; what follows it in *rest. */
static struct slice unwrapped(struct slice body, uint8_t *flags, struct slice *rest)
{
    struct inbox in = { .bytes = { (char *)body.p, body.n, body.n }, .message_bytes_max = SIZE_MAX };
    size_t       at, n;

    assert(inbox_next(&in, flags, &at, &n) == INBOX_MESSAGE);
    *rest = slice_from(body, at + n);
    return slice_make(body.p + at, n);
}

static void test_grpc(bool is_web, bool is_json, bool is_gzip, size_t n)
{
    const char  *types[] = { "application/grpc", "application/grpc+json", "application/grpc-web+proto",
                             "application/grpc-web+json" };
    const char  *type = types[is_web * 2 + is_json];
    struct slice body = query_bytes(is_json, "abc", (int64_t)n), rest;
    uint8_t      flags;
    struct got   got = ask("POST", QUERIER "LabelValues",
                           FIELDS("content-type", type, "te", "trailers", "grpc-timeout", "10S", "grpc-encoding",
                                is_gzip ? "gzip" : "identity", "grpc-accept-encoding", is_gzip ? "gzip" : "identity"),
                           enveloped(is_gzip, is_gzip ? gzipped(body) : body));

    assert(got.code == CODE_OK && got.status == 200 && slice_is(got.content_type, type) && got.has_trailers == !is_web);
    struct slice message = unwrapped(got.body, &flags, &rest);
    assert(flags == (is_gzip && n > 1000) && slice_is(got.encoding, "gzip") == (flags != 0));
    check_values(is_json, flags ? gunzipped(message) : message, "abc", n);
    if (!is_web) {
        assert(slice_is(got.grpc_status, "0") && rest.n == 0);
        return;
    }
    assert(slice_is(unwrapped(rest, &flags, &rest), "grpc-status: 0\r\n") && flags == 0x80 && rest.n == 0);
}

static void test_dialects(void)
{
    const size_t sizes[] = { 0, 3, 4000 };

    for (int bits = 0; bits < 4; bits++)
        for (size_t i = 0; i < 3; i++) {
            test_connect(bits & 1, bits >> 1, sizes[i]);
            test_grpc(false, bits & 1, bits >> 1, sizes[i]);
            test_grpc(true, bits & 1, bits >> 1, sizes[i]);
        }
}

static void expect_json_error(struct got got, int status, const char *code, const char *word)
{
    struct slice start = arena_printf(kept, "{\"code\":\"%s\",\"message\":\"", code);

    if (got.status != status || !slice_starts(got.body, start))
        printf("%d %.*s, not %d %s\n", got.status, SLICE_ARGS(got.body), status, code);
    assert(got.status == status && slice_is(got.content_type, "application/json"));
    assert(slice_starts(got.body, start) && slice_find(got.body, slice_of(word)) < got.body.n);
}

static void expect_grpc_error(struct got got, enum code code, const char *word)
{
    if (!slice_eq(got.grpc_status, arena_printf(kept, "%d", (int)code)))
        printf("%.*s %.*s, not %d\n", SLICE_ARGS(got.grpc_status), SLICE_ARGS(got.grpc_message), (int)code);
    assert(got.status == 200 && slice_eq(got.grpc_status, arena_printf(kept, "%d", (int)code)));
    assert(slice_find(got.grpc_message, slice_of(word)) < got.grpc_message.n && got.body.n == 0);
}

#define JSON "content-type", "application/json"
#define GRPC "content-type", "application/grpc"

static struct got values_json(const char *text)
{
    return ask("POST", QUERIER "LabelValues", FIELDS(JSON), slice_of(text));
}
static struct got values_grpc(struct slice body) { return ask("POST", QUERIER "LabelValues", FIELDS(GRPC), body); }

static void test_method_errors(void)
{
    struct slice bytes = query_bytes(false, "x", -1);

    expect_json_error(values_json("{\"name\":\"x\",\"start\":-1}"), 404, "not_found", "100% no \\\"x\\\"");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto"), bytes), 404,
                      "not_found", "no");
    expect_grpc_error(values_grpc(enveloped(0, bytes)), CODE_NOT_FOUND, "100%25 no \"x\"");
    expect_grpc_error(
        ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/grpc-web"), enveloped(0, bytes)),
        CODE_NOT_FOUND, "100%25 no \"x\"");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "x-who", "stranger"), SLICE("{}")), 401,
                      "unauthenticated", "who are you");
}

static void test_bad_bodies(void)
{
    expect_json_error(values_json(""), 400, "invalid_argument", "empty");
    expect_json_error(values_json("{\"start\":\"x\"}"), 400, "invalid_argument", "start");
    expect_grpc_error(values_grpc((struct slice){ 0 }), CODE_UNIMPLEMENTED, "no message");
    expect_grpc_error(values_grpc(SLICE("\0\0\0\0\5ab")), CODE_INVALID_ARGUMENT, "cut short");
    expect_grpc_error(values_grpc(SLICE("\0\0\0\0\0\0\0\0\0\0")), CODE_UNIMPLEMENTED, "more than one");
    expect_grpc_error(values_grpc(SLICE("\0\0\0\0\1\xFF")), CODE_INVALID_ARGUMENT, "protobuf");
    expect_grpc_error(values_grpc(SLICE("\1\0\0\0\1\xFF")), CODE_INTERNAL, "compressed");
    expect_grpc_error(values_grpc(SLICE("\2\0\0\0\0")), CODE_INTERNAL, "flags");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "content-encoding", "gzip"), SLICE("{}")), 400,
                      "invalid_argument", "gzip");
    struct got got =
        ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto"), (struct slice){ 0 });
    assert(got.status == 200 && got.body.n == 0);
    got = ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto", "content-encoding", "gzip"),
              (struct slice){ 0 });
    assert(got.status == 200 && got.body.n == 0);
}

static void test_bad_heads(void)
{
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "content-encoding", "br"), SLICE("{}")), 501,
                      "unimplemented", "gzip");
    expect_grpc_error(ask("POST", QUERIER "LabelValues", FIELDS(GRPC, "grpc-encoding", "br"), enveloped(0, SLICE(""))),
                      CODE_UNIMPLEMENTED, "gzip");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "connect-timeout-ms", "1s"), SLICE("{}")), 400,
                      "invalid_argument", "1s");
    expect_grpc_error(ask("POST", QUERIER "LabelValues", FIELDS(GRPC, "grpc-timeout", "1"), enveloped(0, SLICE(""))),
                      CODE_INVALID_ARGUMENT, "timeout");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "connect-protocol-version", "2"), SLICE("{}")),
                      400, "invalid_argument", "version");
    expect_json_error(ask("POST", QUERIER "LabelValues", FIELDS(JSON, "connect-timeout-ms", "0"), SLICE("{}")), 504,
                      "deadline_exceeded", "deadline");
}

static void test_routing(void)
{
    struct got got = ask("GET", QUERIER "LabelValues", NULL, (struct slice){ 0 });
    assert(got.status == 400 && slice_find(got.body, SLICE("encoding")) < got.body.n);
    got = ask("GET", "/push.v1.PusherService/Push", NULL, (struct slice){ 0 });
    assert(got.status == 405 && slice_is(got.allow, "POST") && got.body.n == 0);
    got = ask("POST", QUERIER "LabelValues", FIELDS("content-type", "text/plain"), SLICE("{}"));
    assert(got.status == 415 &&
           slice_starts(got.accept_post, SLICE("application/json, application/proto, application/grpc")));
    assert(ask("POST", QUERIER "Nothing", FIELDS(JSON), SLICE("{}")).status == 404);
    assert(ask("POST", "/" QUERIER "/LabelValues", FIELDS(JSON), SLICE("{}")).status == 200);
    assert(ask("POST", QUERIER "LabelValues", FIELDS("content-type", "Application/JSON; charset=utf-8"), SLICE("{}"))
               .status == 200);
    got = ask("GET", "/page?a=1", NULL, (struct slice){ 0 });
    assert(got.status == 200 && slice_is(got.body, "/page?a=1:"));
    got = ask("PUT", "/page", NULL, SLICE("body"));
    assert(got.status == 200 && slice_is(got.body, "/page?:body"));
    got = ask("DELETE", "/page", NULL, (struct slice){ 0 });
    assert(got.status == 405 && slice_is(got.allow, "GET, PUT"));
    got = ask("OPTIONS", QUERIER "LabelValues", FIELDS("origin", "http://x", "access-control-request-method", "POST"),
              (struct slice){ 0 });
    assert(got.status == 204 && slice_is(got.origin, "http://x"));
    got = ask("POST", QUERIER "LabelValues", FIELDS(JSON, "origin", "http://x"), SLICE("{}"));
    assert(got.status == 200 && slice_is(got.origin, "http://x"));
}

/* Small and quick: on the loop; in every other case on the lane. */
static void test_quick(void)
{
    char long_name[1200] = "q";

    memset(long_name + 1, 'x', sizeof long_name - 2);
    const struct {
        const char *name;
        bool        is_gzip, is_inline;
    } cases[] = {
        { "quick", false, true }, { "slow", false, false }, { "quick", true, false }, { long_name, false, false }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice body = query_bytes(false, cases[i].name, 2);
        struct got   got =
            ask("POST", QUERIER "LabelValues",
                FIELDS("content-type", "application/proto", "content-encoding", cases[i].is_gzip ? "gzip" : "identity"),
                cases[i].is_gzip ? gzipped(body) : body);
        assert(got.code == CODE_OK && got.status == 200 && values_were_inline == cases[i].is_inline);
        check_values(false, got.body, cases[i].name, 2);
    }
}

static void test_raw(void)
{
    struct slice body = SLICE("no protobuf");

    assert(ask("POST", QUERIER "Series", FIELDS("content-type", "application/proto"), body).status == 200);
    assert(ask("POST", QUERIER "Series", FIELDS("content-type", "application/proto", "content-encoding", "gzip"),
               gzipped(body))
               .status == 200);
    assert(ask("POST", QUERIER "Series", FIELDS(JSON), SLICE("{}")).status == 501);
}

static void test_limits(void)
{
    static char  zeroes[1 << 20];
    struct slice large = slice_make(zeroes, sizeof zeroes), push_path = SLICE("/push.v1.PusherService/Push");

    struct got got = ask("POST", push_path.p, FIELDS(JSON), slice_make(zeroes, 201));
    expect_json_error(got, 429, "resource_exhausted", "message size 201 is larger than configured max 200");
    assert(slice_is(got.retry_after, "1"));
    expect_json_error(ask("POST", push_path.p, FIELDS(JSON, "content-encoding", "gzip"), gzipped(large)), 429,
                      "resource_exhausted", "larger");
    expect_grpc_error(ask("POST", push_path.p, FIELDS(GRPC), enveloped(0, slice_make(zeroes, 201))),
                      CODE_RESOURCE_EXHAUSTED, "larger");
    expect_json_error(ask("PUT", "/page", NULL, slice_make(zeroes, 101)), 413, "resource_exhausted", "larger");
    assert(ask("PUT", "/page", NULL, slice_make(zeroes, 100)).status == 200);
    /* what all calls may hold together: 4 MiB */
    static char huge[5 << 20];
    expect_json_error(
        ask("POST", QUERIER "LabelValues", FIELDS("content-type", "application/proto"), slice_make(huge, sizeof huge)),
        429, "resource_exhausted", "in flight");
}

static void wait_for_end(void)
{
    while (rpc_server_inflight(server) > 0)
        usleep(1000);
}

static void test_deadlines(void)
{
    struct got got = ask("POST", QUERIER "LabelNames", FIELDS(JSON, "connect-timeout-ms", "400"), SLICE("{}"));
    expect_json_error(got, 504, "deadline_exceeded", "deadline");
    sem_wait(&slow_runs);
    sem_post(&slow_may_end);
    got = ask("POST", QUERIER "LabelNames", FIELDS(GRPC, "grpc-timeout", "400m"), enveloped(0, SLICE("")));
    expect_grpc_error(got, CODE_DEADLINE_EXCEEDED, "deadline");
    sem_wait(&slow_runs);
    sem_post(&slow_may_end);
    wait_for_end();
    assert(slow_was_cancelled);
}

static void test_cancel(void)
{
    struct asking a;
    struct got    got;

    slow_was_cancelled = false;
    ask_begin(&a, &got, "POST", QUERIER "LabelNames", FIELDS(GRPC), enveloped(0, SLICE("")));
    loop_post(the_loop, &a.task);
    sem_wait(&slow_runs);
    loop_post(the_loop, &a.cancel);
    sem_wait(&a.done);
    assert(got.code == CODE_CANCELED);
    sem_post(&slow_may_end);
    wait_for_end();
    assert(slow_was_cancelled);
}

struct waiting {
    sem_t begun, ended;
};

static void wait_to_end(void *arg)
{
    struct waiting *w = arg;

    sem_post(&w->begun);
    sem_wait(&slow_may_end);
    sem_post(&w->ended);
}

/* The one worker is busy and the queue behind it is full: refused at once. */
static void test_full_lane(void)
{
    size_t         n = 0;
    struct waiting w;

    sem_init(&w.begun, 0, 0);
    sem_init(&w.ended, 0, 0);
    while (rpc_server_run(server, LANE_DECODE, wait_to_end, &w))
        if (n++ == 0)
            sem_wait(&w.begun);
    assert(n >= 100);
    struct got got = ask("POST", QUERIER "LabelNames", FIELDS(JSON), SLICE("{}"));
    expect_json_error(got, 429, "resource_exhausted", "waiting");
    assert(slice_is(got.retry_after, "1"));
    expect_grpc_error(ask("POST", QUERIER "LabelNames", FIELDS(GRPC), enveloped(0, SLICE(""))), CODE_RESOURCE_EXHAUSTED,
                      "waiting");
    for (size_t i = 0; i < n; i++)
        sem_post(&slow_may_end);
    for (size_t i = 0; i < n; i++)
        sem_wait(&w.ended);
}

static struct slice reflection_question(const char *symbol)
{
    Grpc__Reflection__V1__ServerReflectionRequest q = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct buf                                    b = { 0 };

    q.message_request_case =
        symbol ? GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL
               : GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    q.list_services = (char *)(symbol ? symbol : "");
    proto_encode(&q.base, &b);
    struct slice out = enveloped(0, buf_view(&b));
    buf_free(&b);
    return out;
}

static Grpc__Reflection__V1__ServerReflectionResponse *reflection_answer(struct slice *body)
{
    ProtobufCMessage *m;
    struct fault      why;
    uint8_t           flags;
    struct slice      one = unwrapped(*body, &flags, body);
    enum code         code =
        proto_decode(&grpc__reflection__v1__server_reflection_response__descriptor, one, 1 << 20, kept, &m, &why);

    assert(code == CODE_OK && flags == 0);
    return (void *)m;
}

/* Three questions on one stream, answered in order. */
static void test_reflection(const char *path)
{
    struct buf body = { 0 };

    buf_slice(&body, reflection_question(NULL));
    buf_slice(&body, reflection_question("querier.v1.QuerierService.LabelValues"));
    buf_slice(&body, reflection_question("no.such.Thing"));
    struct got got = ask("POST", path, FIELDS(GRPC, "te", "trailers"), buf_view(&body));
    assert(got.status == 200 && slice_is(got.grpc_status, "0") && got.has_trailers);

    Grpc__Reflection__V1__ServerReflectionResponse *r = reflection_answer(&got.body);
    assert(r->list_services_response->n_service == 5);
    assert(strcmp(r->list_services_response->service[0]->name, "querier.v1.QuerierService") == 0);
    r = reflection_answer(&got.body);
    assert(r->file_descriptor_response->n_file_descriptor_proto == 3); /* querier, profile, types */
    r = reflection_answer(&got.body);
    assert(r->error_response->error_code == CODE_NOT_FOUND && got.body.n == 0);
    buf_free(&body);
}

/* More answers than may wait unread: the questions wait in their turn, and none is lost. */
static void test_long_stream(void)
{
    enum { QUESTIONS = 20000 };
    struct buf   body = { 0 };
    struct slice question = reflection_question(NULL);
    size_t       n = 0;

    for (size_t i = 0; i < QUESTIONS; i++)
        buf_slice(&body, question);
    struct got got = ask("POST", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                         FIELDS(GRPC, "te", "trailers"), buf_view(&body));
    assert(got.status == 200 && slice_is(got.grpc_status, "0") && got.body.n > 2 << 20);
    for (uint8_t flags; got.body.n > 0; n++)
        (void)unwrapped(got.body, &flags, &got.body);
    assert(n == QUESTIONS);
    buf_free(&body);
}

static void test_health(void)
{
    rpc_server_set_ready(server, false);
    struct got got = ask("POST", "/grpc.health.v1.Health/Check", FIELDS(JSON), SLICE("{}"));
    assert(slice_is(got.body, "{\"status\":\"NOT_SERVING\"}"));
    rpc_server_set_ready(server, true);
    got = ask("POST", "/grpc.health.v1.Health/Check", FIELDS(JSON), SLICE("{\"service\":\"push.v1.PusherService\"}"));
    assert(slice_is(got.body, "{\"status\":\"SERVING\"}"));
    expect_json_error(ask("POST", "/grpc.health.v1.Health/Check", FIELDS(JSON), SLICE("{\"service\":\"x\"}")), 404,
                      "not_found", "x");
    got = ask("POST", "/grpc.health.v1.Health/List", FIELDS(JSON), SLICE("{}"));
    assert(
        slice_starts(got.body, SLICE("{\"statuses\":{\"\":{\"status\":\"SERVING\"},\"querier.v1.QuerierService\":")));
    assert(ask("POST", "/grpc.health.v1.Health/Watch", FIELDS(JSON), SLICE("{}")).status == 415);
    got = ask("POST", "/grpc.health.v1.Health/Watch", FIELDS(GRPC, "grpc-timeout", "300m"), enveloped(0, SLICE("")));
    assert(slice_eq(got.body, SLICE("\0\0\0\0\2\x08\1")) && slice_is(got.grpc_status, "4") && got.has_trailers);
}

/* ---- HTTP/1.1 ---- */

static int connected(void)
{
    const char        *address = listener_address(listener);
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1)) };

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int refused = connect(fd, (struct sockaddr *)&to, sizeof to);
    assert(refused == 0);
    return fd;
}

/* The whole answer to one request on a connection that closes. */
static struct slice h1(const char *path, const char *type, struct slice body)
{
    struct buf b = { 0 };
    int        fd = connected();
    ssize_t    n;

    buf_printf(&b,
               "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               path, type, body.n);
    buf_slice(&b, body);
    n = write(fd, b.p, b.n);
    assert(n == (ssize_t)b.n);
    for (b.n = 0; (n = read(fd, buf_reserve(&b, 4096), 4096)) > 0;)
        b.n += (size_t)n;
    close(fd);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static bool holds(struct slice s, struct slice part) { return slice_find(s, part) < s.n; }

static void test_http1(void)
{
    struct slice question = enveloped(0, query_bytes(false, "abc", 2));
    struct slice got = h1(QUERIER "LabelValues", "application/json", SLICE("{\"name\":\"abc\",\"start\":2}"));

    assert(slice_starts(got, SLICE("HTTP/1.1 200 ")) && holds(got, SLICE("{\"names\":[\"abc\",\"abc\"]}")));
    got = h1(QUERIER "LabelValues", "application/grpc-web", question);
    assert(slice_starts(got, SLICE("HTTP/1.1 200 ")) && holds(got, SLICE("\x80\0\0\0\x10grpc-status: 0\r\n")));
    assert(slice_starts(h1(QUERIER "LabelValues", "application/grpc", question), SLICE("HTTP/1.1 505 ")));
    got = h1(QUERIER "LabelValues", "application/json", SLICE("{\"start\":-1}"));
    assert(slice_starts(got, SLICE("HTTP/1.1 404 ")) && holds(got, SLICE("\"not_found\"")));
    assert(
        slice_starts(h1("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/grpc-web", question),
                     SLICE("HTTP/1.1 505 ")));
}

/* ---- the world's beginning and end ---- */

static void world_begin(void)
{
    struct fault   why;
    size_t         n;
    const uint8_t *set = proto_descriptors(&n);

    sem_init(&slow_runs, 0, 0);
    sem_init(&slow_may_end, 0, 0);
    kept = arena_new(0);
    the_loop = loop_new(0);
    struct rpc_config config = { .methods = methods,
                                 .n_methods = sizeof methods / sizeof methods[0],
                                 .routes = routes,
                                 .n_routes = sizeof routes / sizeof routes[0],
                                 .descriptors = slice_make(set, n),
                                 .authorize = authorize,
                                 .decode_workers = 1,
                                 .query_workers = 2,
                                 .request_bytes_max = 64 << 20,
                                 .inflight_bytes_max = 4 << 20 };
    enum code         code = rpc_server_new(&config, &server, &why);
    assert(code == CODE_OK);
    struct http_app app = rpc_server_app(server, RPC_FACES_ALL);
    loop_start(the_loop);
    code = listener_new("127.0.0.1:0", &the_loop, 1, &app, &http_limits_default, NULL, &listener, &why);
    assert(code == CODE_OK);
}

static void close_client(struct task *t)
{
    http_client_free(client);
    sem_post(&slow_runs);
    (void)t;
}

static void world_end(void)
{
    struct task closing = { .run = close_client };

    wait_for_end();
    loop_post(the_loop, &closing);
    sem_wait(&slow_runs);
    listener_drain(listener);
    listener_free(listener);
    loop_stop(the_loop);
    rpc_server_free(server);
    loop_free(the_loop);
    arena_free(kept);
}

int main(void)
{
    world_begin();
    test_dialects();
    test_method_errors();
    test_bad_bodies();
    test_bad_heads();
    test_routing();
    test_quick();
    test_raw();
    test_limits();
    test_deadlines();
    test_cancel();
    test_full_lane();
    test_reflection("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    test_reflection("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
    test_long_stream();
    test_health();
    test_http1();
    world_end();
    return 0;
}
