/*
 * What the dialects share: answer fields, compression, deadlines.
 */
#include <assert.h>

#include "base/clock.h"
#include "rpc/call_priv.h"
#include "rpc/metadata.h"

void head_add(struct head *h, struct slice name, struct slice value)
{
    assert(h->n < sizeof h->fields / sizeof h->fields[0]);
    h->fields[h->n++] = (struct http_field){ name, value };
}

void head_add_all(struct head *h, const struct http_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        head_add(h, fields[i].name, fields[i].value);
}

/* What the answer holds beside the fields that every page may read. */
static struct slice exposed(struct call *c)
{
    struct metadata headers = call_headers(c), trailers = call_trailers(c);
    struct buf      list = { 0 };

    buf_text(&list, "Grpc-Status,Grpc-Message,Grpc-Status-Details-Bin,Content-Encoding,Retry-After");
    for (size_t i = 0; i < headers.n; i++)
        buf_printf(&list, ",%.*s", SLICE_ARGS(headers.at[i].name));
    for (size_t i = 0; i < trailers.n; i++)
        buf_printf(&list, "," TRAILER_PREFIX "%.*s", SLICE_ARGS(trailers.at[i].name));
    struct slice copy = arena_copy(c->x->arena, buf_view(&list));
    buf_free(&list);
    return copy;
}

void head_add_cors(struct head *h, struct call *c)
{
    struct slice origin = call_field(c, "origin");

    if (origin.p == NULL)
        return;
    head_add(h, SLICE("access-control-allow-origin"), origin);
    head_add(h, SLICE("access-control-expose-headers"), exposed(c));
    head_add(h, SLICE("vary"), SLICE("Origin"));
}

void head_add_retry(struct head *h, enum code code)
{
    if (code == CODE_RESOURCE_EXHAUSTED || code == CODE_UNAVAILABLE)
        head_add(h, SLICE("retry-after"), SLICE("1"));
}

void head_send(struct call *c, int status, const struct head *h) { exchange_head(c->x, status, h->fields, h->n); }

enum code read_compression(struct call *c, const char *name, struct fault *why)
{
    return compression_named(call_field(c, name), &c->comes_by, why);
}

void read_accepted(struct call *c, const char *name)
{
    c->goes_by = c->comes_by != NULL ? c->comes_by : compression_accepted(call_field(c, name));
}

enum code read_deadline(struct call *c, const char *name, timeout_fn *parse, struct fault *why)
{
    struct slice text = call_field(c, name);
    int64_t      timeout_ns;

    if (text.p == NULL)
        return CODE_OK;
    if (!parse(text, &timeout_ns))
        return fail(why, CODE_INVALID_ARGUMENT, "not a timeout: \"%.*s\"", text.n < 64 ? (int)text.n : 64, text.p);
    if (__builtin_add_overflow(c->started_ns, timeout_ns, &c->deadline_ns))
        c->deadline_ns = INT64_MAX;
    return CODE_OK;
}
