#include "rpc/server.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"
#include "rpc/call_priv.h"
#include "rpc/errors.h"
#include "rpc/metadata.h"

enum { PATH_MAX_BYTES = 512 };

/* ---- the table ---- */

static size_t bucket_of(const struct rpc_server *s, struct slice path) { return hash_slice(path) & (s->n_buckets - 1); }

static struct row *row_at(const struct rpc_server *s, struct slice path)
{
    for (size_t i = bucket_of(s, path); s->buckets[i] != NULL; i = (i + 1) & (s->n_buckets - 1))
        if (slice_eq(s->buckets[i]->path, path))
            return s->buckets[i];
    return NULL;
}

static void row_insert(struct rpc_server *s, struct row *row)
{
    struct row *same = row_at(s, row->path);
    size_t      i = bucket_of(s, row->path);

    if (same != NULL) {
        assert(same->route != NULL && row->route != NULL); /* only plain routes share a path, by method */
        row->sibling = same->sibling;
        same->sibling = row;
        return;
    }
    while (s->buckets[i] != NULL)
        i = (i + 1) & (s->n_buckets - 1);
    s->buckets[i] = row;
}

/* "//a///b" as "/a/b": clients join a base URL and a path carelessly. */
static struct slice without_double_slashes(struct slice path, char room[PATH_MAX_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < path.n && n < PATH_MAX_BYTES; i++)
        if (path.p[i] != '/' || n == 0 || room[n - 1] != '/')
            room[n++] = path.p[i];
    return slice_make(room, n);
}

struct row *server_row(const struct rpc_server *s, struct slice path)
{
    char        room[PATH_MAX_BYTES];
    struct row *row = row_at(s, path);

    if (row == NULL && slice_find(path, SLICE("//")) < path.n && path.n < sizeof room)
        row = row_at(s, without_double_slashes(path, room));
    return row;
}

struct slice server_service(const struct rpc_server *s, size_t i)
{
    struct slice last = { 0 };

    for (size_t k = 0; k < s->n_rows && s->rows[k].method != NULL; k++) {
        struct slice service = slice_from(s->rows[k].path, 1);
        service.n = slice_find(service, SLICE("/"));
        if (slice_eq(service, last)) /* the rows of one service stand together */
            continue;
        last = service;
        if (i-- == 0)
            return service;
    }
    return (struct slice){ 0 };
}

/* ---- accounts ---- */

bool server_charge(struct rpc_server *s, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&s->inflight_bytes, bytes, memory_order_relaxed);

    metric_add(s->inflight_bytes_shown, (int64_t)bytes);
    if (bytes <= s->config.inflight_bytes_max && before <= s->config.inflight_bytes_max - bytes)
        return true;
    server_discharge(s, bytes);
    return false;
}

void server_discharge(struct rpc_server *s, size_t bytes)
{
    metric_add(s->inflight_bytes_shown, -(int64_t)bytes);
    atomic_fetch_sub_explicit(&s->inflight_bytes, bytes, memory_order_relaxed);
}

struct crew *server_crew(const struct rpc_server *s, enum lane which)
{
    assert(which != LANE_INLINE);
    return which == LANE_DECODE ? s->decode : s->query;
}

void server_count(struct row *row, enum code code, int64_t duration_ns)
{
    struct metric *m = atomic_load_explicit(&row->answers[code], memory_order_acquire);
    char           labels[PATH_MAX_BYTES + 64];

    if (m == NULL) {
        snprintf(labels, sizeof labels, "path=\"%.*s\",code=\"%s\"", SLICE_ARGS(row->path), code_name(code));
        m = metric_counter("hearth_rpc_requests_total", "Calls answered, by path and code.", labels);
        atomic_store_explicit(&row->answers[code], m, memory_order_release);
    }
    metric_add(m, 1);
    histogram_observe(row->duration, duration_ns);
}

void server_opened(struct rpc_server *s)
{
    atomic_fetch_add_explicit(&s->inflight, 1, memory_order_relaxed);
    metric_add(s->inflight_shown, 1);
}

void server_closed(struct rpc_server *s)
{
    metric_add(s->inflight_shown, -1);
    atomic_fetch_sub_explicit(&s->inflight, 1, memory_order_release);
}

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

static void answer_wrong_method(struct exchange *x, const struct row *row)
{
    struct buf allow = { 0 };

    for (const struct row *r = row; r != NULL; r = r->sibling)
        buf_printf(&allow, "%s%s", allow.n ? ", " : "", r->route ? r->route->method : "POST");
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
    { "application/grpc", &dialect_grpc, &codec_proto },
    { "application/grpc+proto", &dialect_grpc, &codec_proto },
    { "application/grpc+json", &dialect_grpc, &codec_json },
    { "application/grpc-web", &dialect_grpc_web, &codec_proto },
    { "application/grpc-web+proto", &dialect_grpc_web, &codec_proto },
    { "application/grpc-web+json", &dialect_grpc_web, &codec_json },
};

enum { MEDIA = sizeof media / sizeof media[0] };

/* Connect's unary types do not serve methods that stream. */
static bool media_serves(const struct media *m, const struct row *row)
{
    return m->dialect != &dialect_connect || (!row->kind.client_streams && !row->kind.server_streams);
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

static void call_begin(struct rpc_server *s, struct row *row, struct exchange *x, const struct media *m)
{
    struct call *c = call_new(s, row, x);

    c->dialect = m->dialect;
    c->codec = m->codec;
    c->content_type = m->type;
    x->user = c;
    call_head(c);
}

static void begin_rpc(struct rpc_server *s, struct row *row, struct exchange *x)
{
    bool is_post = slice_is(x->method, "POST");

    if (x->version == 1 && row->kind.client_streams && row->kind.server_streams) {
        answer_bare(x, 505, NULL, 0, (struct slice){ 0 });
        return;
    }
    if (!is_post) {
        answer_wrong_method(x, row);
        return;
    }
    const struct media *m = media_of(x, row);
    if (m == NULL)
        answer_wrong_type(x, row);
    else if (m->dialect == &dialect_grpc && x->version == 1) /* no trailers there */
        answer_bare(x, 505, NULL, 0, (struct slice){ 0 });
    else
        call_begin(s, row, x, m);
}

static void begin_plain(struct rpc_server *s, struct row *row, struct exchange *x)
{
    static const struct media plain = { "", &dialect_plain, NULL };
    struct row               *r = row;

    while (r != NULL && !slice_is(x->method, r->route->method))
        r = r->sibling;
    if (r == NULL)
        answer_wrong_method(x, row);
    else
        call_begin(s, r, x, &plain);
}

static void on_head(struct exchange *x, void *arg)
{
    struct rpc_server *s = arg;

    if (is_preflight(x)) {
        answer_preflight(x);
        return;
    }
    struct row *row = server_row(s, x->path);
    if (row == NULL) {
        metric_add(s->unrouted, 1);
        answer_not_found(x);
    } else if (row->method != NULL) {
        begin_rpc(s, row, x);
    } else {
        begin_plain(s, row, x);
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

static void on_gone(struct exchange *x)
{
    if (x->user != NULL)
        call_gone(x->user);
}

struct http_app rpc_server_app(struct rpc_server *s)
{
    return (struct http_app){ .arg = s, .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_gone = on_gone };
}

/* ---- life ---- */

static struct histogram *duration_of(struct slice path)
{
    char labels[PATH_MAX_BYTES];

    snprintf(labels, sizeof labels, "path=\"%.*s\"", SLICE_ARGS(path));
    return metric_histogram("hearth_rpc_duration_seconds", "From the head of a request to its answer.", labels);
}

static enum code row_of_method(struct rpc_server *s, const struct method *m, struct row *row, struct fault *why)
{
    *row = (struct row){ .path = slice_of(m->path),
                         .method = m,
                         .lane = m->lane,
                         .request_bytes_max = m->request_bytes_max ? m->request_bytes_max : s->config.request_bytes_max,
                         .request = schema_type(s->schema, m->request),
                         .response = schema_type(s->schema, m->response) };
    if (!schema_method(s->schema, row->path, &row->kind) || row->request == NULL || row->response == NULL)
        return fail(why, CODE_INTERNAL, "%s is not in the descriptor set", m->path);
    assert(!row->kind.client_streams || m->lane == LANE_INLINE);
    row->duration = duration_of(row->path);
    return CODE_OK;
}

static void row_of_route(struct rpc_server *s, const struct route *r, struct row *row)
{
    *row = (struct row){ .path = slice_of(r->path),
                         .route = r,
                         .lane = r->lane,
                         .request_bytes_max = r->body_bytes_max ? r->body_bytes_max : s->config.request_bytes_max };
    row->duration = duration_of(row->path);
}

static enum code add_methods(struct rpc_server *s, const struct method *methods, size_t n, struct fault *why)
{
    for (size_t i = 0; i < n; i++) {
        struct row *row = &s->rows[s->n_rows++];
        enum code   code = row_of_method(s, &methods[i], row, why);
        if (code != CODE_OK)
            return code;
        row_insert(s, row);
    }
    return CODE_OK;
}

static enum code fill_table(struct rpc_server *s, struct fault *why)
{
    const struct rpc_config *config = &s->config;
    size_t                   n_health, n_reflection;
    const struct method     *health = health_methods(&n_health), *reflection = reflection_methods(&n_reflection);
    size_t                   n = config->n_methods + config->n_routes + n_health + n_reflection;

    s->rows = arena_array(s->arena, n, sizeof *s->rows);
    for (s->n_buckets = 64; s->n_buckets < 2 * n;)
        s->n_buckets *= 2;
    s->buckets = arena_zalloc(s->arena, s->n_buckets * sizeof *s->buckets);
    enum code code = add_methods(s, config->methods, config->n_methods, why);
    if (code == CODE_OK)
        code = add_methods(s, health, n_health, why);
    if (code == CODE_OK)
        code = add_methods(s, reflection, n_reflection, why);
    for (size_t i = 0; code == CODE_OK && i < config->n_routes; i++) {
        row_of_route(s, &config->routes[i], &s->rows[s->n_rows]);
        row_insert(s, &s->rows[s->n_rows++]);
    }
    return code;
}

static void make_metrics(struct rpc_server *s)
{
    s->unrouted = metric_counter("hearth_rpc_unrouted_total", "Requests for paths that are not served.", "");
    s->inflight_shown = metric_gauge("hearth_rpc_inflight", "Calls that have not ended.", "");
    s->inflight_bytes_shown = metric_gauge("hearth_rpc_inflight_bytes", "Request bytes held by calls.", "");
}

enum code rpc_server_new(const struct rpc_config *config, struct rpc_server **out, struct fault *why)
{
    struct rpc_server *s = mem_zalloc(sizeof *s);

    s->config = *config;
    s->arena = arena_new(0);
    enum code code = schema_new(config->descriptors, &s->schema, why);
    if (code == CODE_OK)
        code = fill_table(s, why);
    if (code != CODE_OK) {
        rpc_server_free(s);
        return code;
    }
    make_metrics(s);
    s->decode = crew_new("decode", config->decode_workers ? config->decode_workers : 1);
    s->query = crew_new("query", config->query_workers ? config->query_workers : 1);
    *out = s;
    return CODE_OK;
}

void rpc_server_set_ready(struct rpc_server *s, bool is_ready) { atomic_store(&s->is_ready, is_ready); }

int64_t rpc_server_inflight(const struct rpc_server *s)
{
    return atomic_load_explicit(&s->inflight, memory_order_acquire);
}

void rpc_server_free(struct rpc_server *s)
{
    if (s == NULL)
        return;
    assert(rpc_server_inflight(s) == 0);
    crew_free(s->decode);
    crew_free(s->query);
    schema_free(s->schema);
    arena_free(s->arena);
    free(s);
}

struct posted {
    struct job job;
    void (*fn)(void *arg);
    void *arg;
};

static void run_posted(struct job *j)
{
    struct posted p = *(struct posted *)j;

    free(j);
    p.fn(p.arg);
}

bool rpc_server_run(struct rpc_server *s, enum lane lane, void (*fn)(void *arg), void *arg)
{
    struct posted *p = mem_alloc(sizeof *p);

    *p = (struct posted){ { run_posted }, fn, arg };
    if (crew_push(server_crew(s, lane), &p->job))
        return true;
    free(p);
    return false;
}
