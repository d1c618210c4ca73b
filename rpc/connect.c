/*
 * Connect, unary: the body is the message, an error is an HTTP status and JSON.
 */
#include "rpc/call_priv.h"
#include "rpc/errors.h"
#include "rpc/metadata.h"

static enum code read_head(struct call *c, struct fault *why)
{
    struct slice version = call_field(c, "connect-protocol-version");

    c->wants_gzip = list_has(call_field(c, "accept-encoding"), "gzip");
    if (version.p != NULL && !slice_is(version, "1"))
        return fail(why, CODE_INVALID_ARGUMENT, "connect-protocol-version must be \"1\": got \"%.*s\"",
                    version.n < 64 ? (int)version.n : 64, version.p);
    enum code code = read_deadline(c, "connect-timeout-ms", timeout_of_connect, why);
    if (code != CODE_OK)
        return code;
    return read_compression(c, "content-encoding", why);
}

static void write_head(struct call *c, bool is_compressed)
{
    struct head h = { 0 };

    head_add(&h, SLICE("content-type"), slice_of(c->content_type));
    if (is_compressed)
        head_add(&h, SLICE("content-encoding"), SLICE("gzip"));
    head_add_cors(&h, c);
    head_send(c, 200, &h);
}

static void write_end(struct call *c) { exchange_finish(c->x, NULL, 0); }

static void write_fault(struct call *c, int status, const struct fault *why)
{
    struct head h = { 0 };
    struct buf  body = { 0 };

    error_json(why, &body);
    head_add(&h, SLICE("content-type"), SLICE("application/json"));
    if (why->code == CODE_UNIMPLEMENTED)
        head_add(&h, SLICE("accept-encoding"), SLICE("gzip"));
    head_add_retry(&h, why->code);
    head_add_cors(&h, c);
    head_send(c, status, &h);
    exchange_write_owned(c->x, body.p, body.n);
    exchange_finish(c->x, NULL, 0);
}

static void write_error(struct call *c, const struct fault *why) { write_fault(c, code_http_status(why->code), why); }

const struct dialect dialect_connect = { false, read_head, write_head, write_end, write_error };

/*
 * Plain routes: the answer is the route's own (call_http); only errors look the same.
 */
static enum code read_plain_head(struct call *c, struct fault *why)
{
    (void)why;
    c->wants_gzip = list_has(call_field(c, "accept-encoding"), "gzip");
    return CODE_OK;
}

static void write_plain_error(struct call *c, const struct fault *why)
{
    write_fault(c, c->status != 0 ? c->status : code_http_status(why->code), why);
}

const struct dialect dialect_plain = { .read_head = read_plain_head, .write_error = write_plain_error };
