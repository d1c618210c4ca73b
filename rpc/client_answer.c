/*
 * What comes back: a head, enveloped messages, and a status in the trailers, or in the head when there is nothing else.
 */
#include "rpc/client_priv.h"

#include "proto/status.pb-c.h"
#include "rpc/codec.h"
#include "rpc/metadata.h"
#include "wire/json.h"

enum { MEMORY_FACTOR = 16, MEMORY_LEAST_BYTES = 1 << 20, DETAILS_BYTES_MAX = 64 << 10 };

static bool has_one_answer(const struct rpc_stream *s) { return s->on.on_message == NULL; }

static struct slice field_of(const struct http_field *fields, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(fields[i].name, name))
            return fields[i].value;
    return (struct slice){ 0 };
}

/* ---- the head ---- */

static void check_type(struct rpc_stream *s, struct slice type)
{
    struct slice media = media_type(type);

    if (slice_eq_nocase(media, SLICE("application/grpc")) || slice_eq_nocase(media, SLICE("application/grpc+proto")))
        return;
    bool is_grpc = slice_starts(media, SLICE("application/grpc"));
    stream_fail(s, is_grpc ? CODE_INTERNAL : CODE_UNKNOWN, "the answer is of type \"%.*s\", not application/grpc",
                media.n < 80 ? (int)media.n : 80, media.p ? media.p : "");
}

static void on_head(void *arg, int status, const struct http_field *fields, size_t n)
{
    struct rpc_stream *s = arg;
    struct fault       why;

    if (status != 200 && field_of(fields, n, SLICE("grpc-status")).p == NULL)
        stream_fail(s, code_of_http_status(status), "HTTP status %d and no grpc-status", status);
    else if (status == 200)
        check_type(s, field_of(fields, n, SLICE("content-type")));
    if (compression_named(field_of(fields, n, SLICE("grpc-encoding")), &s->comes_by, &why) != CODE_OK)
        stream_fail(s, CODE_INTERNAL, "the answer comes in a compression that was not asked for: %s", why.text);
}

/* ---- messages ---- */

static enum code unpack(const struct rpc_stream *s, struct arena *a, struct slice *bytes, struct fault *why)
{
    if (s->comes_by == NULL)
        return fail(why, CODE_INTERNAL, "a compressed message, and no grpc-encoding");
    if (bytes->n == 0)
        return CODE_OK;
    enum code code = s->comes_by->unpack(*bytes, s->response_bytes_max, a, bytes, why);
    if (code == CODE_RESOURCE_EXHAUSTED)
        return fail(why, code, "the answer has more than %zu bytes", s->response_bytes_max);
    return code == CODE_OK ? code : fail(why, CODE_INTERNAL, "the answer's %s is damaged", s->comes_by->name);
}

static enum code decode(const struct rpc_stream *s, uint8_t flags, struct slice bytes, struct arena *a,
                        ProtobufCMessage **out, struct fault *why)
{
    size_t max = s->response_bytes_max;
    size_t memory =
        max < SIZE_MAX / MEMORY_FACTOR - MEMORY_LEAST_BYTES ? max * MEMORY_FACTOR + MEMORY_LEAST_BYTES : SIZE_MAX;

    if ((flags & ~ENVELOPE_COMPRESSED) != 0)
        return fail(why, CODE_INTERNAL, "a message with the unknown flags 0x%02x", flags);
    if ((flags & ENVELOPE_COMPRESSED) != 0 && unpack(s, a, &bytes, why) != CODE_OK)
        return why->code;
    return proto_decode(s->response, bytes, memory, a, out, why);
}

static void message_give(struct rpc_stream *s, uint8_t flags, struct slice bytes)
{
    ProtobufCMessage *message;
    struct fault      why;

    if (s->scratch == NULL)
        s->scratch = arena_new(0);
    s->wants = false;
    s->n_messages++;
    if (decode(s, flags, bytes, s->scratch, &message, &why) != CODE_OK)
        stream_fail(s, why.code, "%s", why.text);
    else
        s->on.on_message(s->arg, message);
    if (s->is_ended)
        return;
    arena_reset(s->scratch);
    inbox_trim(&s->inbox);
}

/* The only one there may be; it is decoded when the status is known. */
static void message_keep(struct rpc_stream *s, uint8_t flags, size_t at, size_t n)
{
    s->flags = flags;
    s->message_at = at;
    s->message_n = n;
    if (++s->n_messages > 1)
        stream_fail(s, CODE_UNIMPLEMENTED, "more than one answer came");
}

/* The one answer of an OK. */
static bool answer_decode(struct rpc_stream *s)
{
    ProtobufCMessage *message;
    struct fault      why;

    if (s->n_messages == 0) {
        stream_fail(s, CODE_UNIMPLEMENTED, "OK, but no answer came");
        return false;
    }
    struct slice bytes = slice_make(s->inbox.bytes.p + s->message_at, s->message_n);
    if (decode(s, s->flags, bytes, s->arena, &message, &why) != CODE_OK) {
        stream_fail(s, why.code, "%s", why.text);
        return false;
    }
    s->end.message = message;
    return true;
}

/* The status is known and all messages are taken. */
static void finish(struct rpc_stream *s)
{
    if (s->end.code == CODE_OK && inbox_rest(&s->inbox) > 0)
        stream_fail(s, CODE_INTERNAL, "the last message is cut short");
    else if (s->end.code != CODE_OK || !has_one_answer(s) || answer_decode(s))
        stream_end(s);
}

/* False: nothing more can be done now. */
static bool pump_step(struct rpc_stream *s)
{
    size_t  taken = s->inbox.taken, at, n;
    uint8_t flags;

    switch (inbox_next(&s->inbox, &flags, &at, &n)) {
    case INBOX_TOO_LARGE:
        stream_fail(s, CODE_RESOURCE_EXHAUSTED, "the answer has %zu bytes, more than %zu", n, s->response_bytes_max);
        return false;
    case INBOX_MESSAGE:
        if (has_one_answer(s)) {
            message_keep(s, flags, at, n);
            return true;
        }
        if (s->wants) {
            message_give(s, flags, slice_make(s->inbox.bytes.p + at, n));
            return true;
        }
        s->inbox.taken = taken; /* until it is asked for */
        return false;
    case INBOX_WAITS:
        break;
    }
    if (s->is_over)
        finish(s);
    else if (s->request != NULL && (s->wants || has_one_answer(s))) {
        http_request_consume(s->request, s->unconsumed);
        s->unconsumed = 0;
    }
    return false;
}

void answer_pump(struct rpc_stream *s)
{
    if (s->is_pumping)
        return;
    s->is_pumping = true;
    atomic_fetch_add(&s->refs, 1);
    while (!s->is_ended && !s->has_failed && pump_step(s))
        continue;
    s->is_pumping = false;
    stream_unref(s);
}

static void on_body(void *arg, struct slice piece)
{
    struct rpc_stream *s = arg;

    inbox_put(&s->inbox, piece);
    s->unconsumed += piece.n;
    answer_pump(s);
}

static void on_writable(void *arg) { stream_tell_room(arg); }

const struct http_events answer_events = { on_head, on_body, on_writable };

/* ---- the status ---- */

/* google.rpc.Status; one that cannot be read tells nothing. */
static void read_details(struct rpc_stream *s, struct slice text)
{
    ProtobufCMessage *message;
    struct fault      why;
    size_t            n;
    uint8_t          *bytes = arena_alloc(s->arena, text.n / 4 * 3 + 3);

    if (!base64_decode(text, bytes, &n) || proto_decode(&google__rpc__status__descriptor, slice_make(bytes, n),
                                                        DETAILS_BYTES_MAX, s->arena, &message, &why) != CODE_OK)
        return;
    const Google__Rpc__Status *status = (const Google__Rpc__Status *)(const void *)message;
    struct detail             *details = arena_array(s->arena, status->n_details, sizeof *details);
    for (size_t i = 0; i < status->n_details; i++) {
        struct slice url = slice_of(status->details[i]->type_url), name = url;
        for (size_t slash; (slash = slice_find(name, SLICE("/"))) < name.n;)
            name = slice_from(name, slash + 1);
        details[i] = (struct detail){ name, slice_make(status->details[i]->value.data, status->details[i]->value.len) };
    }
    s->end.details = details;
    s->end.n_details = status->n_details;
}

static void read_status(struct rpc_stream *s, const struct http_field *fields, size_t n, struct fault *why)
{
    struct slice status = field_of(fields, n, SLICE("grpc-status"));
    long long    code = CODE_UNKNOWN;
    struct buf   text = { 0 };

    if (status.p == NULL) {
        (void)fail(why, CODE_INTERNAL, "the answer ended without a grpc-status");
        return;
    }
    if (!slice_to_i64(status, &code) || code < CODE_OK || code > CODE_UNAUTHENTICATED)
        code = CODE_UNKNOWN;
    if (code == CODE_OK)
        return;
    percent_decode(field_of(fields, n, SLICE("grpc-message")), &text);
    (void)fail(why, (enum code)code, "%.*s", SLICE_ARGS(buf_view(&text)));
    buf_free(&text);
    read_details(s, field_of(fields, n, SLICE("grpc-status-details-bin")));
}

void answer_done(void *arg, const struct http_reply *r)
{
    struct rpc_stream *s = arg;
    struct fault       why = { .code = CODE_OK };
    bool               was_sent = r->code == CODE_OK || r->was_sent;
    bool               is_bare = r->n_trailers == 0 && s->inbox.bytes.n == 0 && s->n_messages == 0;

    s->request = NULL;
    if (s->has_failed)
        why = s->fault;
    else if (r->code != CODE_OK)
        (void)fail(&why, r->code, "%.*s", SLICE_ARGS(r->text));
    else if (is_bare)
        read_status(s, r->fields, r->n_fields, &why);
    else
        read_status(s, r->trailers, r->n_trailers, &why);
    if (!s->is_probe && (r->code == CODE_OK || (r->code == CODE_UNAVAILABLE && was_sent)))
        peer_hear(s->peer, why.code);
    stream_attempt_over(s, &why, was_sent, r);
}
