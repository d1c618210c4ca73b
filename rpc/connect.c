/*
 * Connect, unary: the body is the message, an error is an HTTP status and JSON, trailers are headers by another name.
 * The message of a question that changes nothing may come in the URL instead, by GET (connect_get.h).
 */
#include "rpc/call_priv.h"
#include "rpc/connect_get.h"
#include "rpc/metadata.h"
#include "wire/json.h"

enum code read_connect(struct call *c, struct fault *why)
{
    struct slice version = call_field(c, "connect-protocol-version");

    if (version.p != NULL && !slice_is(version, "1"))
        return fail(why, CODE_INVALID_ARGUMENT, "connect-protocol-version must be \"1\": got \"%.*s\"",
                    version.n < 64 ? (int)version.n : 64, version.p);
    return read_deadline(c, "connect-timeout-ms", timeout_of_connect, why);
}

static enum code read_head(struct call *c, struct fault *why)
{
    enum code code = read_connect(c, why);

    if (code == CODE_OK)
        code = read_compression(c, "content-encoding", why);
    read_accepted(c, "accept-encoding");
    return code;
}

static void add_metadata(struct head *h, const struct call *c)
{
    struct metadata headers = call_headers(c), trailers = call_trailers(c);

    head_add_all(h, headers.at, headers.n);
    for (size_t i = 0; i < trailers.n; i++) {
        struct slice name = trailers.at[i].name;
        head_add(h, slice_make(name.p - TRAILER_PREFIX_BYTES, name.n + TRAILER_PREFIX_BYTES), trailers.at[i].value);
    }
}

static void write_head(struct call *c, bool is_compressed)
{
    struct head h;

    h.n = 0;
    head_add(&h, SLICE("content-type"), slice_of(c->content_type));
    if (is_compressed)
        head_add(&h, SLICE("content-encoding"), slice_of(c->goes_by->name));
    if (c->is_get)
        head_add(&h, SLICE("vary"), SLICE("Accept-Encoding"));
    add_metadata(&h, c);
    head_add_cors(&h, c);
    head_send(c, 200, &h);
}

static void write_end(struct call *c) { exchange_finish(c->x, NULL, 0); }

static void write_fault(struct call *c, int status, const struct fault *why)
{
    struct head          h;
    struct buf           body = { 0 };
    struct json_writer   w = { .out = &body };
    const struct detail *details;
    size_t               n = call_details(c, &details);

    h.n = 0;
    error_json(&w, why, details, n);
    head_add(&h, SLICE("content-type"), SLICE("application/json"));
    if (why->code == CODE_UNIMPLEMENTED)
        head_add(&h, SLICE("accept-encoding"), SLICE(COMPRESSIONS));
    head_add_retry(&h, why->code);
    add_metadata(&h, c);
    head_add_cors(&h, c);
    head_send(c, status, &h);
    exchange_write_owned(c->x, body.p, body.n);
    exchange_finish(c->x, NULL, 0);
}

/* A status of its own has what is no RPC's fault: a page's, a GET's body. */
static void write_error(struct call *c, const struct fault *why)
{
    write_fault(c, c->status != 0 ? c->status : code_http_status(why->code), why);
}

const struct dialect dialect_connect = { false, read_head, write_head, write_end, write_error };

/* ---- GET ---- */

static enum code read_get(struct call *c, struct fault *why)
{
    struct connect_get get;
    enum code          code = read_connect(c, why);

    if (code == CODE_OK)
        code = connect_get_parse(c->query, c->arena, &get, why);
    if (code == CODE_OK)
        code = compression_named(get.compression, &c->comes_by, why);
    if (code != CODE_OK)
        return code;
    read_accepted(c, "accept-encoding");
    c->message = get.message;
    c->is_compressed = c->comes_by != NULL;
    if (c->message.n <= c->inbox.message_bytes_max)
        return CODE_OK;
    return fail(why, CODE_RESOURCE_EXHAUSTED, "message size %zu is larger than configured max %zu", c->message.n,
                c->inbox.message_bytes_max);
}

const struct dialect dialect_connect_get = { false, read_get, write_head, write_end, write_error };

/* ---- plain routes: the answer is the route's own (call_http); errors look the same ---- */

static enum code read_plain_head(struct call *c, struct fault *why)
{
    (void)why;
    read_accepted(c, "accept-encoding");
    return CODE_OK;
}

const struct dialect dialect_plain = { .read_head = read_plain_head, .write_error = write_error };
