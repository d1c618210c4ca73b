#include "rpc/call_priv.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rpc/errors.h"
#include "rpc/metadata.h"
#include "wire/zip.h"

enum {
    GZIP_LEAST_BYTES = 1024,       /* smaller answers are not worth the work */
    INBOX_KEPT_BYTES = 64 << 10,   /* a larger request is let go once it is decoded */
    STREAM_UNSENT_MAX = 4 << 20,   /* answers that a stream's client has not read */
    MEMORY_FACTOR = 8,             /* of a message's size limit: what it may take decoded */
    MEMORY_LEAST_BYTES = 256 << 10 /* ... and at least */
};

/* ---- what methods ask ---- */

struct arena      *call_arena(struct call *c) { return c->arena; }
void              *call_app(const struct call *c) { return c->server->config.app; }
struct rpc_server *call_server(const struct call *c) { return c->server; }
int64_t            call_deadline_ns(const struct call *c) { return c->deadline_ns; }
bool               call_is_cancelled(const struct call *c) { return atomic_load(&c->is_cancelled); }
struct slice       call_path(const struct call *c) { return c->path; }
struct slice       call_query(const struct call *c) { return c->query; }
void               call_set_user(struct call *c, void *user) { c->user = user; }
void              *call_user(const struct call *c) { return c->user; }

struct slice call_field(const struct call *c, const char *name)
{
    struct slice wanted = slice_of(name);

    for (size_t i = 0; i < c->n_fields; i++)
        if (slice_eq(c->fields[i].name, wanted))
            return c->fields[i].value;
    return (struct slice){ 0 };
}

/* ---- life ---- */

static struct slice copy_into(char **room, struct slice s)
{
    char *p = *room;

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *room += s.n;
    return slice_make(p, s.n);
}

/* The exchange may go while the method still works (R3). */
static void copy_head(struct call *c, const struct exchange *x)
{
    size_t n = x->path.n + x->query.n;

    for (size_t i = 0; i < x->n_fields; i++)
        n += x->fields[i].name.n + x->fields[i].value.n;
    char *room = arena_alloc(c->arena, n);
    c->fields = arena_array(c->arena, x->n_fields, sizeof *c->fields);
    c->n_fields = x->n_fields;
    for (size_t i = 0; i < x->n_fields; i++) {
        c->fields[i].name = copy_into(&room, x->fields[i].name);
        c->fields[i].value = copy_into(&room, x->fields[i].value);
    }
    c->path = copy_into(&room, x->path);
    c->query = copy_into(&room, x->query);
}

struct call *call_new(struct rpc_server *s, struct row *row, struct exchange *x)
{
    struct arena *a = arena_new(4096);
    struct call  *c = arena_alloc(a, sizeof *c);

    *c = (struct call){ .server = s,
                        .row = row,
                        .arena = a,
                        .loop = x->loop,
                        .x = x,
                        .refs = 1,
                        .deadline_ns = INT64_MAX,
                        .started_ns = clock_mono_ns(),
                        .is_plain = row->route != NULL,
                        .inbox.message_bytes_max = row->request_bytes_max };
    copy_head(c, x);
    atomic_fetch_add_explicit(&s->inflight, 1, memory_order_relaxed);
    return c;
}

static void call_unref(struct call *c)
{
    assert(loop_is_mine(c->loop) && c->refs > 0);
    if (--c->refs > 0)
        return;
    inbox_free(&c->inbox);
    buf_free(&c->out.bytes);
    if (c->timer != NULL)
        loop_timer_free(c->timer);
    server_discharge(c->server, c->charged_bytes);
    atomic_fetch_sub_explicit(&c->server->inflight, 1, memory_order_release);
    arena_free(c->arena);
}

static bool call_charge(struct call *c, size_t bytes)
{
    if (!server_charge(c->server, bytes))
        return false;
    atomic_fetch_add_explicit(&c->charged_bytes, bytes, memory_order_relaxed);
    return true;
}

static enum code too_busy(struct fault *why)
{
    return fail(why, CODE_RESOURCE_EXHAUSTED, "the requests in flight hold all the memory they may: try again");
}

/* ---- answers, on the loop ---- */

static void call_answered(struct call *c, enum code code)
{
    c->is_answered = true;
    if (c->timer != NULL)
        loop_timer_stop(c->timer);
    server_count(c->row, code, clock_mono_ns() - c->started_ns);
}

/* An answer that does not come from the method; it may still be at work, and what it says is thrown away. */
static void call_refuse(struct call *c, const struct fault *why)
{
    if (c->is_answered)
        return;
    call_answered(c, why->code);
    atomic_store(&c->is_cancelled, true);
    if (c->x != NULL)
        c->dialect->write_error(c, why);
}

static void refuse_size(struct call *c, size_t n)
{
    struct fault why;

    (void)fail(&why, CODE_RESOURCE_EXHAUSTED, "message size %zu is larger than configured max %zu", n,
               c->inbox.message_bytes_max);
    if (c->is_plain)
        c->status = 413;
    call_refuse(c, &why);
}

static void write_outgoing(struct call *c, struct outgoing *out)
{
    exchange_write_owned(c->x, out->bytes.p, out->bytes.n);
    out->bytes = (struct buf){ 0 };
}

static void write_reply(struct call *c)
{
    c->dialect->write_head(c, c->out.is_compressed);
    c->is_head_out = true;
    write_outgoing(c, &c->out);
    c->dialect->write_end(c);
}

static void write_http(struct call *c)
{
    struct head h = { 0 };

    head_add(&h, SLICE("content-type"), slice_of(c->http_content_type));
    if (c->out.is_compressed)
        head_add(&h, SLICE("content-encoding"), SLICE("gzip"));
    head_add_cors(&h, c);
    head_send(c, c->status, &h);
    if (c->out.bytes.n > 0)
        write_outgoing(c, &c->out);
    exchange_finish(c->x, NULL, 0);
}

static enum code code_of_ending(const struct call *c)
{
    if (c->ending == END_FAULT)
        return c->fault->code;
    return c->ending == END_HTTP && c->status >= 400 ? code_of_http_status(c->status) : CODE_OK;
}

static void call_settle(struct task *t)
{
    struct call *c = (struct call *)((char *)t - offsetof(struct call, end_task));

    if (!c->is_answered && c->x != NULL) {
        call_answered(c, code_of_ending(c));
        if (c->ending == END_REPLY)
            write_reply(c);
        else if (c->ending == END_FAULT)
            c->dialect->write_error(c, c->fault);
        else
            write_http(c);
    }
    call_unref(c);
}

/* ---- the end, from any thread ---- */

static void call_end(struct call *c, enum ending ending)
{
    bool was_ended = atomic_exchange(&c->is_ended, true);

    assert(!was_ended); /* R2 */
    c->ending = ending;
    c->end_task.run = call_settle;
    if (loop_is_mine(c->loop))
        call_settle(&c->end_task);
    else
        loop_post(c->loop, &c->end_task);
}

/* Compresses what stands behind `head_bytes` if the client takes it and it gets smaller. */
static void outgoing_zip(struct outgoing *out, size_t head_bytes)
{
    struct buf zipped = { 0 };

    buf_put(&zipped, out->bytes.p, head_bytes);
    zip_gzip(slice_make(out->bytes.p + head_bytes, out->bytes.n - head_bytes), &zipped);
    out->is_compressed = zipped.n < out->bytes.n;
    struct buf loser = out->is_compressed ? out->bytes : zipped;
    if (out->is_compressed)
        out->bytes = zipped;
    buf_free(&loser);
}

static struct outgoing encode(const struct call *c, const ProtobufCMessage *message)
{
    struct outgoing out = { 0 };

    if (c->dialect->is_enveloped)
        envelope_open(&out.bytes);
    size_t head_bytes = out.bytes.n;
    c->codec->encode(c->row->response, message, &out.bytes);
    if (c->wants_gzip && out.bytes.n - head_bytes >= GZIP_LEAST_BYTES)
        outgoing_zip(&out, head_bytes);
    return out;
}

/* The length of an envelope has 32 bits. */
static bool fits(const struct call *c, const struct outgoing *out)
{
    return !c->dialect->is_enveloped || out->bytes.n - ENVELOPE_BYTES <= UINT32_MAX;
}

static void outgoing_close(const struct call *c, struct outgoing *out)
{
    if (c->dialect->is_enveloped)
        envelope_close(&out->bytes, 0, out->is_compressed ? ENVELOPE_COMPRESSED : 0);
}

void call_reply(struct call *c, const ProtobufCMessage *response)
{
    struct fault why;

    assert(!c->is_plain && response->descriptor == c->row->method->response);
    c->out = encode(c, response);
    if (!fits(c, &c->out)) {
        (void)fail(&why, CODE_RESOURCE_EXHAUSTED, "the answer is larger than 4 GiB");
        call_fail(c, &why);
        return;
    }
    outgoing_close(c, &c->out);
    call_end(c, END_REPLY);
}

void call_fail(struct call *c, const struct fault *why)
{
    assert(why->code != CODE_OK);
    c->fault = arena_alloc(c->arena, sizeof *c->fault);
    *c->fault = *why;
    call_end(c, END_FAULT);
}

void call_http(struct call *c, int status, const char *content_type, struct slice body)
{
    assert(c->is_plain);
    c->status = status;
    c->http_content_type = arena_copy(c->arena, slice_of(content_type)).p;
    buf_slice(&c->out.bytes, body);
    if (c->wants_gzip && body.n >= GZIP_LEAST_BYTES)
        outgoing_zip(&c->out, 0);
    call_end(c, END_HTTP);
}

/* ---- the method, on its lane ---- */

/* A damaged trailer makes a wrong guess, which inflating then finds out. */
static size_t inflated_guess(struct slice zipped)
{
    uint32_t n = 0;

    for (size_t i = 0; zipped.n >= 18 && i < 4; i++)
        n |= (uint32_t)(uint8_t)zipped.p[zipped.n - 4 + i] << (8 * i);
    return n;
}

static enum code inflate(struct call *c, struct fault *why)
{
    size_t max = c->inbox.message_bytes_max, guess = inflated_guess(c->message);
    size_t reserved = guess < max ? guess : max;

    if (!call_charge(c, reserved))
        return too_busy(why);
    enum code code = zip_gunzip(c->message, max, c->arena, &c->message, why);
    if (code == CODE_OK && c->message.n > reserved && !call_charge(c, c->message.n - reserved))
        return too_busy(why);
    if (code == CODE_RESOURCE_EXHAUSTED)
        return fail(why, code, "message size is larger than configured max %zu", max);
    return code;
}

static enum code decode(struct call *c, const ProtobufCMessage **message, struct fault *why)
{
    ProtobufCMessage *m = NULL;
    size_t            max = c->inbox.message_bytes_max;
    size_t            memory = max < SIZE_MAX / MEMORY_FACTOR - MEMORY_LEAST_BYTES
                                   ? max * MEMORY_FACTOR + MEMORY_LEAST_BYTES
                                   : SIZE_MAX;

    if (c->is_compressed && c->message.n > 0) {
        enum code code = inflate(c, why);
        if (code != CODE_OK)
            return code;
    }
    enum code code = c->codec->decode(c->row->request, c->message, memory, c->arena, &m, why);
    *message = m;
    return code;
}

static enum code prepare(struct call *c, const ProtobufCMessage **message, struct fault *why)
{
    authorize_fn *authorize = c->server->config.authorize;
    enum code     code = CODE_OK;

    if (authorize != NULL)
        code = authorize(c, c->is_plain ? c->row->route->path : c->row->method->path, why);
    if (code == CODE_OK && !c->is_plain)
        code = decode(c, message, why);
    if (code == CODE_OK && !c->is_plain && c->inbox.bytes.cap > INBOX_KEPT_BYTES)
        inbox_free(&c->inbox); /* the message is in the arena */
    return code;
}

static void call_run(struct call *c)
{
    const ProtobufCMessage *message = NULL;
    struct fault            why;

    if (call_is_cancelled(c)) {
        (void)fail(&why, CODE_CANCELED, "the client has gone");
        call_fail(c, &why);
    } else if (prepare(c, &message, &why) != CODE_OK) {
        call_fail(c, &why);
    } else if (c->is_plain) {
        c->row->route->run(c, c->message);
    } else {
        c->row->method->run(c, message);
    }
}

static void call_job(struct job *j) { call_run((struct call *)((char *)j - offsetof(struct call, job))); }

/* ---- streams: their methods run on the loop, once for each message and at last with NULL ---- */

void call_send(struct call *c, const ProtobufCMessage *message)
{
    if (c->is_answered || c->x == NULL)
        return;
    struct outgoing out = encode(c, message);
    assert(fits(c, &out));
    outgoing_close(c, &out);
    if (!c->is_head_out)
        c->dialect->write_head(c, out.is_compressed);
    c->is_head_out = true;
    write_outgoing(c, &out);
}

void call_close(struct call *c)
{
    if (c->is_answered || c->x == NULL)
        return;
    call_answered(c, CODE_OK);
    if (!c->is_head_out)
        c->dialect->write_head(c, false);
    c->dialect->write_end(c);
}

static void stream_message(struct call *c)
{
    const ProtobufCMessage *message = NULL;
    struct fault            why;

    if (exchange_unsent(c->x) > STREAM_UNSENT_MAX) {
        (void)fail(&why, CODE_RESOURCE_EXHAUSTED, "the answers of this stream are not being read");
        call_refuse(c, &why);
    } else if (prepare(c, &message, &why) != CODE_OK) {
        call_refuse(c, &why);
    } else {
        c->row->method->run(c, message);
    }
}

/* ---- the request, on the loop ---- */

static void on_deadline(void *arg)
{
    struct call *c = arg;
    struct fault why;

    (void)fail(&why, CODE_DEADLINE_EXCEEDED, "the deadline has passed");
    call_refuse(c, &why);
}

void call_head(struct call *c)
{
    struct fault why;
    size_t       max = c->inbox.message_bytes_max;

    if (c->dialect->read_head(c, &why) != CODE_OK) {
        call_refuse(c, &why);
        return;
    }
    if (!c->dialect->is_enveloped && c->x->content_length > 0 && (uint64_t)c->x->content_length > max) {
        refuse_size(c, (size_t)c->x->content_length);
        return;
    }
    if (c->deadline_ns == INT64_MAX)
        return;
    int64_t left_ns = c->deadline_ns - c->started_ns;
    if (left_ns <= 0) {
        on_deadline(c);
        return;
    }
    c->timer = loop_timer_new(c->loop, on_deadline, c);
    loop_timer_arm(c->timer, left_ns);
}

static enum code check_flags(const struct call *c, uint8_t flags, struct fault *why)
{
    if ((flags & ~ENVELOPE_COMPRESSED) != 0)
        return fail(why, CODE_INTERNAL, "a message with unknown flags 0x%02x", flags);
    if (flags != 0 && !c->is_gzipped)
        return fail(why, CODE_INTERNAL, "a compressed message, and no field that says how");
    return CODE_OK;
}

static bool is_stream(const struct call *c) { return c->row->kind.client_streams; }

static void take_message(struct call *c, uint8_t flags, size_t at, size_t n)
{
    struct fault why;

    c->n_messages++;
    if (check_flags(c, flags, &why) != CODE_OK) {
        call_refuse(c, &why);
        return;
    }
    c->is_compressed = (flags & ENVELOPE_COMPRESSED) != 0;
    c->message_at = at;
    c->message_n = n;
    if (is_stream(c)) {
        c->message = slice_make(c->inbox.bytes.p + at, n);
        stream_message(c);
    } else if (c->n_messages > 1) {
        (void)fail(&why, CODE_UNIMPLEMENTED, "more than one message, and the method takes one");
        call_refuse(c, &why);
    }
}

static void take_messages(struct call *c)
{
    uint8_t flags;
    size_t  at, n;

    while (!c->is_answered) {
        enum inbox_state state = inbox_next(&c->inbox, &flags, &at, &n);
        if (state == INBOX_WAITS)
            break;
        if (state == INBOX_TOO_LARGE)
            refuse_size(c, n);
        else
            take_message(c, flags, at, n);
    }
    if (is_stream(c))
        inbox_trim(&c->inbox);
}

void call_body(struct call *c, struct slice piece)
{
    struct fault why;
    size_t       growth = inbox_growth(&c->inbox, piece.n);

    exchange_consume(c->x, piece.n);
    if (c->is_answered)
        return;
    if (!c->dialect->is_enveloped && c->inbox.bytes.n + piece.n > c->inbox.message_bytes_max) {
        refuse_size(c, c->inbox.bytes.n + piece.n);
    } else if (growth > 0 && !call_charge(c, growth)) {
        (void)too_busy(&why);
        call_refuse(c, &why);
    } else {
        inbox_put(&c->inbox, piece);
        if (c->dialect->is_enveloped)
            take_messages(c);
    }
}

static void dispatch(struct call *c)
{
    struct fault why;

    c->refs++;
    if (c->row->lane == LANE_INLINE) {
        call_run(c);
        return;
    }
    c->job.run = call_job;
    if (crew_push(server_crew(c->server, c->row->lane), &c->job))
        return;
    c->refs--;
    (void)fail(&why, CODE_RESOURCE_EXHAUSTED, "too many requests are waiting: try again");
    call_refuse(c, &why);
}

void call_whole(struct call *c)
{
    struct fault why;

    if (c->is_answered)
        return;
    if (!c->dialect->is_enveloped) {
        c->is_compressed = c->is_gzipped;
        c->message = buf_view(&c->inbox.bytes);
        dispatch(c);
    } else if (inbox_rest(&c->inbox) > 0) {
        (void)fail(&why, CODE_INVALID_ARGUMENT, "the last message is cut short");
        call_refuse(c, &why);
    } else if (is_stream(c)) {
        c->row->method->run(c, NULL);
    } else if (c->n_messages == 0) {
        (void)fail(&why, CODE_UNIMPLEMENTED, "no message, and the method takes one");
        call_refuse(c, &why);
    } else {
        c->message = slice_make(c->inbox.bytes.p + c->message_at, c->message_n);
        dispatch(c);
    }
}

void call_gone(struct call *c)
{
    c->x = NULL;
    atomic_store(&c->is_cancelled, true);
    if (!c->is_answered)
        call_answered(c, CODE_CANCELED);
    call_unref(c);
}
