/*
 * gRPC over HTTP/2: envelopes, and the status in trailers; of an error without messages, in the one head there is.
 * gRPC-Web: the same, with the trailers as a last envelope in the body, so that HTTP/1.1 and browsers can carry it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "rpc/call_priv.h"
#include "rpc/errors.h"
#include "rpc/metadata.h"

static enum code read_head(struct call *c, struct fault *why)
{
    c->wants_gzip = list_has(call_field(c, "grpc-accept-encoding"), "gzip");
    enum code code = read_deadline(c, "grpc-timeout", timeout_of_grpc, why);
    if (code != CODE_OK)
        return code;
    return read_compression(c, "grpc-encoding", why);
}

static void head_begin(struct head *h, const struct call *c)
{
    head_add(h, SLICE("content-type"), slice_of(c->content_type));
    head_add_cors(h, c);
}

static void write_head(struct call *c, bool is_compressed)
{
    struct head h = { 0 };

    head_begin(&h, c);
    if (is_compressed)
        head_add(&h, SLICE("grpc-encoding"), SLICE("gzip"));
    head_send(c, 200, &h);
}

/* grpc-status and, of an error, grpc-message; `room` and `text` hold what the fields point to. */
static void add_status(struct head *h, const struct fault *why, char room[16], struct buf *text)
{
    snprintf(room, 16, "%d", (int)why->code);
    head_add(h, SLICE("grpc-status"), slice_of(room));
    if (why->code == CODE_OK || why->text[0] == '\0')
        return;
    percent_encode(slice_of(why->text), text);
    head_add(h, SLICE("grpc-message"), buf_view(text));
}

static void write_end(struct call *c)
{
    static const struct http_field ok = { { "grpc-status", 11 }, { "0", 1 } };
    exchange_finish(c->x, &ok, 1);
}

/* One HEADERS frame with the end of the stream in it. */
static void write_only_trailers(struct call *c, const struct fault *why)
{
    struct head h = { 0 };
    struct buf  text = { 0 };
    char        room[16];

    head_begin(&h, c);
    if (why->code == CODE_UNIMPLEMENTED)
        head_add(&h, SLICE("grpc-accept-encoding"), SLICE("gzip"));
    add_status(&h, why, room, &text);
    head_send(c, 200, &h);
    exchange_finish(c->x, NULL, 0);
    buf_free(&text);
}

static void write_error(struct call *c, const struct fault *why)
{
    struct head h = { 0 };
    struct buf  text = { 0 };
    char        room[16];

    if (!c->is_head_out) {
        write_only_trailers(c, why);
        return;
    }
    add_status(&h, why, room, &text);
    exchange_finish(c->x, h.fields, h.n);
    buf_free(&text);
}

const struct dialect dialect_grpc = { true, read_head, write_head, write_end, write_error };

static void write_web_trailers(struct call *c, const struct fault *why)
{
    struct head h = { 0 };
    struct buf  text = { 0 }, frame = { 0 };
    char        room[16];

    add_status(&h, why, room, &text);
    envelope_open(&frame);
    for (size_t i = 0; i < h.n; i++)
        buf_printf(&frame, "%.*s: %.*s\r\n", SLICE_ARGS(h.fields[i].name), SLICE_ARGS(h.fields[i].value));
    envelope_close(&frame, 0, ENVELOPE_WEB_TRAILERS);
    exchange_write_owned(c->x, frame.p, frame.n);
    exchange_finish(c->x, NULL, 0);
    buf_free(&text);
}

static void write_web_end(struct call *c) { write_web_trailers(c, &(struct fault){ .code = CODE_OK }); }

static void write_web_error(struct call *c, const struct fault *why)
{
    if (c->is_head_out)
        write_web_trailers(c, why);
    else
        write_only_trailers(c, why);
}

const struct dialect dialect_grpc_web = { true, read_head, write_head, write_web_end, write_web_error };
