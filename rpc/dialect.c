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

void head_add_cors(struct head *h, const struct call *c)
{
    struct slice origin = call_field(c, "origin");

    if (origin.p == NULL)
        return;
    head_add(h, SLICE("access-control-allow-origin"), origin);
    head_add(h, SLICE("access-control-expose-headers"),
             SLICE("Grpc-Status,Grpc-Message,Grpc-Status-Details-Bin,Content-Encoding,Retry-After"));
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
    struct slice encoding = call_field(c, name);

    c->is_gzipped = slice_eq_nocase(encoding, SLICE("gzip"));
    if (c->is_gzipped || encoding.n == 0 || slice_eq_nocase(encoding, SLICE("identity")))
        return CODE_OK;
    return fail(why, CODE_UNIMPLEMENTED, "unknown compression \"%.*s\": supported are gzip, identity",
                encoding.n < 64 ? (int)encoding.n : 64, encoding.p);
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
