#include <assert.h>

#include "net/carrier.h"
#include "net/loop.h"

static const struct carrier *by(const struct exchange *x) { return ((const struct carried *)x)->by; }

struct slice exchange_field(const struct exchange *x, const char *name)
{
    struct slice want = slice_of(name);

    for (size_t i = 0; i < x->n_fields; i++)
        if (slice_eq(x->fields[i].name, want))
            return x->fields[i].value;
    return (struct slice){ 0 };
}

void exchange_consume(struct exchange *x, size_t n)
{
    assert(loop_is_mine(x->loop));
    by(x)->consume(x, n);
}

void exchange_head(struct exchange *x, int status, const struct http_field *fields, size_t n)
{
    assert(loop_is_mine(x->loop) && status >= 200 && status <= 599);
    by(x)->head(x, status, fields, n);
}

void exchange_write(struct exchange *x, struct slice bytes)
{
    assert(loop_is_mine(x->loop));
    by(x)->write(x, bytes);
}

void exchange_write_owned(struct exchange *x, void *bytes, size_t n)
{
    assert(loop_is_mine(x->loop));
    by(x)->give(x, bytes, n);
}

void exchange_finish(struct exchange *x, const struct http_field *trailers, size_t n)
{
    assert(loop_is_mine(x->loop));
    by(x)->finish(x, trailers, n);
}

void exchange_abort(struct exchange *x)
{
    assert(loop_is_mine(x->loop));
    by(x)->abort(x);
}

size_t exchange_unsent(const struct exchange *x) { return by(x)->unsent(x); }

void exchange_set_target(struct exchange *x, struct slice target)
{
    const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;

    x->path = target;
    x->query = (struct slice){ "", 0 };
    if (mark == NULL)
        return;
    x->path.n = (size_t)(mark - target.p);
    x->query = slice_from(target, x->path.n + 1);
}

const char *http_reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
    }
}
