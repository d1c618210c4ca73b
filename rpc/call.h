/*
 * Call: one RPC, whatever its dialect (Connect, gRPC, gRPC-Web), codec (proto, JSON) and HTTP version.  Also one plain
 * HTTP request, for the few routes that are not RPCs.
 *
 *     net --head, body--> call (loop thread) --lane--> method_fn (worker) --reply--> call --> net
 *
 * R1  method_fn runs once, on the thread of its lane: LANE_INLINE on the loop (bounded work only), the others on a worker.
 * R2  Each call is ended exactly once, by call_reply, call_fail or call_http, from any thread, during method_fn or later:
 *     a method that waits for others returns without ending the call and ends it when they have answered.
 * R3  The request message, the arena and everything call_* returns stay valid until the call is ended.
 * R4  A client that goes away or runs out of time sets call_is_cancelled; the deadline is answered without the method.
 *     The method still ends the call (the answer is thrown away).
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"
#include "net/http.h"

struct call;

typedef void method_fn(struct call *call, const ProtobufCMessage *request);
typedef void route_fn(struct call *call, struct slice body);

struct arena *call_arena(struct call *c);
void         *call_app(const struct call *c);      /* rpc_config.app */
int64_t       call_deadline_ns(const struct call *c); /* monotonic; INT64_MAX: none */
bool          call_is_cancelled(const struct call *c);
struct slice  call_field(const struct call *c, const char *name); /* a request header, lower-case */
struct slice  call_path(const struct call *c);
struct slice  call_query(const struct call *c); /* plain routes: behind '?', not decoded */

/* Set by rpc_config.authorize for the methods to read: who calls. */
void  call_set_user(struct call *c, void *user);
void *call_user(const struct call *c);

/* End the call.  The message is encoded before call_reply returns. */
void call_reply(struct call *c, const ProtobufCMessage *response);
void call_fail(struct call *c, const struct fault *why);

/* End a plain route: status, media type, body (copied). */
void call_http(struct call *c, int status, const char *content_type, struct slice body);
