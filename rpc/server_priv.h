/*
 * Inside the room: the tables as they are looked up, and what calls ask of their server.
 */
#pragma once

#include <stdatomic.h>

#include "base/metric.h"
#include "rpc/crew.h"
#include "rpc/schema.h"
#include "rpc/server.h"

/* One served path (of a plain route: one method on it). */
struct row {
    struct slice             path;
    const struct method     *method; /* of an RPC */
    const struct route      *route;  /* of a plain route */
    const struct json_type  *request, *response; /* `request` NULL: comes in protobuf only */
    struct schema_method     kind;
    unsigned                 faces;
    enum lane                lane;
    size_t                   request_bytes_max;
    struct row              *sibling; /* the same path, another method */
    struct histogram        *duration;
    _Atomic(struct metric *) answers[17]; /* by code; made when first needed */
};

struct rpc_server {
    struct rpc_config config;
    struct schema    *schema;
    struct row       *rows;
    size_t            n_rows;
    struct row      **buckets; /* [n_buckets], open addressing by hash of the path */
    size_t            n_buckets;
    struct crew      *decode, *query;
    struct arena     *arena;
    struct method    *own; /* health and reflection */
    size_t            n_own;
    struct metric    *unrouted; /* answers to paths that nobody serves */
    struct metric    *inflight_shown, *inflight_bytes_shown;
    _Atomic bool      is_ready, is_draining;
    _Atomic int64_t   inflight;
    _Atomic size_t    inflight_bytes;
};

/* The server as the listeners of one kind show it. */
struct face {
    struct rpc_server *server;
    unsigned           shows;
};

/* NULL: nobody serves it there. */
struct row *face_row(const struct face *f, struct slice path);

/* Request memory: taken before it is allocated.  False: over the limit of the server. */
bool server_charge(struct rpc_server *s, size_t bytes);
void server_discharge(struct rpc_server *s, size_t bytes);

/* A call begins and is gone. */
void server_opened(struct rpc_server *s);
void server_closed(struct rpc_server *s);

struct crew *server_crew(const struct rpc_server *s, enum lane which);
void         server_count(struct row *row, enum code code, int64_t duration_ns);

/* The rows that the room serves itself. */
const struct method *health_methods(size_t *n);
const struct method *reflection_methods(size_t *n);

struct rpc_server *call_server(const struct call *c);

/* The i-th service shown where the call came in ("grpc.health.v1.Health"), each once; empty when there are no more. */
struct slice call_service(const struct call *c, size_t i);
