/*
 * The way out: answers are encoded where the method runs and written by the loop; the end of a call.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rpc/call_priv.h"
#include "rpc/errors.h"

enum { PACK_LEAST_BYTES = 1024 }; /* smaller answers are not worth the work */

/* ---- making them, on any thread ---- */

/* Packs what stands behind `head_bytes` if that makes it smaller. */
static void outgoing_pack(struct outgoing *out, size_t head_bytes, const struct compression *by)
{
    struct buf packed = { 0 };

    buf_put(&packed, out->bytes.p, head_bytes);
    by->pack(slice_make(out->bytes.p + head_bytes, out->bytes.n - head_bytes), &packed);
    out->is_compressed = packed.n < out->bytes.n;
    struct buf loser = out->is_compressed ? out->bytes : packed;
    if (out->is_compressed)
        out->bytes = packed;
    buf_free(&loser);
}

static size_t answer_bytes_max(const struct call *c)
{
    size_t max = c->server->config.response_bytes_max;
    return max > 0 && max < UINT32_MAX ? max : UINT32_MAX; /* what an envelope can say */
}

static enum code outgoing_make(const struct call *c, const ProtobufCMessage *message, struct outgoing *made,
                               struct fault *why)
{
    struct outgoing out = { 0 };
    size_t          head_bytes = c->dialect->is_enveloped ? ENVELOPE_BYTES : 0;

    assert(!c->is_plain && message->descriptor == c->row->method->response);
    if (c->dialect->is_enveloped)
        envelope_open(&out.bytes);
    if (c->codec->encode(c->row->response, message, &out.bytes, why) != CODE_OK) {
        buf_free(&out.bytes);
        return why->code;
    }
    size_t n = out.bytes.n - head_bytes;
    if (n > answer_bytes_max(c)) {
        buf_free(&out.bytes);
        return fail(why, CODE_RESOURCE_EXHAUSTED, "the answer has %zu bytes, more than %zu", n, answer_bytes_max(c));
    }
    if (c->goes_by != NULL && n >= PACK_LEAST_BYTES)
        outgoing_pack(&out, head_bytes, c->goes_by);
    if (c->dialect->is_enveloped)
        envelope_close(&out.bytes, 0, out.is_compressed ? ENVELOPE_COMPRESSED : 0);
    *made = out;
    return CODE_OK;
}

/* ---- writing them, on the loop ---- */

size_t call_unsent(const struct call *c) { return c->x != NULL ? exchange_unsent(c->x) : 0; }

static void head_write(struct call *c, bool is_compressed)
{
    if (!c->is_head_out)
        c->dialect->write_head(c, is_compressed);
    c->is_head_out = true;
}

static void outgoing_write(struct call *c, struct outgoing *out)
{
    head_write(c, out->is_compressed);
    exchange_write_owned(c->x, out->bytes.p, out->bytes.n);
    out->bytes = (struct buf){ 0 };
}

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
    call_move(c);
}

/* ---- one answer of several ---- */

/* On its way from the method's thread to the loop; without bytes it is the head alone. */
struct sending {
    struct task     task;
    struct call    *call;
    struct outgoing out;
};

static void send_now(struct call *c, struct outgoing *out)
{
    c->has_headers = true;
    if (c->is_answered || c->x == NULL)
        buf_free(&out->bytes);
    else if (out->bytes.n == 0)
        head_write(c, false);
    else
        outgoing_write(c, out);
    atomic_store_explicit(&c->unsent_bytes, call_unsent(c), memory_order_relaxed);
}

static void run_sending(struct task *t)
{
    struct sending *s = (struct sending *)t;
    size_t          n = s->out.bytes.n;

    send_now(s->call, &s->out);
    atomic_fetch_sub_explicit(&s->call->posted_bytes, n + 1, memory_order_relaxed);
    free(s);
}

/* What was posted before comes first.  (A posted head counts as a byte.) */
static bool is_in_order(const struct call *c)
{
    return loop_is_mine(c->loop) && atomic_load_explicit(&c->posted_bytes, memory_order_relaxed) == 0;
}

static void send_or_post(struct call *c, struct outgoing *out)
{
    if (is_in_order(c)) {
        send_now(c, out);
        return;
    }
    struct sending *s = mem_alloc(sizeof *s);
    *s = (struct sending){ .task.run = run_sending, .call = c, .out = *out };
    atomic_fetch_add_explicit(&c->posted_bytes, out->bytes.n + 1, memory_order_relaxed);
    loop_post(c->loop, &s->task);
}

void call_open(struct call *c)
{
    struct outgoing none = { 0 };
    assert(c->row->kind.server_streams);
    send_or_post(c, &none);
}

void call_spoil(struct call *c, const struct fault *why)
{
    if (!c->is_spoiled) {
        c->fault = arena_alloc(c->arena, sizeof *c->fault);
        *c->fault = *why;
    }
    c->is_spoiled = true;
    atomic_store(&c->is_cancelled, true);
}

void call_send(struct call *c, const ProtobufCMessage *message)
{
    struct outgoing out;
    struct fault    why;

    assert(c->row->kind.server_streams);
    if (call_is_cancelled(c))
        return;
    if (outgoing_make(c, message, &out, &why) == CODE_OK)
        send_or_post(c, &out);
    else
        call_spoil(c, &why);
}

/* ---- the end ---- */

static void write_reply(struct call *c)
{
    outgoing_write(c, &c->out);
    c->dialect->write_end(c);
}

static void write_close(struct call *c)
{
    head_write(c, false);
    c->dialect->write_end(c);
}

static void write_http(struct call *c)
{
    struct head h;

    h.n = 0;
    head_add(&h, SLICE("content-type"), slice_of(c->http_content_type));
    if (c->out.is_compressed)
        head_add(&h, SLICE("content-encoding"), slice_of(c->goes_by->name));
    head_add_all(&h, c->headers.at, c->headers.n);
    head_add_cors(&h, c);
    head_send(c, c->status, &h);
    if (c->out.bytes.n > 0) {
        exchange_write_owned(c->x, c->out.bytes.p, c->out.bytes.n);
        c->out.bytes = (struct buf){ 0 };
    }
    exchange_finish(c->x, NULL, 0);
}

static enum code code_of_ending(const struct call *c)
{
    if (c->ending == END_FAULT)
        return c->fault->code;
    return c->ending == END_HTTP && c->status >= 400 ? code_of_http_status(c->status) : CODE_OK;
}

static void ending_write(struct call *c)
{
    switch (c->ending) {
    case END_REPLY:
        write_reply(c);
        break;
    case END_CLOSE:
        write_close(c);
        break;
    case END_FAULT:
        c->dialect->write_error(c, c->fault);
        break;
    case END_HTTP:
        write_http(c);
    }
}

static void call_settle(struct task *t)
{
    struct call *c = (struct call *)((char *)t - offsetof(struct call, end_task));

    c->has_headers = c->has_trailers = true;
    if (!c->is_answered && c->x != NULL) {
        call_answered(c, code_of_ending(c));
        ending_write(c);
    }
    call_unref(c);
}

static void call_end(struct call *c, enum ending ending)
{
    bool was_ended = atomic_exchange(&c->is_ended, true);

    assert(!was_ended); /* R2 */
    c->ending = c->is_spoiled ? END_FAULT : ending;
    c->end_task.run = call_settle;
    if (is_in_order(c))
        call_settle(&c->end_task);
    else
        loop_post(c->loop, &c->end_task);
}

void call_reply(struct call *c, const ProtobufCMessage *response)
{
    struct fault why;

    if (outgoing_make(c, response, &c->out, &why) == CODE_OK)
        call_end(c, END_REPLY);
    else
        call_fail(c, &why);
}

void call_close(struct call *c)
{
    assert(c->row->kind.server_streams);
    call_end(c, END_CLOSE);
}

void call_fail(struct call *c, const struct fault *why)
{
    assert(why->code != CODE_OK);
    if (!c->is_spoiled) {
        c->fault = arena_alloc(c->arena, sizeof *c->fault);
        *c->fault = *why;
    }
    call_end(c, END_FAULT);
}

void call_http(struct call *c, int status, const char *content_type, struct slice body)
{
    assert(c->is_plain);
    c->status = status;
    c->http_content_type = arena_copy(c->arena, slice_of(content_type)).p;
    buf_slice(&c->out.bytes, body);
    if (c->goes_by != NULL && body.n >= PACK_LEAST_BYTES)
        outgoing_pack(&c->out, 0, c->goes_by);
    call_end(c, END_HTTP);
}
