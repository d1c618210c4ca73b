#include "rpc/connect_get.h"

#include "wire/json.h"
#include "wire/url.h"

static enum code message_read(struct slice text, bool is_base64, struct arena *a, struct slice *out, struct fault *why)
{
    *out = text;
    if (!is_base64)
        return CODE_OK;
    uint8_t *bytes = arena_alloc(a, text.n / 4 * 3 + 3);
    size_t   n;
    if (!base64_decode(text, bytes, &n))
        return fail(why, CODE_INVALID_ARGUMENT, "the parameter message is not base64");
    *out = slice_make(bytes, n);
    return CODE_OK;
}

struct slice connect_get_encoding(struct slice query, struct arena *a)
{
    struct slice value = { 0 };

    (void)url_query_get(query, SLICE("encoding"), a, &value);
    return value;
}

enum code connect_get_parse(struct slice query, struct arena *a, struct connect_get *out, struct fault *why)
{
    struct slice message, version, base64;

    *out = (struct connect_get){ .encoding = connect_get_encoding(query, a) };
    if (out->encoding.n == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "the parameter encoding is missing");
    if (!url_query_get(query, SLICE("message"), a, &message))
        return fail(why, CODE_INVALID_ARGUMENT, "the parameter message is missing");
    if (url_query_get(query, SLICE("connect"), a, &version) && !slice_is(version, "v1"))
        return fail(why, CODE_INVALID_ARGUMENT, "the parameter connect must be \"v1\": got \"%.*s\"",
                    version.n < 64 ? (int)version.n : 64, version.p);
    (void)url_query_get(query, SLICE("compression"), a, &out->compression);
    bool is_base64 = url_query_get(query, SLICE("base64"), a, &base64) && slice_is(base64, "1");
    return message_read(message, is_base64, a, &out->message, why);
}
