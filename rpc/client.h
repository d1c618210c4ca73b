/*
 * RPC client: unary gRPC over pooled HTTP/2, for our own fan-out.  Usable from any thread; replies come on a loop thread.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct loop;
struct tls;
struct rpc_client;
struct rpc_pending;

/*
 * The message is unpacked into memory that is freed when the callback returns; NULL unless code is OK.  `was_sent`: the peer
 * may have acted on the request (net/client.h C3); true whenever it answered.
 */
typedef void rpc_reply_fn(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *response);

/* Spreads its connections over the loops.  `tls` as in net/client.h. */
struct rpc_client *rpc_client_new(struct loop *const *loops, size_t n_loops, struct tls *tls);
void               rpc_client_set_tls(struct rpc_client *c, struct tls *tls);
void               rpc_client_free(struct rpc_client *c); /* nothing pending; the loops still run, or are this thread's */

struct rpc_request {
    const char                       *address; /* "host:port" */
    const char                       *path;    /* "/hearth.shard.v1.Shard/Query" */
    const ProtobufCMessage           *message; /* encoded before rpc_client_call returns */
    const ProtobufCMessageDescriptor *response;
    const char *const                *fields; /* name, value, name, value, ..., NULL; or NULL */
    int64_t                           deadline_ns; /* monotonic, handed on as grpc-timeout; 0: none */
    size_t                            response_bytes_max;
    rpc_reply_fn                     *on_reply;
    void                             *arg;
};

/*
 * on_reply runs exactly once.  `text` names the address when the peer could not be reached (UNAVAILABLE).
 * The handle may be cancelled until then.
 */
struct rpc_pending *rpc_client_call(struct rpc_client *c, const struct rpc_request *r);
void                rpc_pending_cancel(struct rpc_pending *p);
