#include "ingest/ingest_http.h"

#include "ingest/app_name.h"
#include "ingest/attime.h"
#include "ingest/multipart.h"
#include "wire/url.h"

enum { PARTS_MAX = 64, ADDED_MAX = 3 };

static struct slice param(const struct ingest_request *r, struct arena *a, struct slice name, struct slice otherwise)
{
    struct slice value;
    return url_query_get(r->query, name, a, &value) && value.n > 0 ? value : otherwise;
}

/* §1.4, the first match wins. */
static struct slice format_of(const struct ingest_request *r, struct slice format)
{
    if (slice_is(format, "trie") || slice_is(r->content_type, "binary/octet-stream+trie"))
        return SLICE("trie");
    if (slice_is(format, "tree") || slice_is(r->content_type, "binary/octet-stream+tree"))
        return SLICE("tree");
    if (slice_is(format, "lines") || slice_is(format, "jfr") || slice_is(format, "pprof") ||
        slice_is(format, "speedscope"))
        return format;
    return multipart_is(r->content_type) ? SLICE("pprof") : SLICE("groups");
}

/* Series labels as §1.5.1 has them. */
static struct labels labels_of(const struct app_name *name, struct slice spy_name, struct arena *a)
{
    struct label *at = arena_array(a, name->labels.n + ADDED_MAX, sizeof *at);
    size_t        n = 0;

    for (; n < name->labels.n; n++)
        at[n] = name->labels.at[n];
    if (labels_get(name->labels, SLICE("service_name")).n == 0)
        at[n++] = (struct label){ SLICE("service_name"), name->app };
    if (labels_get(name->labels, SLICE("pyroscope_spy")).n == 0)
        at[n++] = (struct label){ SLICE("pyroscope_spy"), spy_name };
    at[n++] = (struct label){ SLICE("__delta__"), SLICE("false") };
    return (struct labels){ at, n };
}

static enum code form_read(const struct ingest_request *r, struct ingest_post *out, struct fault *why)
{
    struct multipart      m;
    struct multipart_part part;
    struct slice          previous = { 0 };
    bool                  has_part;
    enum code             code = multipart_open(r->content_type, r->body, &m, why);

    for (int n = 0; code == CODE_OK; n++) {
        if ((code = multipart_next(&m, &part, &has_part, why)) != CODE_OK || !has_part)
            break;
        if (n == PARTS_MAX)
            return fail(why, CODE_UNKNOWN, "multipart form: more than %d parts", PARTS_MAX);
        struct slice *field = slice_is(part.name, "profile")              ? &out->profile
                              : slice_is(part.name, "sample_type_config") ? &out->hints.type_config
                              : slice_is(part.name, "prev_profile")       ? &previous
                                                                          : NULL;
        if (field != NULL && part.has_filename && field->n == 0)
            *field = part.bytes;
    }
    if (code != CODE_OK)
        return why->code = CODE_UNKNOWN; /* with the text it has */
    if (previous.n > 0)
        return fail(why, CODE_UNKNOWN,
                    "unsupported client version, please update your pyroscope client: prev_profile is no longer "
                    "supported");
    return CODE_OK;
}

enum code ingest_http_read(const struct ingest_request *r, struct arena *a, struct ingest_post *out, struct fault *why)
{
    struct app_name name;
    struct slice    spy_name = param(r, a, SLICE("spyName"), SLICE("unknown"));
    struct slice    asked = param(r, a, SLICE("format"), SLICE("")), format = format_of(r, asked);
    enum code       code = app_name_parse(param(r, a, SLICE("name"), SLICE("")), a, &name, why);

    if (code != CODE_OK)
        return code;
    if (!ingest_format_is_known(format))
        return fail(why, CODE_UNIMPLEMENTED, "format %.*s is not supported by this version", SLICE_ARGS(format));
    *out = (struct ingest_post){ .labels = labels_of(&name, spy_name, a),
                                 .hints = { .is_legacy = true,
                                            .spy_name = spy_name,
                                            .from_ns =
                                                attime_parse(param(r, a, SLICE("from"), SLICE("now")), r->now_ns) } };
    if (slice_is(asked, "pprof")) /* raw, even when the content type says multipart */
        out->profile = r->body;
    else if ((code = form_read(r, out, why)) != CODE_OK)
        return code;
    out->is_empty = out->profile.n == 0;
    return CODE_OK;
}

struct ingest_status ingest_http_status(enum code code, bool was_read)
{
    switch (code) {
    case CODE_OK:
        return (struct ingest_status){ 200, "" };
    case CODE_INVALID_ARGUMENT:
    case CODE_OUT_OF_RANGE:
        return was_read ? (struct ingest_status){ 422, "unknown" } : (struct ingest_status){ 400, "invalid_argument" };
    case CODE_UNKNOWN:
        return (struct ingest_status){ 422, "unknown" };
    case CODE_UNAUTHENTICATED:
        return (struct ingest_status){ 401, "unauthenticated" };
    case CODE_PERMISSION_DENIED:
        return (struct ingest_status){ 403, "permission_denied" };
    case CODE_RESOURCE_EXHAUSTED:
        return (struct ingest_status){ 429, "resource_exhausted" };
    case CODE_UNIMPLEMENTED:
        return (struct ingest_status){ 501, "unimplemented" };
    case CODE_UNAVAILABLE:
        return (struct ingest_status){ 503, "unavailable" };
    case CODE_DEADLINE_EXCEEDED:
        return (struct ingest_status){ 504, "deadline_exceeded" };
    case CODE_CANCELED:
        return (struct ingest_status){ 499, "canceled" };
    default:
        return (struct ingest_status){ 500, "internal" };
    }
}
