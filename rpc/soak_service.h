/*
 * For the soak: a service with a method of every kind, on every lane, that answers at once, later, or from elsewhere.
 */
#pragma once

#include <unistd.h>

#include "base/clock.h"
#include "rpc/server.h"
#include "rpc/soak_question.h"
#include "tests/conformance/service.pb-c.h"

typedef Connectrpc__Conformance__V1__ConformancePayload payload;

/* All answers look alike. */
struct answer {
    ProtobufCMessage base;
    payload         *payload;
};

static struct answer pod(const ProtobufCMessageDescriptor *response, payload *p)
{
    connectrpc__conformance__v1__conformance_payload__init(p);
    p->data = (ProtobufCBinaryData){ 3, (uint8_t *)"pod" };
    return (struct answer){ PROTOBUF_C_MESSAGE_INIT(response), p };
}

static void reply(struct call *c, const ProtobufCMessageDescriptor *response)
{
    payload       p;
    struct answer a = pod(response, &p);

    call_reply(c, &a.base);
}

static void end_with(struct call *c, enum code code)
{
    struct fault why;

    (void)fail(&why, code, "as asked");
    call_fail(c, &why);
}

static void at_once(struct call *c, const ProtobufCMessage *request)
{
    (void)request;
    reply(c, &connectrpc__conformance__v1__unary_response__descriptor);
}

static void go_on(void *arg)
{
    usleep(50);
    reply(arg, &connectrpc__conformance__v1__idempotent_unary_response__descriptor);
}

/* The method returns before its call is ended, on another lane. */
static void elsewhere(struct call *c, const ProtobufCMessage *request)
{
    (void)request;
    if (!rpc_server_run(call_app(c), LANE_QUERY, go_on, c))
        end_with(c, CODE_RESOURCE_EXHAUSTED);
}

static void refuse(struct call *c, const ProtobufCMessage *request)
{
    (void)request;
    for (int i = 0; i < 4 && !call_is_cancelled(c); i++)
        usleep(50);
    end_with(c, CODE_NOT_FOUND);
}

static void pour(struct call *c)
{
    unsigned     *left = call_user(c);
    payload       p;
    struct answer a = pod(&connectrpc__conformance__v1__server_stream_response__descriptor, &p);

    if (call_is_cancelled(c)) {
        end_with(c, CODE_CANCELED);
    } else if (*left == 0) {
        call_close(c);
    } else {
        call_send(c, &a.base);
        if (--*left % 2)
            call_after(c, NS_PER_MS / 5, pour);
        else
            call_when_room(c, pour);
    }
}

static void several(struct call *c, const ProtobufCMessage *request)
{
    unsigned *left = arena_alloc(call_memory(c), sizeof *left);

    (void)request;
    *left = SEVERAL;
    call_set_user(c, left);
    pour(c);
}

static void gather(struct call *c, const ProtobufCMessage *request)
{
    if (request != NULL)
        call_next(c);
    else if (call_is_cancelled(c))
        end_with(c, CODE_CANCELED);
    else
        reply(c, &connectrpc__conformance__v1__client_stream_response__descriptor);
}

static void echo(struct call *c, const ProtobufCMessage *request)
{
    payload       p;
    struct answer a = pod(&connectrpc__conformance__v1__bidi_stream_response__descriptor, &p);

    if (request != NULL) {
        call_send(c, &a.base);
        call_next(c);
    } else if (call_is_cancelled(c)) {
        end_with(c, CODE_CANCELED);
    } else {
        call_close(c);
    }
}

static enum code authorize(struct call *c, const char *path, struct fault *why)
{
    (void)path;
    return call_field(c, "x-stranger").p ? fail(why, CODE_UNAUTHENTICATED, "who are you") : CODE_OK;
}

#define METHOD(name, stem, lane, run)                                                                                  \
    {                                                                                                                  \
        SERVICE name, &connectrpc__conformance__v1__##stem##_request__descriptor,                                      \
            &connectrpc__conformance__v1__##stem##_response__descriptor, lane, 0, run, NULL                            \
    }

static const struct method methods[] = {
    METHOD("Unary", unary, LANE_INLINE, at_once),
    METHOD("IdempotentUnary", idempotent_unary, LANE_DECODE, elsewhere),
    METHOD("Unimplemented", unimplemented, LANE_QUERY, refuse),
    METHOD("ServerStream", server_stream, LANE_QUERY, several),
    METHOD("ClientStream", client_stream, LANE_DECODE, gather),
    METHOD("BidiStream", bidi_stream, LANE_INLINE, echo),
};
