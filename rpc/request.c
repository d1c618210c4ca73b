/*
 * The request's way in, on the loop: head, body, end; messages of a stream go to their method as they come.
 */
#include <assert.h>

#include "rpc/call_priv.h"

enum { STREAM_UNSENT_MARK = 256 << 10 }; /* answers not read by a stream's client; above, its questions wait */

static bool is_stream(const struct call *c) { return c->row->kind.client_streams; }

static void refuse_size(struct call *c, size_t n)
{
    struct fault why;

    (void)fail(&why, CODE_RESOURCE_EXHAUSTED, "message size %zu is larger than configured max %zu", n,
               c->inbox.message_bytes_max);
    if (c->is_plain)
        c->status = 413;
    call_refuse(c, &why);
}

/* ---- streams: their methods run on the loop, once for each message and at last with NULL ---- */

void call_send(struct call *c, const ProtobufCMessage *message)
{
    struct outgoing out;
    struct fault    why;

    if (c->is_answered || c->x == NULL)
        return;
    if (outgoing_make(c, message, &out, &why) != CODE_OK) {
        call_refuse(c, &why);
        return;
    }
    if (!c->is_head_out)
        c->dialect->write_head(c, out.is_compressed);
    c->is_head_out = true;
    outgoing_write(c, &out);
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
    size_t                  charged_bytes = c->charged_bytes;
    struct fault            why;

    if (call_prepare(c, &message, &why) == CODE_OK)
        c->row->method->run(c, message);
    else
        call_refuse(c, &why);
    arena_reset(c->scratch);
    call_discharge(c, c->charged_bytes - charged_bytes);
}

/* ---- the request ---- */

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

    c->x->is_patient = is_stream(c);
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
        c->is_paused = is_stream(c) && exchange_unsent(c->x) > STREAM_UNSENT_MARK;
        if (c->is_paused)
            break;
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

/* A stream's bytes are paid back when its messages have been answered, so that a client that does not read may not ask. */
static void take_stream(struct call *c)
{
    take_messages(c);
    if (c->is_answered || c->is_paused)
        return;
    exchange_consume(c->x, c->unconsumed);
    c->unconsumed = 0;
}

void call_body(struct call *c, struct slice piece)
{
    struct fault why;
    size_t       growth = inbox_growth(&c->inbox, piece.n);

    if (c->is_answered || !is_stream(c))
        exchange_consume(c->x, piece.n);
    else
        c->unconsumed += piece.n;
    if (c->is_answered)
        return;
    if (!c->dialect->is_enveloped && c->inbox.bytes.n + piece.n > c->inbox.message_bytes_max) {
        refuse_size(c, c->inbox.bytes.n + piece.n);
    } else if (growth > 0 && !call_charge(c, growth)) {
        (void)call_too_busy(&why);
        call_refuse(c, &why);
    } else {
        inbox_put(&c->inbox, piece);
        if (is_stream(c))
            take_stream(c);
        else if (c->dialect->is_enveloped)
            take_messages(c);
    }
}

static void call_job(struct job *j) { call_run((struct call *)((char *)j - offsetof(struct call, job))); }

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

/* The end of what an enveloped body holds: is it one? */
static enum code check_end(const struct call *c, struct fault *why)
{
    if (inbox_rest(&c->inbox) > 0)
        return fail(why, CODE_INVALID_ARGUMENT, "the last message is cut short");
    if (!is_stream(c) && c->n_messages == 0)
        return fail(why, CODE_UNIMPLEMENTED, "no message, and the method takes one");
    return CODE_OK;
}

void call_whole(struct call *c)
{
    struct fault why;

    c->is_body_whole = true;
    if (c->is_answered || c->is_paused)
        return;
    if (!c->dialect->is_enveloped) {
        c->is_compressed = c->is_gzipped;
        c->message = buf_view(&c->inbox.bytes);
        dispatch(c);
    } else if (check_end(c, &why) != CODE_OK) {
        call_refuse(c, &why);
    } else if (is_stream(c)) {
        c->row->method->run(c, NULL);
    } else {
        c->message = slice_make(c->inbox.bytes.p + c->message_at, c->message_n);
        dispatch(c);
    }
}

void call_writable(struct call *c)
{
    if (c->is_answered || !c->is_paused)
        return;
    take_stream(c);
    if (c->is_body_whole)
        call_whole(c);
}
