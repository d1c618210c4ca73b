/*
 * What a step of a method begins with, on its lane: the caller is known, the message inflated and decoded.
 */
#include "net/guard.h"
#include "rpc/call_priv.h"

enum {
    INBOX_KEPT_BYTES = 64 << 10,   /* a larger request is let go once it is decoded */
    MEMORY_FACTOR = 8,             /* of a message's size limit: what it may take decoded */
    MEMORY_LEAST_BYTES = 256 << 10 /* ... and at least */
};

static bool charge(struct call *c, size_t bytes)
{
    if (!call_charge(c, bytes))
        return false;
    if (call_client_streams(c))
        c->message_charged += bytes;
    return true;
}

/* A false claim is found out by unpacking. */
static enum code unpack(struct call *c, struct fault *why)
{
    size_t    max = c->inbox.message_bytes_max, claim = c->comes_by->claim(c->message);
    enum code code = CODE_RESOURCE_EXHAUSTED; /* of many members the last alone would be too large */

    if (claim <= max) {
        if (!charge(c, claim))
            return call_too_busy(why);
        code = c->comes_by->unpack(c->message, max, c->scratch, &c->message, why);
    }
    if (code == CODE_OK && c->message.n > claim && !charge(c, c->message.n - claim))
        return call_too_busy(why);
    if (code != CODE_RESOURCE_EXHAUSTED)
        return code;
    abuse_count(ABUSE_DECOMPRESSION_BOMB);
    return fail(why, code, "message size is larger than configured max %zu", max);
}

/* What a message of the largest size may take decoded. */
static size_t memory_max(const struct call *c)
{
    size_t max = c->inbox.message_bytes_max;

    return max < SIZE_MAX / MEMORY_FACTOR - MEMORY_LEAST_BYTES ? max * MEMORY_FACTOR + MEMORY_LEAST_BYTES : SIZE_MAX;
}

static enum code decode(struct call *c, ProtobufCMessage **message, struct fault *why)
{
    size_t    memory_bytes;
    enum code code = c->codec->measure(c->row->request, c->message, memory_max(c), &memory_bytes, why);

    if (code == CODE_OK && !charge(c, memory_bytes))
        code = call_too_busy(why);
    return code == CODE_OK ? c->codec->decode(c->row->request, c->message, c->scratch, message, why) : code;
}

/* For a method that reads protobuf only. */
static enum code translate(struct call *c, struct fault *why)
{
    ProtobufCMessage *message;
    struct buf        bytes = { 0 };

    if (c->row->request == NULL)
        return fail(why, CODE_UNIMPLEMENTED, "%s takes protobuf only", c->row->method->path);
    enum code code = decode(c, &message, why);
    if (code != CODE_OK)
        return code;
    proto_encode(message, &bytes);
    bool is_charged = charge(c, bytes.n);
    if (is_charged)
        c->message = arena_copy(c->scratch, buf_view(&bytes));
    buf_free(&bytes);
    return is_charged ? CODE_OK : call_too_busy(why);
}

static enum code read_message(struct call *c, ProtobufCMessage **message, struct fault *why)
{
    bool      is_methods = c->row->method->request == NULL;
    enum code code = c->is_compressed && c->message.n > 0 ? unpack(c, why) : CODE_OK;

    if (code != CODE_OK || (is_methods && c->codec == &codec_proto))
        return code;
    return is_methods ? translate(c, why) : decode(c, message, why);
}

/* Once for a call.  What it learns lives as long as the call, not only as long as a message. */
static enum code authorize(struct call *c, struct fault *why)
{
    authorize_fn *fn = c->server->config.authorize;
    struct arena *scratch = c->scratch;

    if (fn == NULL || c->is_authorized)
        return CODE_OK;
    c->scratch = c->arena;
    enum code code = fn(c, c->is_plain ? c->row->route->path : c->row->method->path, why);
    c->scratch = scratch;
    c->is_authorized = code == CODE_OK;
    return code;
}

static enum code prepare(struct call *c, const ProtobufCMessage **message, struct fault *why)
{
    const char       *came = c->message.p;
    ProtobufCMessage *m = NULL;
    enum code         code = authorize(c, why);

    if (code != CODE_OK || c->is_plain || (call_client_streams(c) && !c->has_message))
        return code;
    code = read_message(c, &m, why);
    *message = m;
    if ((m != NULL || c->message.p != came) && !call_client_streams(c) && c->inbox.bytes.cap > INBOX_KEPT_BYTES) {
        call_discharge(c, c->inbox.bytes.cap); /* the message is in the arena */
        inbox_free(&c->inbox);
    }
    return code;
}

static void run_method(struct call *c, const ProtobufCMessage *message)
{
    c->has_run = true;
    if (c->is_plain)
        c->row->route->run(c, c->message);
    else
        c->row->method->run(c, message);
}

/* On its lane, which it has left the loop for. */
static void run_prepared(struct job *j)
{
    struct call *c = call_of_job(j);
    struct fault why;

    if (call_is_cancelled(c))
        call_fail(c, (fail(&why, CODE_CANCELED, "the client has gone"), &why));
    else
        run_method(c, c->prepared);
}

static void run_or_leave(struct call *c, const ProtobufCMessage *message)
{
    if (c->lane == c->row->lane || c->row->method->is_quick(c, message)) {
        run_method(c, message);
        return;
    }
    c->prepared = message;
    c->lane = c->row->lane;
    call_step(c, run_prepared);
}

/* A method that runs already hears of a bad message as of a client that has gone (R4). */
void call_run(struct job *j)
{
    struct call            *c = call_of_job(j);
    const ProtobufCMessage *message = NULL;
    struct fault            why;

    if (c->has_run && call_is_cancelled(c))
        run_method(c, NULL);
    else if (call_is_cancelled(c))
        call_fail(c, (fail(&why, CODE_CANCELED, "the client has gone"), &why));
    else if (prepare(c, &message, &why) == CODE_OK)
        run_or_leave(c, message);
    else if (!c->has_run)
        call_fail(c, &why);
    else
        call_spoil(c, &why), run_method(c, NULL);
}
