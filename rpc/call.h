/*
 * Call: one RPC, whatever its dialect (Connect, gRPC, gRPC-Web), kind (unary, client, server or both stream), codec (proto,
 * JSON) and HTTP version.  Also one plain HTTP request, for the few routes that are not RPCs.
 *
 *     net --head, body--> call (loop thread) --lane--> method_fn (worker) --reply--> call --> net
 *
 * R1  method_fn runs on the thread of its lane: LANE_INLINE on the loop (bounded work only), the others on a worker, or
 *     on the loop when it is quick (rpc/server.h).  It runs once; when the client streams, with the first message, with
 *     each further one that call_next asks for, and with NULL when there are no more.
 * R2  Each call is ended exactly once, by call_reply, call_close, call_fail or call_http, from any thread, while the
 *     method runs or later: a method that waits for others returns and the call goes on when they have answered.
 * R3  The request message, the arena and everything call_* returns stay valid until the call is ended; of a client's
 *     stream, message and arena until call_next.
 * R4  A client that goes away or runs out of time sets call_is_cancelled; the deadline is answered without the method.
 *     The method still ends the call (the answer is thrown away).  One that waits (R5) runs once more for that at once:
 *     with NULL, or its `resume`.
 * R5  Nothing waits on a thread.  call_next, call_when_room and call_after say what is waited for and are the last thing
 *     a method does before it returns; the next step runs on its lane.  (On the loop, only to end the call, when its
 *     lane is full.)
 * R6  Flow control follows consumption: bytes of a stream are given back to its sender when call_next wants a message,
 *     and call_next waits while much of the answer lies unsent.  A slow reader or writer holds bounded memory and no
 *     worker, as long as methods that answer without being asked look at call_has_room.
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
typedef void resume_fn(struct call *call);

/* ---- what is asked ---- */

struct arena *call_arena(struct call *c);
struct arena *call_memory(struct call *c);            /* small things that live as long as the call */
void         *call_app(const struct call *c);         /* rpc_config.app */
int64_t       call_deadline_ns(const struct call *c); /* monotonic; INT64_MAX: none */
bool          call_is_cancelled(const struct call *c);
struct slice  call_field(const struct call *c, const char *name); /* the first of a request header, lower-case */
const struct http_field *call_fields(const struct call *c, size_t *n);
struct slice             call_path(const struct call *c);
struct slice call_query(const struct call *c); /* behind '?', not decoded: of plain routes, and of Connect's GET */
bool         call_is_get(const struct call *c);
struct slice
     call_message(const struct call *c); /* protobuf, of methods that read it themselves; lives as long as the call */
bool call_is_inline(const struct call *c);                                  /* its method runs on the loop */
const ProtobufCMessageDescriptor *call_response_type(const struct call *c); /* what call_send and call_reply take */

/* Whom the client's verified certificate names (net/http.h); none without one. */
const struct slice *call_peer_names(const struct call *c, size_t *n);

/* Set by rpc_config.authorize for the methods to read: who calls.  In an arena that lives as long as the call. */
void  call_set_user(struct call *c, void *user);
void *call_user(const struct call *c);

/* Request memory, which the call gives back when it goes; false: call_too_busy.  Any thread. */
must_check bool call_charge(struct call *c, size_t bytes);
enum code       call_too_busy(struct fault *why);

/* ---- metadata of the answer: copied; values of names that end in -bin are base64 (rpc/metadata.h) ---- */

enum { CALL_METADATA_MAX = 48 }; /* of each of the two */

void call_add_header(struct call *c, struct slice name, struct slice value);  /* before the first answer */
void call_add_trailer(struct call *c, struct slice name, struct slice value); /* before the end */

/* A detail of the fault that ends the call: the message's full name and its protobuf bytes.  Before call_fail. */
void call_add_detail(struct call *c, struct slice type, struct slice value);

/* ---- streams ---- */

void call_next(struct call *c);
void call_open(struct call *c);                                  /* sends the headers before there is a message */
void call_send(struct call *c, const ProtobufCMessage *message); /* one answer of several; encoded at once */
bool call_has_room(const struct call *c);
void call_when_room(struct call *c, resume_fn *resume);
void call_after(struct call *c, int64_t ns, resume_fn *resume); /* unary methods may wait as well */

/* ---- the end ---- */

/* With the one answer there is.  The message is encoded before call_reply returns. */
void call_reply(struct call *c, const ProtobufCMessage *response);
/* Of a stream, after its last answer. */
void call_close(struct call *c);
void call_fail(struct call *c, const struct fault *why);

/* A plain route: status, media type, body (copied). */
void call_http(struct call *c, int status, const char *content_type, struct slice body);
