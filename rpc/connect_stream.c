/*
 * Connect, where a side streams: messages in envelopes, always HTTP 200, and at the end one envelope of JSON that says how
 * it went:
 *
 *     {"error":{"code":"not_found","message":"..."},"metadata":{"name":["value","value"]}}
 */
#include "rpc/call_priv.h"
#include "wire/json.h"

static enum code read_head(struct call *c, struct fault *why)
{
    enum code code = read_connect(c, why);

    if (code == CODE_OK)
        code = read_compression(c, "connect-content-encoding", why);
    read_accepted(c, "connect-accept-encoding");
    return code;
}

/* The compression is named though this message may come without: one of the next may not. */
static void write_head(struct call *c, bool is_compressed)
{
    struct head     h;
    struct metadata headers = call_headers(c);

    (void)is_compressed;
    h.n = 0;
    head_add(&h, SLICE("content-type"), slice_of(c->content_type));
    if (c->goes_by != NULL)
        head_add(&h, SLICE("connect-content-encoding"), slice_of(c->goes_by->name));
    head_add(&h, SLICE("connect-accept-encoding"), SLICE(COMPRESSIONS));
    head_add_all(&h, headers.at, headers.n);
    head_add_cors(&h, c);
    head_send(c, 200, &h);
}

/* Is this the first of its name? */
static bool is_first(const struct metadata *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (slice_eq(m->at[k].name, m->at[i].name))
            return false;
    return true;
}

static void put_metadata(struct json_writer *w, const struct metadata *m)
{
    json_key(w, SLICE("metadata"));
    json_open(w, '{');
    for (size_t i = 0; i < m->n; i++) {
        if (!is_first(m, i))
            continue;
        json_key(w, m->at[i].name);
        json_open(w, '[');
        for (size_t k = i; k < m->n; k++)
            if (slice_eq(m->at[k].name, m->at[i].name))
                json_text(w, m->at[k].value);
        json_close(w, ']');
    }
    json_close(w, '}');
}

static void put_error(struct json_writer *w, const struct call *c, const struct fault *why)
{
    const struct detail *details;
    size_t               n = call_details(c, &details);

    json_key(w, SLICE("error"));
    error_json(w, why, details, n);
}

/* `why` is NULL when all went well. */
static void write_last(struct call *c, const struct fault *why)
{
    struct metadata    trailers = call_trailers(c);
    struct buf         out = { 0 };
    struct json_writer w = { .out = &out };

    envelope_open(&out);
    json_open(&w, '{');
    if (why != NULL)
        put_error(&w, c, why);
    if (trailers.n > 0)
        put_metadata(&w, &trailers);
    json_close(&w, '}');
    envelope_close(&out, 0, ENVELOPE_CONNECT_END);
    exchange_write_owned(c->x, out.p, out.n);
    exchange_finish(c->x, NULL, 0);
}

static void write_end(struct call *c) { write_last(c, NULL); }

static void write_error(struct call *c, const struct fault *why)
{
    if (!c->is_head_out)
        write_head(c, false);
    write_last(c, why);
}

const struct dialect dialect_connect_stream = { true, read_head, write_head, write_end, write_error };
