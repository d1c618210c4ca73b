/*
 * RPC server: the tables of what is served, and the workers that serve it.  An http_app for net/listen.h.
 */
#pragma once

#include "rpc/call.h"

enum lane { LANE_INLINE, LANE_DECODE, LANE_QUERY };

/*
 * Asked on the loop about a small request, or one of any size that the method decodes, once its caller is known: is what it asks for so little that it costs less than
 * being handed over and back, and can it be had without waiting?  Then its method runs there and then.
 */
typedef bool quick_fn(struct call *c, const ProtobufCMessage *request);

struct method {
    const char                       *path;    /* "/querier.v1.QuerierService/ProfileTypes" */
    const ProtobufCMessageDescriptor *request; /* NULL: the method reads call_message itself and is run with NULL */
    const ProtobufCMessageDescriptor *response;
    enum lane                         lane;
    size_t                            request_bytes_max; /* inflated; 0: rpc_config's */
    method_fn                        *run;
    quick_fn                         *is_quick; /* NULL: never */
};

struct route {
    const char *method; /* "GET"; a known path with another method is 405 */
    const char *path;
    enum lane   lane;
    size_t      body_bytes_max; /* over: 413 */
    route_fn   *run;
};

/*
 * Runs before the method, on the thread of its lane, and may call call_set_user.  A code other than OK ends the call with
 * `why`.  `path` is that of the row.
 */
typedef enum code authorize_fn(struct call *c, const char *path, struct fault *why);

/* On which faces of the server the row of this path is shown: bits of the app's own choosing, any of rpc_server_app's. */
typedef unsigned faces_fn(const char *path);

struct rpc_config {
    const struct method *methods; /* borrowed for the server's life, like routes */
    size_t               n_methods;
    const struct route  *routes;
    size_t               n_routes;
    struct slice         descriptors; /* FileDescriptorSet: JSON names, stream kinds, reflection */
    /* Requests that methods read themselves, and that may come in JSON: it is made protobuf for them. */
    const ProtobufCMessageDescriptor *const *messages;
    size_t                                   n_messages;
    authorize_fn        *authorize;   /* NULL: everybody */
    faces_fn            *faces;       /* NULL: everything is shown everywhere */
    void                *app;
    unsigned             decode_workers, query_workers;
    size_t               request_bytes_max;  /* inflated, for rows that say 0 */
    size_t               response_bytes_max; /* of one message, before it is packed; 0: 4 GiB */
    size_t               inflight_bytes_max; /* request bytes held by all calls; over: resource_exhausted at once */
};

struct rpc_server;

/* grpc.health.v1 and grpc.reflection.v1 (+ v1alpha) are served by the room itself, from the same tables. */
must_check enum code rpc_server_new(const struct rpc_config *config, struct rpc_server **out, struct fault *why);
void                 rpc_server_free(struct rpc_server *s); /* no call in flight; workers are joined */

/* What listeners show that have these `faces`; what has none of them is not found there. */
#define RPC_FACES_ALL (~0u)
struct http_app rpc_server_app(struct rpc_server *s, unsigned faces);

void    rpc_server_set_ready(struct rpc_server *s, bool is_ready); /* health: SERVING or NOT_SERVING */
void    rpc_server_drain(struct rpc_server *s);                    /* the streams of the room's own come to an end */
int64_t rpc_server_inflight(const struct rpc_server *s);           /* calls not yet ended */

/* Runs `fn(arg)` on a worker of the lane (never inline): how a method goes on after waiting.  False: the lane is full. */
bool rpc_server_run(struct rpc_server *s, enum lane lane, void (*fn)(void *arg), void *arg);
