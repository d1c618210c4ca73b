#include "rpc/server.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"
#include "rpc/call_priv.h"
#include "rpc/errors.h"

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

struct row *face_row(const struct face *f, struct slice path)
{
    char        room[PATH_MAX_BYTES];
    struct row *row = row_at(f->server, path);

    if (row == NULL && slice_find(path, SLICE("//")) < path.n && path.n < sizeof room)
        row = row_at(f->server, without_double_slashes(path, room));
    return row != NULL && (row->faces & f->shows) != 0 ? row : NULL;
}

struct slice call_service(const struct call *c, size_t i)
{
    const struct rpc_server *s = c->server;
    struct slice             last = { 0 };

    for (size_t k = 0; k < s->n_rows && s->rows[k].method != NULL; k++) {
        struct slice service = slice_from(s->rows[k].path, 1);
        service.n = slice_find(service, SLICE("/"));
        if (slice_eq(service, last) || !(s->rows[k].faces & c->face->shows)) /* rows of a service stand together */
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

/* ---- life ---- */

static struct histogram *duration_of(struct slice path)
{
    char labels[PATH_MAX_BYTES];

    snprintf(labels, sizeof labels, "path=\"%.*s\"", SLICE_ARGS(path));
    return metric_histogram("hearth_rpc_duration_seconds", "From the head of a request to its answer.", labels);
}

static unsigned faces_of(const struct rpc_server *s, const char *path)
{
    return s->config.faces != NULL ? s->config.faces(path) : RPC_FACES_ALL;
}

static enum code row_of_method(struct rpc_server *s, const struct method *m, struct row *row, struct fault *why)
{
    *row = (struct row){ .path = slice_of(m->path),
                         .method = m,
                         .faces = faces_of(s, m->path),
                         .lane = m->lane,
                         .request_bytes_max = m->request_bytes_max ? m->request_bytes_max : s->config.request_bytes_max,
                         .response = schema_type(s->schema, m->response) };
    bool is_known = schema_method(s->schema, row->path, &row->kind) && row->response != NULL;
    if (is_known)
        row->request =
            m->request ? schema_type(s->schema, m->request) : schema_type_named(s->schema, row->kind.request);
    if (!is_known || (m->request != NULL && row->request == NULL))
        return fail(why, CODE_INTERNAL, "%s is not in the descriptor set", m->path);
    row->duration = duration_of(row->path);
    return CODE_OK;
}

static void row_of_route(struct rpc_server *s, const struct route *r, struct row *row)
{
    *row = (struct row){ .path = slice_of(r->path),
                         .route = r,
                         .faces = faces_of(s, r->path),
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
    for (size_t i = 0; i < config->n_messages; i++)
        (void)schema_type(s->schema, config->messages[i]);
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

void rpc_server_drain(struct rpc_server *s) { atomic_store(&s->is_draining, true); }

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
