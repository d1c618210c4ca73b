#include "server/wiring.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/loop.h"
#include "net/network.h"
#include "proto/descriptors.h"
#include "proto/push.pb-c.h"
#include "router/router.h"
#include "rpc/client.h"
#include "server/authorize.h"
#include "server/certificates.h"
#include "server/intake.h"
#include "server/memory_limit.h"
#include "server/policy_files.h"
#include "server/ports.h"
#include "server/process.h"
#include "server/self_profile.h"
#include "server/storage.h"
#include "shard/writer.h"

#define MEMORY_WAIT_NS NS_PER_S

enum { METHODS_MAX = 64, ROUTES_MAX = 64 };

struct server {
    const struct config *config;
    struct arena        *arena; /* texts for the life of the server */
    struct policy       *policy;
    struct registry     *tenants;
    struct loop        **loops;
    size_t               n_loops;
    struct storage       storage;
    struct rpc_client   *client;
    struct router       *router;
    struct rpc_server   *rpc;
    struct certificates *peer_certificates; /* NULL: clear text between processes */
    struct ports        *ports;
    struct self_profile *profile;
    struct app           app;
    struct method        methods[METHODS_MAX];
    struct route         routes[ROUTES_MAX];
    size_t               n_methods, n_routes;
    struct slice         cluster_secret;
    const char          *peer_fields[3];
    _Atomic int          state;
    _Atomic int64_t      requests_bytes; /* decoded and not yet acked */
    int64_t              requests_bytes_max;
    bool                 is_map_bad; /* said so already */
    struct metric       *reload_good, *requests_shown;
};

enum server_state server_state(const struct server *s)
{
    struct writer *w = s->storage.writer;
    bool           is_loading = s->state == SERVER_READY && w != NULL && writer_state(w, NULL) != WRITER_SERVING;

    return is_loading ? SERVER_LOADING : (enum server_state)s->state;
}

enum code server_check_loaded(const struct server *s, struct fault *why)
{
    return s->storage.writer != NULL ? writer_check(s->storage.writer, why) : CODE_OK;
}

bool server_is_broken(const struct server *s, struct fault *why)
{
    return s->storage.writer != NULL && writer_state(s->storage.writer, why) == WRITER_BROKEN;
}

const struct config *server_config(const struct server *s) { return s->config; }
struct policy       *server_policy(struct server *s) { return s->policy; }
struct registry     *server_tenants(struct server *s) { return s->tenants; }
struct app          *server_app(struct server *s) { return &s->app; }
const char          *server_address(const struct server *s, size_t i) { return ports_address(s->ports, i); }

bool server_has_memory(const struct server *s)
{
    return atomic_load_explicit(&s->requests_bytes, memory_order_relaxed) <= s->requests_bytes_max;
}

bool server_await_memory(const struct server *s, size_t own_bytes, bool may_wait)
{
    const struct timespec nap = { .tv_nsec = NS_PER_MS };
    int64_t               until = clock_mono_ns() + MEMORY_WAIT_NS;

    for (;;) {
        int64_t taken = atomic_load_explicit(&s->requests_bytes, memory_order_relaxed);
        if (taken <= s->requests_bytes_max || taken == (int64_t)own_bytes)
            return (int64_t)own_bytes <= s->requests_bytes_max;
        if (!may_wait || clock_mono_ns() > until)
            return false;
        nanosleep(&nap, NULL);
    }
}

void server_take_memory(struct server *s, size_t bytes)
{
    atomic_fetch_add_explicit(&s->requests_bytes, (int64_t)bytes, memory_order_relaxed);
}

void server_give_memory(struct server *s, size_t bytes)
{
    atomic_fetch_sub_explicit(&s->requests_bytes, (int64_t)bytes, memory_order_relaxed);
}

static enum code load_secrets(struct server *s, struct fault *why)
{
    const char *path = s->config->auth_cluster_token_file;

    if (path[0] != '\0') {
        enum code code = secret_read(path, s->arena, &s->cluster_secret, why);
        if (code != CODE_OK)
            return code;
        s->peer_fields[0] = "authorization";
        s->peer_fields[1] = arena_printf(s->arena, "Bearer %.*s", SLICE_ARGS(s->cluster_secret)).p;
    }
    return policy_read(s->policy, s->config, &s->config->limits, s->cluster_secret, why);
}

static void start_loops(struct server *s)
{
    s->n_loops = (size_t)s->config->net_loops;
    s->loops = mem_zalloc(s->n_loops * sizeof(struct loop *));
    for (size_t i = 0; i < s->n_loops; i++) {
        s->loops[i] = loop_new((int)i);
        loop_start(s->loops[i]);
    }
}

static enum code open_peer_certificates(struct server *s, struct fault *why)
{
    const struct config           *c = s->config;
    const struct certificate_files files = { c->peers_cert_file, c->peers_key_file, c->peers_ca_file };

    if (files.ca[0] == '\0')
        return CODE_OK;
    return certificates_open(&files, 1u << CERTIFICATE_PEER, &s->peer_certificates, why);
}

static enum code start_router(struct server *s, struct fault *why)
{
    const struct config *c = s->config;
    bool                 has_map = c->shard_map[0] != '\0';

    if (has_map) {
        enum code code = open_peer_certificates(s, why);
        if (code != CODE_OK)
            return code;
        s->client = rpc_client_new(s->loops, s->n_loops, certificates_get(s->peer_certificates, CERTIFICATE_PEER));
    }
    struct router_config rc = { .map_file = has_map ? c->shard_map : NULL,
                                .self = s->storage.shard ? c->shard_name : NULL,
                                .shard = s->storage.shard,
                                .writer = s->storage.writer,
                                .client = s->client,
                                .is_frontend = config_has(c, TARGET_FRONTEND),
                                .data_dir = s->storage.data_fd >= 0 ? c->data_dir : NULL,
                                .held_bytes_max = (size_t)s->requests_bytes_max / 2,
                                .peer_fields = s->peer_fields[0] ? s->peer_fields : NULL };
    return router_new(&rc, &s->router, why);
}

static void add_methods(struct server *s, const struct method *(*service)(size_t *n))
{
    size_t               n;
    const struct method *rows = service(&n);

    assert(s->n_methods + n <= METHODS_MAX);
    memcpy(s->methods + s->n_methods, rows, n * sizeof *rows);
    s->n_methods += n;
}

static void add_routes(struct server *s, const struct route *(*service)(size_t *n))
{
    size_t              n;
    const struct route *rows = service(&n);

    assert(s->n_routes + n <= ROUTES_MAX);
    memcpy(s->routes + s->n_routes, rows, n * sizeof *rows);
    s->n_routes += n;
}

/* The one place that knows which part serves what. */
static void add_services(struct server *s)
{
    const struct config *c = s->config;

    add_routes(s, status_routes);
    if (config_has(c, TARGET_FRONTEND)) {
        add_methods(s, push_methods);
        add_routes(s, ingest_routes);
    }
    if (config_has(c, TARGET_QUERIER))
        add_methods(s, querier_methods);
    if (config_has(c, TARGET_SHARD))
        add_methods(s, shard_methods);
}

static size_t body_bytes_max(const struct server *s)
{
    int64_t limit = s->config->limits.ingestion_body_limit_bytes;

    return (size_t)(limit < s->requests_bytes_max ? limit : s->requests_bytes_max);
}

static enum code start_rpc(struct server *s, struct fault *why)
{
    static const ProtobufCMessageDescriptor *const messages[] = { &push__v1__push_request__descriptor };
    size_t                                         n;
    const uint8_t                                 *descriptors = proto_descriptors(&n);

    add_services(s);
    struct rpc_config rc = { .methods = s->methods,
                             .n_methods = s->n_methods,
                             .routes = s->routes,
                             .n_routes = s->n_routes,
                             .descriptors = slice_make(descriptors, n),
                             .messages = messages,
                             .n_messages = sizeof messages / sizeof *messages,
                             .authorize = authorize,
                             .faces = authorize_faces,
                             .app = &s->app,
                             .decode_workers = (unsigned)s->config->workers_decode,
                             .query_workers = (unsigned)s->config->workers_query,
                             .request_bytes_max = body_bytes_max(s),
                             .inflight_bytes_max = (size_t)s->requests_bytes_max };
    return rpc_server_new(&rc, &s->rpc, why);
}

static enum code http_limits_choose(const struct server *s, struct http_limits *out, struct fault *why)
{
    const struct config *c = s->config;

    *out = http_limits_default;
    out->held_total_bytes_max = (size_t)memory_for_answers(c->memory_limit_bytes) / c->listening.n;
    out->connections_max = c->net_connections_max;
    out->address_connections_max = c->net_connections_per_address;
    out->age_max_ns = c->net_connection_age_max_ns;
    return networks_parse(slice_of(c->net_exempt_networks), s->arena, &out->exempt, why);
}

static enum code start_ports(struct server *s, struct fault *why)
{
    struct http_limits limits;
    enum code          code = http_limits_choose(s, &limits, why);

    if (code != CODE_OK)
        return code;
    return ports_open(s->config, s->loops, s->n_loops, s->rpc, &limits, &s->ports, why);
}

static enum code start(struct server *s, struct fault *why)
{
    enum code code = load_secrets(s, why);

    if (code != CODE_OK)
        return code;
    start_loops(s);
    code = storage_open(s->config, s->policy, &s->storage, why);
    if (code == CODE_OK)
        code = start_router(s, why);
    if (code == CODE_OK)
        code = start_rpc(s, why);
    if (code != CODE_OK)
        return code;
    s->app = (struct app){ .router = s->router,
                           .shard = s->storage.shard,
                           .rpc = s->rpc,
                           .query_delay_ns = s->config->debug_query_delay_ns,
                           .server = s };
    code = start_ports(s, why);
    if (code == CODE_OK && s->config->self_profile && config_has(s->config, TARGET_FRONTEND))
        s->profile = self_profile_start(&s->app);
    return code;
}

static void refresh_metrics(void *arg)
{
    struct server *s = arg;

    metric_set(s->requests_shown, s->requests_bytes);
}

static void add_metrics(struct server *s)
{
    process_metrics();
    intake_metrics();
    s->reload_good = metric_gauge("hearth_config_last_reload_successful", "Whether the last reload was taken in.", "");
    s->requests_shown =
        metric_gauge("hearth_ingest_inflight_bytes", "Memory of profiles decoded and not yet acknowledged.", "");
    metric_set(s->reload_good, 1);
    metric_refresh(refresh_metrics, s);
    metric_set(metric_gauge("hearth_memory_limit_bytes", "Most memory this process may use.", ""),
               s->config->memory_limit_bytes);
}

enum code server_new(const struct config *config, struct server **out, struct fault *why)
{
    struct server *s = mem_zalloc(sizeof *s);

    s->config = config;
    s->storage = storage_none;
    s->arena = arena_new(0);
    s->policy = policy_new();
    s->tenants = registry_new();
    s->requests_bytes_max = memory_for_requests(config->memory_limit_bytes, config_has(config, TARGET_SHARD)) / 2;
    add_metrics(s);
    enum code code = start(s, why);
    if (code != CODE_OK) {
        server_free(s);
        return code;
    }
    s->state = SERVER_READY;
    rpc_server_set_ready(s->rpc, server_state(s) == SERVER_READY);
    *out = s;
    return CODE_OK;
}

void server_tick(struct server *s)
{
    struct fault why;

    rpc_server_set_ready(s->rpc, server_state(s) == SERVER_READY);
    bool is_bad = router_reload(s->router, &why) != CODE_OK;

    if (is_bad && !s->is_map_bad)
        log_error("shard map not taken in, the old one stays", log_str("error", why.text));
    s->is_map_bad = is_bad;
    ports_renew(s->ports);
    if (s->peer_certificates != NULL && certificates_renew(s->peer_certificates) && s->client != NULL)
        rpc_client_set_tls(s->client, certificates_get(s->peer_certificates, CERTIFICATE_PEER));
}

enum code server_reload(struct server *s, const struct limits *limits, struct fault *why)
{
    enum code code = policy_read(s->policy, s->config, limits, s->cluster_secret, why);

    metric_set(s->reload_good, code == CODE_OK);
    ports_reread(s->ports);
    if (s->peer_certificates != NULL)
        certificates_reread(s->peer_certificates);
    return code;
}

void server_lame(struct server *s)
{
    s->state = SERVER_LAME;
    rpc_server_set_ready(s->rpc, false);
}

void server_drain(struct server *s)
{
    if (s->profile != NULL)
        self_profile_stop(s->profile);
    s->profile = NULL;
    rpc_server_drain(s->rpc);
    ports_drain(s->ports);
}

bool server_is_drained(const struct server *s)
{
    return rpc_server_inflight(s->rpc) == 0 && ports_connections(s->ports) == 0;
}

/* From the outside in: what takes requests goes before what answers them. */
void server_free(struct server *s)
{
    if (s->profile != NULL)
        self_profile_stop(s->profile);
    ports_free(s->ports);
    if (s->rpc != NULL)
        rpc_server_free(s->rpc);
    if (s->router != NULL)
        router_free(s->router);
    if (s->client != NULL)
        rpc_client_free(s->client);
    certificates_free(s->peer_certificates);
    storage_close(&s->storage);
    for (size_t i = 0; i < s->n_loops; i++)
        loop_stop(s->loops[i]);
    for (size_t i = 0; i < s->n_loops; i++)
        loop_free(s->loops[i]);
    free(s->loops);
    registry_free(s->tenants);
    policy_free(s->policy);
    arena_free(s->arena);
    free(s);
}
