/*
 * gRPC over HTTP/2: envelopes, and the status in trailers; of an error without messages and headers, in the one head there
 * is.  gRPC-Web: the same, with the trailers as a last envelope in the body, so that HTTP/1.1 and browsers can carry it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "rpc/call_priv.h"
#include "rpc/metadata.h"

static enum code read_head(struct call *c, struct fault *why)
{
    enum code code = read_deadline(c, "grpc-timeout", timeout_of_grpc, why);

    if (code == CODE_OK)
        code = read_compression(c, "grpc-encoding", why);
    read_accepted(c, "grpc-accept-encoding");
    return code;
}

static void head_begin(struct head *h, struct call *c)
{
    struct metadata headers = call_headers(c);

    h->n = 0;
    head_add(h, SLICE("content-type"), slice_of(c->content_type));
    head_add_all(h, headers.at, headers.n);
    head_add_cors(h, c);
}

/* Where more messages may come, the compression is named though this one may come without. */
static void write_head(struct call *c, bool is_compressed)
{
    struct head h;

    head_begin(&h, c);
    if (is_compressed || (c->goes_by != NULL && c->row->kind.server_streams))
        head_add(&h, SLICE("grpc-encoding"), slice_of(c->goes_by->name));
    head_send(c, 200, &h);
}

/* The trailers and what their fields point to. */
struct status {
    struct head head;
    struct buf  message, details;
    char        code[16];
};

static void status_make(struct status *s, const struct call *c, const struct fault *why)
{
    struct metadata      trailers = call_trailers(c);
    const struct detail *details;
    size_t               n = call_details(c, &details);

    s->head.n = 0;
    s->message = s->details = (struct buf){ 0 };
    snprintf(s->code, sizeof s->code, "%d", (int)why->code);
    head_add(&s->head, SLICE("grpc-status"), slice_of(s->code));
    if (why->code != CODE_OK && why->text[0] != '\0') {
        percent_encode(slice_of(why->text), &s->message);
        head_add(&s->head, SLICE("grpc-message"), buf_view(&s->message));
    }
    if (n > 0) {
        error_status_text(why, details, n, &s->details);
        head_add(&s->head, SLICE("grpc-status-details-bin"), buf_view(&s->details));
    }
    head_add_all(&s->head, trailers.at, trailers.n);
}

static void status_free(struct status *s)
{
    buf_free(&s->message);
    buf_free(&s->details);
}

static void write_trailers(struct call *c, const struct fault *why)
{
    struct status s;

    status_make(&s, c, why);
    exchange_finish(c->x, s.head.fields, s.head.n);
    status_free(&s);
}

static void write_end(struct call *c)
{
    static const struct http_field ok = { { "grpc-status", 11 }, { "0", 1 } };

    if (call_trailers(c).n == 0)
        exchange_finish(c->x, &ok, 1);
    else
        write_trailers(c, &(struct fault){ .code = CODE_OK });
}

/* One HEADERS frame with the end of the stream in it. */
static void write_only_trailers(struct call *c, const struct fault *why)
{
    struct head   h;
    struct status s;

    head_begin(&h, c);
    if (why->code == CODE_UNIMPLEMENTED)
        head_add(&h, SLICE("grpc-accept-encoding"), SLICE(COMPRESSIONS));
    status_make(&s, c, why);
    head_add_all(&h, s.head.fields, s.head.n);
    head_send(c, 200, &h);
    exchange_finish(c->x, NULL, 0);
    status_free(&s);
}

/* Headers of the method's own have to be told apart from its trailers. */
static bool fits_one_head(const struct call *c) { return !c->is_head_out && call_headers(c).n == 0; }

static void write_error(struct call *c, const struct fault *why)
{
    if (fits_one_head(c)) {
        write_only_trailers(c, why);
        return;
    }
    if (!c->is_head_out)
        write_head(c, false);
    write_trailers(c, why);
}

const struct dialect dialect_grpc = { true, read_head, write_head, write_end, write_error };

static void write_web_trailers(struct call *c, const struct fault *why)
{
    struct status s;
    struct buf    frame = { 0 };

    status_make(&s, c, why);
    envelope_open(&frame);
    for (size_t i = 0; i < s.head.n; i++)
        buf_printf(&frame, "%.*s: %.*s\r\n", SLICE_ARGS(s.head.fields[i].name), SLICE_ARGS(s.head.fields[i].value));
    envelope_close(&frame, 0, ENVELOPE_WEB_TRAILERS);
    exchange_write_owned(c->x, frame.p, frame.n);
    exchange_finish(c->x, NULL, 0);
    status_free(&s);
}

static void write_web_end(struct call *c) { write_web_trailers(c, &(struct fault){ .code = CODE_OK }); }

static void write_web_error(struct call *c, const struct fault *why)
{
    if (fits_one_head(c)) {
        write_only_trailers(c, why);
        return;
    }
    if (!c->is_head_out)
        write_head(c, false);
    write_web_trailers(c, why);
}

const struct dialect dialect_grpc_web = { true, read_head, write_head, write_web_end, write_web_error };
