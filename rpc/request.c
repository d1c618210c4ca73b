/*
 * The request's way in, on the loop: head, body, end.  Where the client streams, its bytes wait in the inbox until the
 * method wants them (stream.c).
 */
#include <assert.h>

#include "rpc/call_priv.h"

enum { SMALL_BYTES = 1024 };

void call_refuse_size(struct call *c, size_t n)
{
    struct fault why;

    (void)fail(&why, CODE_RESOURCE_EXHAUSTED, "message size %zu is larger than configured max %zu", n,
               c->inbox.message_bytes_max);
    if (c->is_plain)
        c->status = 413;
    call_refuse(c, &why);
}

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

    c->x->is_patient = call_client_streams(c);
    if (c->dialect->read_head(c, &why) != CODE_OK) {
        call_refuse(c, &why);
        return;
    }
    if (!c->dialect->is_enveloped && c->x->content_length > 0 && (uint64_t)c->x->content_length > max) {
        call_refuse_size(c, (size_t)c->x->content_length);
        return;
    }
    if (c->x->content_length > 0 && !call_client_streams(c))
        c->inbox.announced = (size_t)c->x->content_length;
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

enum code check_flags(const struct call *c, uint8_t flags, struct fault *why)
{
    if ((flags & ~ENVELOPE_COMPRESSED) != 0)
        return fail(why, CODE_INTERNAL, "a message with unknown flags 0x%02x", flags);
    if (flags != 0 && c->comes_by == NULL)
        return fail(why, CODE_INTERNAL, "a compressed message, and no field that says how");
    return CODE_OK;
}

/* The one message of an enveloped body, which the method gets once the body has ended. */
static void take_message(struct call *c, uint8_t flags, size_t at, size_t n)
{
    struct fault why = { .code = CODE_OK };

    if (check_flags(c, flags, &why) == CODE_OK && c->n_messages++ > 0)
        (void)fail(&why, CODE_UNIMPLEMENTED, "more than one message, and the method takes one");
    if (why.code != CODE_OK) {
        call_refuse(c, &why);
        return;
    }
    c->is_compressed = (flags & ENVELOPE_COMPRESSED) != 0;
    c->message_at = at;
    c->message_n = n;
}

static void take_messages(struct call *c)
{
    enum inbox_state state = INBOX_MESSAGE;
    uint8_t          flags;
    size_t           at, n;

    while (!c->is_answered && state == INBOX_MESSAGE) {
        state = inbox_next(&c->inbox, &flags, &at, &n);
        if (state == INBOX_TOO_LARGE)
            call_refuse_size(c, n);
        else if (state == INBOX_MESSAGE)
            take_message(c, flags, at, n);
    }
}

/* False: refused, for it is too large or finds no memory. */
static bool body_put(struct call *c, struct slice piece)
{
    size_t       growth = inbox_growth(&c->inbox, piece.n);
    struct fault why;

    if (!c->dialect->is_enveloped && c->inbox.bytes.n + piece.n > c->inbox.message_bytes_max) {
        call_refuse_size(c, c->inbox.bytes.n + piece.n);
        return false;
    }
    if (growth > 0 && !call_charge(c, growth)) {
        (void)call_too_busy(&why);
        call_refuse(c, &why);
        return false;
    }
    inbox_put(&c->inbox, piece);
    return true;
}

/* It may have been announced, as long as it is empty. */
static void refuse_body_of_get(struct call *c)
{
    struct fault why;

    (void)fail(&why, CODE_UNKNOWN, "a GET has no body");
    c->status = 415;
    call_refuse(c, &why);
}

void call_body(struct call *c, struct slice piece)
{
    if (c->is_answered || !call_client_streams(c))
        exchange_consume(c->x, piece.n);
    else
        c->unconsumed += piece.n;
    if (c->is_answered)
        return;
    if (c->is_get && piece.n > 0) {
        refuse_body_of_get(c);
        return;
    }
    if (!body_put(c, piece))
        return;
    if (call_client_streams(c))
        call_move(c);
    else if (c->dialect->is_enveloped)
        take_messages(c);
}

/* The end of what an enveloped body holds: is it one message? */
static enum code check_end(const struct call *c, struct fault *why)
{
    if (inbox_rest(&c->inbox) > 0)
        return fail(why, CODE_INVALID_ARGUMENT, "the last message is cut short");
    if (c->n_messages == 0)
        return fail(why, CODE_UNIMPLEMENTED, "no message, and the method takes one");
    return CODE_OK;
}

/* Whether it is quick as well is asked when it is decoded (prepare.c). */
static bool is_small(const struct call *c)
{
    const struct method *m = c->row->method;

    if (c->is_plain || m->is_quick == NULL || c->is_compressed)
        return false;
    return c->message.n <= SMALL_BYTES || (m->request == NULL && c->codec == &codec_proto);
}

void call_whole(struct call *c)
{
    struct fault why;

    c->is_body_whole = true;
    if (c->is_answered)
        return;
    if (call_client_streams(c)) {
        call_move(c);
        return;
    }
    if (c->dialect->is_enveloped && check_end(c, &why) != CODE_OK) {
        call_refuse(c, &why);
        return;
    }
    if (c->dialect->is_enveloped) {
        c->message = slice_make(c->inbox.bytes.p + c->message_at, c->message_n);
    } else if (!c->is_get) {
        c->is_compressed = c->comes_by != NULL;
        c->message = buf_view(&c->inbox.bytes);
    }
    if (is_small(c))
        c->lane = LANE_INLINE;
    call_step(c, call_run);
}
