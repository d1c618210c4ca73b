#include "rpc/client.h"

#include <assert.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/client.h"
#include "net/loop.h"
#include "rpc/codec.h"
#include "rpc/envelope.h"
#include "rpc/errors.h"

enum { FIELDS_MAX = 16, MEMORY_FACTOR = 16, MEMORY_LEAST_BYTES = 1 << 20 };

/* What a loop has of a client; its thread's alone. */
struct lane_client {
    struct loop        *loop;
    struct tls         *tls;
    struct http_client *http; /* made when first needed */
};

struct rpc_client {
    size_t             n;
    _Atomic size_t     next; /* round robin */
    struct lane_client lanes[];
};

/* Two hold it: the request until it is answered, and a cancellation on its way to the loop. */
struct rpc_pending {
    struct task                       start, cancel;
    _Atomic int                       refs;
    struct rpc_client                *client;
    size_t                            lane; /* which loop */
    struct arena                     *arena;
    struct http_send                  send;
    struct http_request              *request;      /* loop; NULL before it is sent and once it is answered */
    bool                              is_cancelled; /* loop */
    const ProtobufCMessageDescriptor *response;
    size_t                            response_bytes_max;
    rpc_reply_fn                     *on_reply;
    void                             *arg;
};

struct rpc_client *rpc_client_new(struct loop *const *loops, size_t n_loops, struct tls *tls)
{
    struct rpc_client *c = mem_zalloc(sizeof *c + n_loops * sizeof *c->lanes);

    assert(n_loops > 0);
    c->n = n_loops;
    for (size_t i = 0; i < n_loops; i++)
        c->lanes[i] = (struct lane_client){ .loop = loops[i], .tls = tls_ref(tls) };
    return c;
}

/* A context on its way to a loop. */
struct renewal {
    struct task         task;
    struct lane_client *to;
    struct tls         *tls;
};

static void renew(struct task *t)
{
    struct renewal *r = (struct renewal *)t;

    tls_unref(r->to->tls);
    r->to->tls = r->tls;
    if (r->to->http != NULL)
        http_client_set_tls(r->to->http, r->tls);
    free(r);
}

void rpc_client_set_tls(struct rpc_client *c, struct tls *tls)
{
    for (size_t i = 0; i < c->n; i++) {
        struct renewal *r = mem_alloc(sizeof *r);
        *r = (struct renewal){ .task.run = renew, .to = &c->lanes[i], .tls = tls_ref(tls) };
        loop_post(c->lanes[i].loop, &r->task);
    }
}

/* Closing is the loop's to do, behind whatever was posted to it, while the one who closes waits. */
struct closing {
    struct task         task;
    struct lane_client *lane;
    sem_t               done;
};

static void close_lane(struct task *t)
{
    struct closing *c = (struct closing *)t;

    if (c->lane->http != NULL)
        http_client_free(c->lane->http);
    tls_unref(c->lane->tls);
    sem_post(&c->done);
}

static void lane_free(struct lane_client *lane)
{
    struct closing c = { .task.run = close_lane, .lane = lane };

    sem_init(&c.done, 0, 0);
    if (loop_is_mine(lane->loop))
        close_lane(&c.task);
    else
        loop_post(lane->loop, &c.task);
    while (sem_wait(&c.done) != 0)
        continue;
    sem_destroy(&c.done);
}

void rpc_client_free(struct rpc_client *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        lane_free(&c->lanes[i]);
    free(c);
}

static void pending_unref(struct rpc_pending *p)
{
    if (atomic_fetch_sub(&p->refs, 1) == 1)
        arena_free(p->arena);
}

/* ---- the answer, on the loop ---- */

static struct slice field_of(const struct http_reply *r, const char *name)
{
    for (size_t i = 0; i < r->n_trailers; i++)
        if (slice_is(r->trailers[i].name, name))
            return r->trailers[i].value;
    for (size_t i = 0; i < r->n_fields; i++) /* an error without messages has them in its head */
        if (slice_is(r->fields[i].name, name))
            return r->fields[i].value;
    return (struct slice){ 0 };
}

static enum code status_of(const struct http_reply *r, struct fault *why)
{
    struct slice status = field_of(r, "grpc-status");
    struct buf   text = { 0 };
    long long    code = CODE_UNKNOWN;

    if (status.p == NULL)
        return fail(why, r->status == 200 ? CODE_INTERNAL : code_of_http_status(r->status),
                    "HTTP status %d and no grpc-status", r->status);
    if (!slice_to_i64(status, &code) || code < CODE_OK || code > CODE_UNAUTHENTICATED)
        code = CODE_UNKNOWN;
    if (code == CODE_OK)
        return CODE_OK;
    percent_decode(field_of(r, "grpc-message"), &text);
    (void)fail(why, (enum code)code, "%.*s", SLICE_ARGS(buf_view(&text)));
    buf_free(&text);
    return (enum code)code;
}

static enum code message_of(const struct rpc_pending *p, const struct http_reply *r, ProtobufCMessage **out,
                            struct fault *why)
{
    struct inbox in = { .bytes = { (char *)r->body.p, r->body.n, r->body.n },
                        .message_bytes_max = p->response_bytes_max };
    uint8_t      flags;
    size_t       at, n;

    switch (inbox_next(&in, &flags, &at, &n)) {
    case INBOX_TOO_LARGE:
        return fail(why, CODE_RESOURCE_EXHAUSTED, "the answer has %zu bytes, more than %zu", n, p->response_bytes_max);
    case INBOX_WAITS:
        return fail(why, CODE_INTERNAL, "the answer holds no whole message");
    case INBOX_MESSAGE:
        break;
    }
    if (flags != 0 || inbox_rest(&in) > 0)
        return fail(why, CODE_INTERNAL, "the answer is not one plain message");
    size_t memory = p->response_bytes_max < SIZE_MAX / MEMORY_FACTOR - MEMORY_LEAST_BYTES
                        ? p->response_bytes_max * MEMORY_FACTOR + MEMORY_LEAST_BYTES
                        : SIZE_MAX;
    return proto_decode(p->response, slice_make(r->body.p + at, n), memory, p->arena, out, why);
}

static void on_done(void *arg, const struct http_reply *r)
{
    struct rpc_pending *p = arg;
    ProtobufCMessage   *message = NULL;
    struct fault        why = { .code = CODE_OK };
    bool                was_sent = r->code == CODE_OK || r->was_sent;

    p->request = NULL;
    if (r->code != CODE_OK)
        (void)fail(&why, r->code, "%.*s", SLICE_ARGS(r->text));
    else if (status_of(r, &why) == CODE_OK && message_of(p, r, &message, &why) != CODE_OK)
        message = NULL;
    p->on_reply(p->arg, why.code, why.code == CODE_OK ? "" : why.text, was_sent, message);
    pending_unref(p);
}

/* ---- the request ---- */

static void start(struct task *t)
{
    struct rpc_pending *p = (struct rpc_pending *)((char *)t - offsetof(struct rpc_pending, start));
    struct http_reply   cancelled = { .code = CODE_CANCELED, .text = SLICE("cancelled before it was sent") };

    if (p->is_cancelled) {
        on_done(p, &cancelled);
        return;
    }
    struct lane_client *lane = &p->client->lanes[p->lane];
    if (lane->http == NULL)
        lane->http = http_client_new(lane->loop, lane->tls);
    p->request = http_client_send(lane->http, &p->send);
}

static void cancel(struct task *t)
{
    struct rpc_pending *p = (struct rpc_pending *)((char *)t - offsetof(struct rpc_pending, cancel));

    p->is_cancelled = true;
    if (p->request != NULL)
        http_client_cancel(p->request);
    pending_unref(p);
}

static struct slice grpc_timeout(struct arena *a, int64_t left_ns)
{
    int64_t us = left_ns > 0 ? (left_ns + 999) / 1000 : 0;

    if (us <= 99999999)
        return arena_printf(a, "%lldu", (long long)us);
    int64_t s = us / 1000000;
    return arena_printf(a, "%lldS", (long long)(s < 99999999 ? s : 99999999));
}

static void add_field(struct http_send *s, struct http_field *fields, struct slice name, struct slice value)
{
    assert(s->n_fields < FIELDS_MAX);
    fields[s->n_fields++] = (struct http_field){ name, value };
}

static void add_fields(struct rpc_pending *p, const struct rpc_request *r)
{
    struct http_field *fields = arena_array(p->arena, FIELDS_MAX, sizeof *fields);

    p->send.fields = fields;
    add_field(&p->send, fields, SLICE("content-type"), SLICE("application/grpc"));
    add_field(&p->send, fields, SLICE("te"), SLICE("trailers"));
    if (r->deadline_ns != 0)
        add_field(&p->send, fields, SLICE("grpc-timeout"), grpc_timeout(p->arena, r->deadline_ns - clock_mono_ns()));
    for (const char *const *f = r->fields; f != NULL && *f != NULL; f += 2)
        add_field(&p->send, fields, arena_copy(p->arena, slice_of(f[0])), arena_copy(p->arena, slice_of(f[1])));
}

static struct slice enveloped(struct arena *a, const ProtobufCMessage *message)
{
    size_t     n = protobuf_c_message_get_packed_size(message);
    char      *p = arena_alloc(a, ENVELOPE_BYTES + n);
    struct buf whole = { p, ENVELOPE_BYTES + n, ENVELOPE_BYTES + n };

    protobuf_c_message_pack(message, (uint8_t *)p + ENVELOPE_BYTES);
    envelope_close(&whole, 0, 0);
    return slice_make(p, whole.n);
}

struct rpc_pending *rpc_client_call(struct rpc_client *c, const struct rpc_request *r)
{
    struct arena       *a = arena_new(0);
    struct rpc_pending *p = arena_alloc(a, sizeof *p);

    *p = (struct rpc_pending){ .start.run = start,
                               .cancel.run = cancel,
                               .refs = 1,
                               .client = c,
                               .lane = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed) % c->n,
                               .arena = a,
                               .response = r->response,
                               .response_bytes_max = r->response_bytes_max,
                               .on_reply = r->on_reply,
                               .arg = r->arg };
    p->send = (struct http_send){ .address = arena_copy(a, slice_of(r->address)).p,
                                  .method = SLICE("POST"),
                                  .path = arena_copy(a, slice_of(r->path)),
                                  .body = enveloped(a, r->message),
                                  .deadline_ns = r->deadline_ns,
                                  .body_bytes_max = r->response_bytes_max + ENVELOPE_BYTES,
                                  .on_done = on_done,
                                  .arg = p };
    add_fields(p, r);
    loop_post(c->lanes[p->lane].loop, &p->start);
    return p;
}

void rpc_pending_cancel(struct rpc_pending *p)
{
    atomic_fetch_add(&p->refs, 1);
    loop_post(p->client->lanes[p->lane].loop, &p->cancel);
}
