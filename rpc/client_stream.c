/*
 * A call's life, and what its caller asks of it.
 *
 *     open --> attempt --> over --> end          the last step waits until all messages are taken
 *                 ^-- timer --'                  tried again
 *
 * Callers on other threads are heard through the loop's queue; on the loop itself, what runs no callback is done at once,
 * unless something asked before is still on its way.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rpc/client_priv.h"
#include "rpc/codec.h"

#define BACKOFF_NS (20 * NS_PER_MS)
#define BACKOFF_NS_MAX (1 * NS_PER_S)

enum { OWN_FIELDS_MAX = 5, PACK_LEAST_BYTES = 1024 }; /* smaller messages are not worth the work */

void stream_unref(struct rpc_stream *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    buf_free(&s->body);
    arena_free(s->arena); /* s lives there */
}

/* ---- the end ---- */

void stream_end(struct rpc_stream *s)
{
    s->is_over = s->is_ended = true;
    if (s->has_failed) {
        s->end.code = s->fault.code;
        s->end.text = s->fault.text;
        s->end.message = NULL;
    }
    if (s->on_reply != NULL)
        s->on_reply(s->arg, s->end.code, s->end.text, s->end.was_sent, s->end.message);
    else
        s->on.on_end(s->arg, &s->end);
    inbox_free(&s->inbox);
    arena_free(s->scratch);
    s->scratch = NULL;
    stream_unref(s);
}

void stream_fail(struct rpc_stream *s, enum code code, const char *format, ...)
{
    va_list ap;

    if (s->is_ended || s->has_failed)
        return;
    s->has_failed = true;
    s->fault.code = code;
    va_start(ap, format);
    vsnprintf(s->fault.text, sizeof s->fault.text, format, ap);
    va_end(ap);
    loop_timer_free(s->timer);
    s->timer = NULL;
    if (s->request != NULL)
        http_client_cancel(s->request); /* answer_done follows */
    else
        stream_end(s);
}

static struct http_field *fields_kept(struct rpc_stream *s, const struct http_field *fields, size_t n)
{
    struct http_field *kept = arena_array(s->arena, n, sizeof *kept);

    for (size_t i = 0; i < n; i++)
        kept[i] = (struct http_field){ arena_copy(s->arena, fields[i].name), arena_copy(s->arena, fields[i].value) };
    return kept;
}

/* ---- attempts ---- */

static struct slice grpc_timeout(struct arena *a, int64_t left_ns)
{
    int64_t us = left_ns > 0 ? (left_ns + 999) / 1000 : 0;

    if (us <= 99999999)
        return arena_printf(a, "%lldu", (long long)us);
    int64_t s = us / 1000000;
    return arena_printf(a, "%lldS", (long long)(s < 99999999 ? s : 99999999));
}

static void attempt(void *arg)
{
    struct rpc_stream  *s = arg;
    struct lane_client *lane = s->lane;
    struct fault        why;

    loop_timer_free(s->timer);
    s->timer = NULL;
    s->attempts++;
    if (!s->is_probe && !peer_takes_calls(s->peer, &why)) {
        stream_attempt_over(s, &why, false, NULL);
        return;
    }
    if (s->send.deadline_ns != 0)
        s->fields[0].value = grpc_timeout(s->arena, s->send.deadline_ns - clock_mono_ns());
    if (lane->http == NULL)
        lane->http = http_client_new(lane->loop, lane->tls);
    s->request = http_client_send(lane->http, &s->send);
}

/* Doubles with each attempt; somewhere in the upper half of it, so that those who failed together part. */
static int64_t backoff_ns(struct rpc_stream *s)
{
    uint64_t *random = &s->lane->random;
    int64_t   ns = s->retry.backoff_ns ? s->retry.backoff_ns : BACKOFF_NS;

    for (unsigned i = 1; i < s->attempts && ns < BACKOFF_NS_MAX; i++)
        ns *= 2;
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return ns / 2 + (int64_t)((*random >> 33) % (uint64_t)(ns / 2 + 1));
}

static bool is_safe_again(const struct rpc_stream *s, enum code code, bool was_sent)
{
    return code == CODE_UNAVAILABLE && !s->has_failed && s->attempts < s->retry.attempts_max && !s->send.is_open &&
           s->n_messages == 0 && (!was_sent || s->retry.is_idempotent);
}

static bool try_again(struct rpc_stream *s)
{
    int64_t wait_ns = backoff_ns(s);

    if (s->send.deadline_ns != 0 && clock_mono_ns() + wait_ns >= s->send.deadline_ns)
        return false;
    if (!peer_spend(s->peer)) {
        metric_add(s->client->withheld, 1);
        return false;
    }
    metric_add(s->client->retries, 1);
    inbox_free(&s->inbox);
    s->unconsumed = 0;
    s->timer = loop_timer_new(s->lane->loop, attempt, s);
    loop_timer_arm(s->timer, wait_ns);
    return true;
}

/* What has no trailers has all in its head. */
static void end_fields(struct rpc_stream *s, const struct http_reply *r)
{
    bool is_bare = r->n_trailers == 0;

    s->end.headers = r->fields;
    s->end.n_headers = is_bare ? 0 : r->n_fields;
    s->end.trailers = is_bare ? r->fields : r->trailers;
    s->end.n_trailers = is_bare ? r->n_fields : r->n_trailers;
}

void stream_attempt_over(struct rpc_stream *s, const struct fault *why, bool was_sent, const struct http_reply *r)
{
    bool is_answer = r != NULL && r->code == CODE_OK && !s->has_failed;

    if (is_safe_again(s, why->code, was_sent) && try_again(s))
        return;
    s->end.code = why->code;
    s->end.text = why->code == CODE_OK ? "" : arena_copy(s->arena, slice_of(why->text)).p;
    s->end.was_sent = was_sent;
    if (r != NULL)
        end_fields(s, r);
    s->is_over = true;
    if (!is_answer) {
        stream_end(s); /* what has come of it is of no use */
        return;
    }
    atomic_fetch_add(&s->refs, 1);
    answer_pump(s);
    if (!s->is_ended) { /* somebody still reads */
        s->end.headers = fields_kept(s, s->end.headers, s->end.n_headers);
        s->end.trailers = fields_kept(s, s->end.trailers, s->end.n_trailers);
    }
    stream_unref(s);
}

/* ---- the beginning ---- */

static void begin(struct rpc_stream *s)
{
    s->is_started = true;
    s->peer = lane_peer(s->lane, s->send.address);
    peer_earn(s->peer);
    attempt(s);
}

static void run_begin(struct task *t)
{
    struct rpc_stream *s = (struct rpc_stream *)(void *)((char *)t - offsetof(struct rpc_stream, begin_task));

    atomic_fetch_sub(&s->n_posted, 1);
    begin(s);
}

static void add_field(struct rpc_stream *s, struct slice name, struct slice value)
{
    s->fields[s->send.n_fields++] = (struct http_field){ name, arena_copy(s->arena, value) };
}

/* As HTTP/2 has names. */
static struct slice lower_case(struct arena *a, const char *name)
{
    struct slice copy = arena_copy(a, slice_of(name));

    for (char *p = (char *)(uintptr_t)copy.p; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return copy;
}

static void add_fields(struct rpc_stream *s, const struct rpc_request *r)
{
    size_t n = OWN_FIELDS_MAX + 2;

    for (const char *const *f = r->fields; f != NULL && *f != NULL; f += 2)
        n++;
    s->send.fields = s->fields = arena_array(s->arena, n, sizeof *s->fields);
    if (r->deadline_ns != 0)
        add_field(s, SLICE("grpc-timeout"), SLICE(""));
    add_field(s, SLICE("content-type"), SLICE("application/grpc"));
    add_field(s, SLICE("te"), SLICE("trailers"));
    if (s->packs != NULL)
        add_field(s, SLICE("grpc-encoding"), slice_of(s->packs->name));
    if (r->accepts != NULL)
        add_field(s, SLICE("grpc-accept-encoding"), slice_of(r->accepts));
    for (const char *const *f = r->fields; f != NULL && *f != NULL; f += 2)
        add_field(s, lower_case(s->arena, f[0]), slice_of(f[1]));
}

/* Packed if that makes it smaller. */
static struct buf message_encode(const struct rpc_stream *s, const ProtobufCMessage *message)
{
    struct buf out = { 0 }, packed = { 0 };

    envelope_open(&out);
    proto_encode(message, &out);
    if (s->packs != NULL && out.n >= PACK_LEAST_BYTES) {
        envelope_open(&packed);
        s->packs->pack(slice_from(buf_view(&out), ENVELOPE_BYTES), &packed);
    }
    if (packed.n == 0 || packed.n >= out.n) {
        buf_free(&packed);
        envelope_close(&out, 0, 0);
        return out;
    }
    buf_free(&out);
    envelope_close(&packed, 0, ENVELOPE_COMPRESSED);
    return packed;
}

static struct rpc_stream *stream_new(struct lane_client *lane, const struct rpc_request *r)
{
    struct arena      *a = arena_new(0);
    struct rpc_stream *s = arena_zalloc(a, sizeof *s);
    struct fault       why;

    s->refs = 1;
    s->lane = lane;
    s->arena = a;
    s->response = r->response;
    s->response_bytes_max = s->inbox.message_bytes_max = r->response_bytes_max;
    s->retry = r->retry;
    s->arg = r->arg;
    enum code code = compression_named(slice_of(r->compression), &s->packs, &why);
    assert(code == CODE_OK); /* our own callers name those that there are */
    (void)code;
    if (r->message != NULL)
        s->body = message_encode(s, r->message);
    s->send = (struct http_send){ .address = arena_copy(a, slice_of(r->address)).p,
                                  .method = SLICE("POST"),
                                  .path = arena_copy(a, slice_of(r->path)),
                                  .body = buf_view(&s->body),
                                  .is_open = r->message == NULL,
                                  .deadline_ns = r->deadline_ns,
                                  .events = &answer_events,
                                  .on_done = answer_done,
                                  .arg = s };
    add_fields(s, r);
    return s;
}

static struct rpc_stream *stream_post(struct rpc_client *c, struct rpc_stream *s)
{
    s->client = c;
    s->n_posted = 1;
    s->begin_task.run = run_begin;
    loop_post(s->lane->loop, &s->begin_task);
    return s;
}

static struct lane_client *lane_next(struct rpc_client *c)
{
    return &c->lanes[atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed) % c->n];
}

struct rpc_stream *rpc_client_call(struct rpc_client *c, const struct rpc_request *r)
{
    struct rpc_stream *s = stream_new(lane_next(c), r);

    assert(r->message != NULL && r->on_reply != NULL);
    s->on_reply = r->on_reply;
    return stream_post(c, s);
}

void stream_call_here(struct lane_client *lane, const struct rpc_request *r)
{
    struct rpc_stream *s = stream_new(lane, r);

    s->on_reply = r->on_reply;
    s->is_probe = true;
    begin(s);
}

struct rpc_stream *rpc_stream_open(struct rpc_client *c, const struct rpc_request *r, const struct rpc_events *on)
{
    struct rpc_stream *s = stream_new(lane_next(c), r);

    s->refs = 2;
    s->on = *on;
    return stream_post(c, s);
}

/* ---- what is asked of it ---- */

typedef void wish_fn(struct rpc_stream *s, struct buf *bytes);

struct wish {
    struct task        task;
    struct rpc_stream *stream;
    wish_fn           *run;
    struct buf         bytes;
};

static void run_wish(struct task *t)
{
    struct wish       *w = (struct wish *)t;
    struct rpc_stream *s = w->stream;

    atomic_fetch_sub(&s->posted_bytes, w->bytes.n);
    atomic_fetch_sub(&s->n_posted, 1);
    w->run(s, &w->bytes);
    buf_free(&w->bytes);
    free(w);
    stream_unref(s);
}

static void wish_post(struct rpc_stream *s, wish_fn *run, struct buf bytes)
{
    struct wish *w = mem_alloc(sizeof *w);

    *w = (struct wish){ .task.run = run_wish, .stream = s, .run = run, .bytes = bytes };
    atomic_fetch_add(&s->refs, 1);
    atomic_fetch_add(&s->n_posted, 1);
    atomic_fetch_add(&s->posted_bytes, bytes.n);
    loop_post(s->lane->loop, &w->task);
}

/* For what runs no callback. */
static void wish_make(struct rpc_stream *s, wish_fn *run, struct buf bytes)
{
    if (!loop_is_mine(s->lane->loop) || atomic_load(&s->n_posted) > 0) {
        wish_post(s, run, bytes);
        return;
    }
    run(s, &bytes);
    buf_free(&bytes);
}

static void send_now(struct rpc_stream *s, struct buf *bytes)
{
    if (s->request == NULL)
        return;
    http_request_give(s->request, bytes->p, bytes->n);
    *bytes = (struct buf){ 0 };
    atomic_store(&s->unsent_bytes, http_request_unsent(s->request));
}

static void close_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    if (s->request != NULL)
        http_request_finish(s->request);
}

static void next_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    s->wants = true;
    answer_pump(s);
}

static void room_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    s->waits_for_room = true;
    stream_tell_room(s);
}

static void cancel_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    stream_fail(s, CODE_CANCELED, "canceled");
}

void rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *message)
{
    assert(s->send.is_open);
    wish_make(s, send_now, message_encode(s, message));
}

void rpc_stream_close_send(struct rpc_stream *s)
{
    assert(s->send.is_open);
    wish_make(s, close_now, (struct buf){ 0 });
}

void rpc_stream_next(struct rpc_stream *s)
{
    if (loop_is_mine(s->lane->loop) && s->is_pumping)
        s->wants = true;
    else
        wish_post(s, next_now, (struct buf){ 0 });
}

void rpc_stream_cancel(struct rpc_stream *s) { wish_post(s, cancel_now, (struct buf){ 0 }); }

bool rpc_stream_has_room(const struct rpc_stream *s)
{
    return atomic_load(&s->posted_bytes) + atomic_load(&s->unsent_bytes) < HTTP_UNSENT_MARK;
}

void rpc_stream_when_room(struct rpc_stream *s) { wish_post(s, room_now, (struct buf){ 0 }); }

void stream_tell_room(struct rpc_stream *s)
{
    if (s->request == NULL)
        return;
    atomic_store(&s->unsent_bytes, http_request_unsent(s->request));
    if (!s->waits_for_room || !rpc_stream_has_room(s))
        return;
    s->waits_for_room = false;
    s->on.on_room(s->arg);
}

void rpc_stream_free(struct rpc_stream *s)
{
    if (s == NULL)
        return;
    if (!loop_is_mine(s->lane->loop) || !s->is_ended)
        rpc_stream_cancel(s);
    stream_unref(s);
}
