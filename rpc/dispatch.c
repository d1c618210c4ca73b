/*
 * From the head of an exchange to a call: path, then HTTP method, then media type, which names dialect and codec. 
 * What fails before a dialect is known is answered in plain HTTP.
 */
#include "rpc/call_priv.h"
#include "rpc/connect_get.h"
#include "rpc/metadata.h"

/* ---- answers without a call: to what is no call ---- */

static void answer_bare(struct exchange *x, int status, const struct http_field *fields, size_t n, struct slice body)
{
    exchange_head(x, status, fields, n);
    exchange_write(x, body);
    exchange_finish(x, NULL, 0);
}

static void answer_not_found(struct exchange *x)
{
    const struct http_field type = { SLICE("content-type"), SLICE("text/plain; charset=utf-8") };
    answer_bare(x, 404, &type, 1, SLICE("404 page not found\n"));
}

static bool is_preflight(const struct exchange *x)
{
    return slice_is(x->method, "OPTIONS") && exchange_field(x, "origin").p != NULL &&
           exchange_field(x, "access-control-request-method").p != NULL;
}

static void answer_preflight(struct exchange *x)
{
    const struct http_field fields[] = {
        { SLICE("access-control-allow-origin"), exchange_field(x, "origin") },
        { SLICE("access-control-allow-methods"), SLICE("GET,POST") },
        { SLICE("access-control-allow-headers"),
          SLICE("Content-Type,Connect-Protocol-Version,Connect-Timeout-Ms,Grpc-Timeout,X-Grpc-Web,X-User-Agent,"
                "Authorization,X-Scope-OrgID") },
        { SLICE("access-control-max-age"), SLICE("7200") },
        { SLICE("vary"), SLICE("Origin,Access-Control-Request-Method,Access-Control-Request-Headers") },
    };
    answer_bare(x, 204, fields, sizeof fields / sizeof fields[0], (struct slice){ 0 });
}

/* A unary method without side effects may be asked by GET, in Connect. */
static bool takes_get(const struct row *row)
{
    return row->kind.is_safe && !row->kind.client_streams && !row->kind.server_streams;
}

static const char *methods_of(const struct row *row)
{
    if (row->route != NULL)
        return row->route->method;
    return takes_get(row) ? "GET, POST" : "POST";
}

static void answer_wrong_method(struct exchange *x, const struct row *row)
{
    struct buf allow = { 0 };

    for (const struct row *r = row; r != NULL; r = r->sibling)
        buf_printf(&allow, "%s%s", allow.n ? ", " : "", methods_of(r));
    const struct http_field field = { SLICE("allow"), buf_view(&allow) };
    answer_bare(x, 405, &field, 1, (struct slice){ 0 });
    buf_free(&allow);
}

/* ---- which dialect ---- */

struct media {
    const char           *type;
    const struct dialect *dialect;
    const struct codec   *codec;
};

static const struct media media[] = {
    { "application/json", &dialect_connect, &codec_json },
    { "application/proto", &dialect_connect, &codec_proto },
    { "application/connect+json", &dialect_connect_stream, &codec_json },
    { "application/connect+proto", &dialect_connect_stream, &codec_proto },
    { "application/grpc", &dialect_grpc, &codec_proto },
    { "application/grpc+proto", &dialect_grpc, &codec_proto },
    { "application/grpc+json", &dialect_grpc, &codec_json },
    { "application/grpc-web", &dialect_grpc_web, &codec_proto },
    { "application/grpc-web+proto", &dialect_grpc_web, &codec_proto },
    { "application/grpc-web+json", &dialect_grpc_web, &codec_json },
};

enum { MEDIA = sizeof media / sizeof media[0] };

/* Connect has other types for methods that stream. */
static bool media_serves(const struct media *m, const struct row *row)
{
    bool streams = row->kind.client_streams || row->kind.server_streams;

    return (m->dialect != &dialect_connect || !streams) && (m->dialect != &dialect_connect_stream || streams);
}

static const struct media *media_of(const struct exchange *x, const struct row *row)
{
    struct slice type = media_type(exchange_field(x, "content-type"));

    for (size_t i = 0; i < MEDIA; i++)
        if (slice_eq_nocase(type, slice_of(media[i].type)))
            return media_serves(&media[i], row) ? &media[i] : NULL;
    return NULL;
}

static void answer_wrong_type(struct exchange *x, const struct row *row)
{
    struct buf list = { 0 };

    for (size_t i = 0; i < MEDIA; i++)
        if (media_serves(&media[i], row))
            buf_printf(&list, "%s%s", list.n ? ", " : "", media[i].type);
    const struct http_field field = { SLICE("accept-post"), buf_view(&list) };
    answer_bare(x, 415, &field, 1, (struct slice){ 0 });
    buf_free(&list);
}

/* ---- exchanges ---- */

static void call_begin(const struct face *f, struct row *row, struct exchange *x, const struct media *m)
{
    struct call *c = call_new(f, row, x);

    c->dialect = m->dialect;
    c->codec = m->codec;
    c->content_type = m->type;
    c->is_get = m->dialect == &dialect_connect_get;
    x->user = c;
    call_head(c);
}

/* The codec of a GET is named in its query; one that is not served is answered like a wrong media type. */
static void begin_get(const struct face *f, struct row *row, struct exchange *x)
{
    static const struct media types[] = { { "application/json", &dialect_connect_get, &codec_json },
                                          { "application/proto", &dialect_connect_get, &codec_proto } };
    struct slice              encoding = connect_get_encoding(x->query, x->arena);
    bool                      is_json = !slice_is(encoding, "proto");

    if (x->content_length > 0 || (encoding.n > 0 && is_json && !slice_is(encoding, "json")))
        answer_wrong_type(x, row);
    else
        call_begin(f, row, x, &types[is_json ? 0 : 1]);
}

static void begin_rpc(const struct face *f, struct row *row, struct exchange *x)
{
    if (!accept_is_readable(exchange_field(x, "accept"))) {
        const struct http_field type = { SLICE("content-type"), SLICE("text/plain; charset=utf-8") };
        answer_bare(x, 400, &type, 1, SLICE("Invalid header format: mime: no media type\n"));
        return;
    }
    if (x->version == 1 && row->kind.client_streams && row->kind.server_streams) {
        answer_bare(x, 505, NULL, 0, (struct slice){ 0 });
        return;
    }
    if (slice_is(x->method, "GET") && takes_get(row)) {
        begin_get(f, row, x);
        return;
    }
    if (!slice_is(x->method, "POST")) {
        answer_wrong_method(x, row);
        return;
    }
    const struct media *m = media_of(x, row);
    if (m == NULL)
        answer_wrong_type(x, row);
    else if (m->dialect == &dialect_grpc && x->version == 1) /* no trailers there */
        answer_bare(x, 505, NULL, 0, (struct slice){ 0 });
    else
        call_begin(f, row, x, m);
}

static void begin_plain(const struct face *f, struct row *row, struct exchange *x)
{
    static const struct media plain = { "", &dialect_plain, NULL };
    struct row               *r = row;

    while (r != NULL && !slice_is(x->method, r->route->method))
        r = r->sibling;
    if (r == NULL)
        answer_wrong_method(x, row);
    else
        call_begin(f, r, x, &plain);
}

static void on_head(struct exchange *x, void *arg)
{
    const struct face *f = arg;

    if (is_preflight(x)) {
        answer_preflight(x);
        return;
    }
    struct row *row = face_row(f, x->path);
    if (row == NULL) {
        metric_add(f->server->unrouted, 1);
        answer_not_found(x);
    } else if (row->method != NULL) {
        begin_rpc(f, row, x);
    } else {
        begin_plain(f, row, x);
    }
}

static void on_body(struct exchange *x, struct slice piece)
{
    if (x->user != NULL)
        call_body(x->user, piece);
    else
        exchange_consume(x, piece.n);
}

static void on_end(struct exchange *x)
{
    if (x->user != NULL)
        call_whole(x->user);
}

static void on_writable(struct exchange *x)
{
    if (x->user != NULL)
        call_writable(x->user);
}

static void on_gone(struct exchange *x)
{
    if (x->user != NULL)
        call_gone(x->user);
}

struct http_app rpc_server_app(struct rpc_server *s, unsigned faces)
{
    struct face *f = arena_alloc(s->arena, sizeof *f);

    *f = (struct face){ .server = s, .shows = faces };
    return (struct http_app){ .arg = f,
                              .on_head = on_head,
                              .on_body = on_body,
                              .on_end = on_end,
                              .on_writable = on_writable,
                              .on_gone = on_gone };
}
