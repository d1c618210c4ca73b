/*
 * For tests of the server: toy methods under real names on a loopback port, asked with raw fields and bodies by our client over
 * HTTP/2.
 */
#pragma once

#include <assert.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/client.h"
#include "net/listen.h"
#include "net/loop.h"
#include "proto/descriptors.h"
#include "proto/push.pb-c.h"
#include "proto/querier.pb-c.h"
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

static inline struct got ask(const char *method, const char *path, const char *const *fields, struct slice body)
{
    struct asking a;
    struct got    got;

    ask_begin(&a, &got, method, path, fields, body);
    loop_post(the_loop, &a.task);
    sem_wait(&a.done);
    return got;
}

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline struct slice enveloped(uint8_t flags, struct slice payload)
{
    struct buf b = { 0 };
    envelope_open(&b);
    buf_slice(&b, payload);
    envelope_close(&b, 0, flags);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static inline struct slice gzipped(struct slice s)
{
    struct buf b = { 0 };
    zip_gzip(s, &b);
    struct slice copy = arena_copy(kept, buf_view(&b));
    buf_free(&b);
    return copy;
}

static inline struct slice gunzipped(struct slice s)
{
    struct fault why;
    struct slice out;
    enum code    code = zip_gunzip(s, 64 << 20, kept, &out, &why);
    assert(code == CODE_OK);
    return out;
}

static inline struct slice query_bytes(bool is_json, const char *name, int64_t start)
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

static inline void check_values(bool is_json, struct slice bytes, const char *name, size_t n)
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

/* The one message of an enveloped answer; what follows it in *rest. */
static inline struct slice unwrapped(struct slice body, uint8_t *flags, struct slice *rest)
{
    struct inbox in = { .bytes = { (char *)body.p, body.n, body.n }, .message_bytes_max = SIZE_MAX };
    size_t       at, n;

    assert(inbox_next(&in, flags, &at, &n) == INBOX_MESSAGE);
    *rest = slice_from(body, at + n);
    return slice_make(body.p + at, n);
}

static inline void expect_json_error(struct got got, int status, const char *code, const char *word)
{
    struct slice start = arena_printf(kept, "{\"code\":\"%s\",\"message\":\"", code);

    if (got.status != status || !slice_starts(got.body, start))
        printf("%d %.*s, not %d %s\n", got.status, SLICE_ARGS(got.body), status, code);
    assert(got.status == status && slice_is(got.content_type, "application/json"));
    assert(slice_starts(got.body, start) && slice_find(got.body, slice_of(word)) < got.body.n);
}

static inline void expect_grpc_error(struct got got, enum code code, const char *word)
{
    if (!slice_eq(got.grpc_status, arena_printf(kept, "%d", (int)code)))
        printf("%.*s %.*s, not %d\n", SLICE_ARGS(got.grpc_status), SLICE_ARGS(got.grpc_message), (int)code);
    assert(got.status == 200 && slice_eq(got.grpc_status, arena_printf(kept, "%d", (int)code)));
    assert(slice_find(got.grpc_message, slice_of(word)) < got.grpc_message.n && got.body.n == 0);
}

#define JSON "content-type", "application/json"
#define GRPC "content-type", "application/grpc"

static void wait_for_end(void)
{
    while (rpc_server_inflight(server) > 0)
        usleep(1000);
}

/* ---- the world's beginning and end ---- */

static inline void world_begin(void)
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

static inline void world_end(void)
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
