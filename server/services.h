/*
 * Services: what is served, one svc_*.c each, and what they may use.
 *
 *     svc_push.c     push.v1.PusherService        svc_querier.c  querier.v1.QuerierService
 *     svc_ingest.c   POST /ingest                 svc_shard.c    hearth.shard.v1.Shard, between our own processes
 *     routes.c       /ready /metrics ...
 *
 * A service exports its rows as one static table; server/wiring.c joins the tables of the targets that run here.
 * Adding a service is a .proto, a svc_*.c and a line there.
 */
#pragma once

#include <stdint.h>

#include "rpc/server.h"

struct router;
struct shard;

/* What methods reach by call_app(); set before the server listens and constant from then on. */
struct app {
    struct router     *router;
    struct shard      *shard;          /* of this process; NULL: none */
    struct rpc_server *rpc;            /* for rpc_server_run */
    int64_t            query_delay_ns; /* --debug.query-delay: how long svc_shard waits before it answers a query */
    struct server     *server;         /* the wiring: configuration, readiness, tenants */
};

static inline struct app *app_of(const struct call *c) { return call_app(c); }

/* How the shard of this process is; `out` is initialised and borrows the shard's name. */
struct Hearth__Shard__V1__StatusResponse;
void shard_status(const struct app *app, struct Hearth__Shard__V1__StatusResponse *out);

/* Rows have static storage; *n receives how many. */
const struct method *push_methods(size_t *n);
const struct method *querier_methods(size_t *n);
const struct method *shard_methods(size_t *n);
const struct route  *ingest_routes(size_t *n);
const struct route  *status_routes(size_t *n);
