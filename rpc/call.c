#include "rpc/call_priv.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/guard.h"
#include "rpc/errors.h"
#include "wire/zip.h"

enum {
    GZIP_LEAST_BYTES = 1024,       /* smaller answers are not worth the work */
    INBOX_KEPT_BYTES = 64 << 10,   /* a larger request is let go once it is decoded */
    MEMORY_FACTOR = 8,             /* of a message's size limit: what it may take decoded */
    MEMORY_LEAST_BYTES = 256 << 10 /* ... and at least */
};

/* ---- what methods ask ---- */

struct arena      *call_arena(struct call *c) { return c->scratch; }
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
                        .scratch = row->kind.client_streams ? arena_new(0) : a,
                        .loop = x->loop,
                        .x = x,
                        .refs = 1,
                        .deadline_ns = INT64_MAX,
                        .started_ns = clock_mono_ns(),
                        .is_plain = row->route != NULL,
                        .inbox.message_bytes_max = row->request_bytes_max };
    copy_head(c, x);
    server_opened(s);
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
    server_closed(c->server);
    if (c->scratch != c->arena)
        arena_free(c->scratch);
    arena_free(c->arena);
}

bool call_charge(struct call *c, size_t bytes)
{
    if (!server_charge(c->server, bytes))
        return false;
    atomic_fetch_add_explicit(&c->charged_bytes, bytes, memory_order_relaxed);
    return true;
}

void call_discharge(struct call *c, size_t bytes)
{
    server_discharge(c->server, bytes);
    atomic_fetch_sub_explicit(&c->charged_bytes, bytes, memory_order_relaxed);
}

enum code call_too_busy(struct fault *why)
{
    return fail(why, CODE_RESOURCE_EXHAUSTED, "the requests in flight hold all the memory they may: try again");
}

/* ---- answers, on the loop ---- */

void call_answered(struct call *c, enum code code)
{
    c->is_answered = true;
    if (c->timer != NULL)
        loop_timer_stop(c->timer);
    if (c->x != NULL && c->unconsumed > 0)
        exchange_consume(c->x, c->unconsumed);
    c->unconsumed = 0;
    server_count(c->row, code, clock_mono_ns() - c->started_ns);
}

void call_refuse(struct call *c, const struct fault *why)
{
    if (c->is_answered)
        return;
    call_answered(c, why->code);
    atomic_store(&c->is_cancelled, true);
    if (c->x != NULL)
        c->dialect->write_error(c, why);
}

void outgoing_write(struct call *c, struct outgoing *out)
{
    exchange_write_owned(c->x, out->bytes.p, out->bytes.n);
    out->bytes = (struct buf){ 0 };
}

static void write_reply(struct call *c)
{
    c->dialect->write_head(c, c->out.is_compressed);
    c->is_head_out = true;
    outgoing_write(c, &c->out);
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
        outgoing_write(c, &c->out);
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

void call_gone(struct call *c)
{
    c->x = NULL;
    atomic_store(&c->is_cancelled, true);
    if (!c->is_answered)
        call_answered(c, CODE_CANCELED);
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

enum code outgoing_make(const struct call *c, const ProtobufCMessage *message, struct outgoing *made, struct fault *why)
{
    struct outgoing out = { 0 };

    if (c->dialect->is_enveloped)
        envelope_open(&out.bytes);
    size_t head_bytes = out.bytes.n;
    c->codec->encode(c->row->response, message, &out.bytes);
    if (c->wants_gzip && out.bytes.n - head_bytes >= GZIP_LEAST_BYTES)
        outgoing_zip(&out, head_bytes);
    if (out.bytes.n - head_bytes > UINT32_MAX) { /* what an envelope can say */
        buf_free(&out.bytes);
        return fail(why, CODE_RESOURCE_EXHAUSTED, "the answer is larger than 4 GiB");
    }
    if (c->dialect->is_enveloped)
        envelope_close(&out.bytes, 0, out.is_compressed ? ENVELOPE_COMPRESSED : 0);
    *made = out;
    return CODE_OK;
}

void call_reply(struct call *c, const ProtobufCMessage *response)
{
    struct fault why;

    assert(!c->is_plain && response->descriptor == c->row->method->response);
    if (outgoing_make(c, response, &c->out, &why) == CODE_OK)
        call_end(c, END_REPLY);
    else
        call_fail(c, &why);
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
    size_t    max = c->inbox.message_bytes_max, guess = inflated_guess(c->message);
    enum code code = CODE_RESOURCE_EXHAUSTED; /* of many members the last alone would be too large */

    if (guess <= max) {
        if (!call_charge(c, guess))
            return call_too_busy(why);
        code = zip_gunzip(c->message, max, c->scratch, &c->message, why);
    }
    if (code == CODE_OK && c->message.n > guess && !call_charge(c, c->message.n - guess))
        return call_too_busy(why);
    if (code == CODE_RESOURCE_EXHAUSTED) {
        abuse_count(ABUSE_DECOMPRESSION_BOMB);
        return fail(why, code, "message size is larger than configured max %zu", max);
    }
    return code;
}

/* What a message of the largest size may take decoded. */
static size_t memory_max(const struct call *c)
{
    size_t max = c->inbox.message_bytes_max;

    return max < SIZE_MAX / MEMORY_FACTOR - MEMORY_LEAST_BYTES ? max * MEMORY_FACTOR + MEMORY_LEAST_BYTES : SIZE_MAX;
}

static enum code decode(struct call *c, const ProtobufCMessage **message, struct fault *why)
{
    ProtobufCMessage *m = NULL;
    size_t            memory_bytes;
    enum code         code = CODE_OK;

    if (c->is_compressed && c->message.n > 0)
        code = inflate(c, why);
    if (code == CODE_OK)
        code = c->codec->measure(c->row->request, c->message, memory_max(c), &memory_bytes, why);
    if (code == CODE_OK && !call_charge(c, memory_bytes))
        code = call_too_busy(why);
    if (code == CODE_OK)
        code = c->codec->decode(c->row->request, c->message, c->scratch, &m, why);
    *message = m;
    return code;
}

enum code call_prepare(struct call *c, const ProtobufCMessage **message, struct fault *why)
{
    authorize_fn *authorize = c->server->config.authorize;
    enum code     code = CODE_OK;

    if (authorize != NULL)
        code = authorize(c, c->is_plain ? c->row->route->path : c->row->method->path, why);
    if (code == CODE_OK && !c->is_plain)
        code = decode(c, message, why);
    if (code == CODE_OK && !c->is_plain && !c->row->kind.client_streams && c->inbox.bytes.cap > INBOX_KEPT_BYTES) {
        call_discharge(c, c->inbox.bytes.cap); /* the message is in the arena */
        inbox_free(&c->inbox);
    }
    return code;
}

void call_run(struct call *c)
{
    const ProtobufCMessage *message = NULL;
    struct fault            why;

    if (call_is_cancelled(c)) {
        (void)fail(&why, CODE_CANCELED, "the client has gone");
        call_fail(c, &why);
    } else if (call_prepare(c, &message, &why) != CODE_OK) {
        call_fail(c, &why);
    } else if (c->is_plain) {
        c->row->route->run(c, c->message);
    } else {
        c->row->method->run(c, message);
    }
}
