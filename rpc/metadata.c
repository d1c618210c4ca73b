#include "rpc/metadata.h"

#include "base/clock.h"

static bool digits_to_i64(struct slice text, size_t n_max, int64_t *out)
{
    int64_t v = 0;

    if (text.n == 0 || text.n > n_max)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = v * 10 + (text.p[i] - '0');
    }
    *out = v;
    return true;
}

static int64_t unit_ns(char unit)
{
    switch (unit) {
    case 'H':
        return 3600 * NS_PER_S;
    case 'M':
        return 60 * NS_PER_S;
    case 'S':
        return NS_PER_S;
    case 'm':
        return NS_PER_MS;
    case 'u':
        return 1000;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool timeout_of_grpc(struct slice text, int64_t *ns)
{
    int64_t amount;
    int64_t unit = text.n > 0 ? unit_ns(text.p[text.n - 1]) : 0;

    if (unit == 0 || !digits_to_i64((struct slice){ text.p, text.n - 1 }, 8, &amount))
        return false;
    if (__builtin_mul_overflow(amount, unit, ns))
        *ns = INT64_MAX;
    return true;
}

bool timeout_of_connect(struct slice text, int64_t *ns)
{
    int64_t ms;

    if (!digits_to_i64(text, 10, &ms))
        return false;
    *ns = ms * NS_PER_MS; /* ten digits of milliseconds fit */
    return true;
}

static struct slice until(struct slice s, char stop)
{
    const char *end = s.n ? memchr(s.p, stop, s.n) : NULL;
    return end ? slice_make(s.p, (size_t)(end - s.p)) : s;
}

struct slice media_type(struct slice content_type) { return slice_trim(until(content_type, ';')); }

/* ";q=0", ";q=0.0": the one thing a quality can say here. */
static bool is_refused(struct slice parameters)
{
    size_t at = slice_find(parameters, SLICE("q=0"));

    if (at == parameters.n)
        return false;
    for (size_t i = at + 3; i < parameters.n; i++)
        if (parameters.p[i] >= '1' && parameters.p[i] <= '9')
            return false;
    return true;
}

bool list_next(struct slice *list, struct slice *token)
{
    while (list->n > 0) {
        struct slice item = until(*list, ','), name = until(item, ';');
        *list = slice_from(*list, item.n < list->n ? item.n + 1 : item.n);
        *token = slice_trim(name);
        if (token->n > 0 && !is_refused(slice_from(item, name.n)))
            return true;
    }
    return false;
}

/* RFC 9110: what a word outside quotes is made of. */
static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7F || strchr("()<>@,;:\\\"/[]?={}", s.p[i]) != NULL)
            return false;
    return s.n > 0;
}

static bool is_media_range(struct slice range)
{
    struct slice type = until(range, '/');

    return is_token(type) && type.n < range.n && is_token(slice_from(range, type.n + 1));
}

bool accept_is_readable(struct slice accept)
{
    while (accept.n > 0) {
        struct slice item = until(accept, ',');
        if (slice_trim(item).n > 0 && !is_media_range(media_type(item)))
            return false;
        accept = slice_from(accept, item.n < accept.n ? item.n + 1 : item.n);
    }
    return true;
}
