/*
 * Goal: every server tells what it serves and whether it does: reflection and health, also as streams.
 * Method: a server of the toys of test_world.h, asked for descriptors and its state.
 */
#include "proto/health.pb-c.h"
#include "proto/reflection.pb-c.h"
#include "rpc/test_world.h"

static struct slice reflection_question(const char *symbol)
{
    Grpc__Reflection__V1__ServerReflectionRequest q = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct buf                                    b = { 0 };

    q.message_request_case =
        symbol ? GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL
               : GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    q.list_services = (char *)(symbol ? symbol : "");
    proto_encode(&q.base, &b);
    struct slice out = enveloped(0, buf_view(&b));
    buf_free(&b);
    return out;
}

static Grpc__Reflection__V1__ServerReflectionResponse *reflection_answer(struct slice *body)
{
    ProtobufCMessage *m;
    struct fault      why;
    uint8_t           flags;
    struct slice      one = unwrapped(*body, &flags, body);
    enum code         code =
        proto_decode(&grpc__reflection__v1__server_reflection_response__descriptor, one, 1 << 20, kept, &m, &why);

    assert(code == CODE_OK && flags == 0);
    return (void *)m;
}

/* Three questions on one stream, answered in order. */
static void test_reflection(const char *path)
{
    struct buf body = { 0 };

    buf_slice(&body, reflection_question(NULL));
    buf_slice(&body, reflection_question("querier.v1.QuerierService.LabelValues"));
    buf_slice(&body, reflection_question("no.such.Thing"));
    struct got got = ask("POST", path, FIELDS(GRPC, "te", "trailers"), buf_view(&body));
    assert(got.status == 200 && slice_is(got.grpc_status, "0") && got.has_trailers);

    Grpc__Reflection__V1__ServerReflectionResponse *r = reflection_answer(&got.body);
    assert(r->list_services_response->n_service == 5);
    assert(strcmp(r->list_services_response->service[0]->name, "querier.v1.QuerierService") == 0);
    r = reflection_answer(&got.body);
    assert(r->file_descriptor_response->n_file_descriptor_proto == 3); /* querier, profile, types */
    r = reflection_answer(&got.body);
    assert(r->error_response->error_code == CODE_NOT_FOUND && got.body.n == 0);
    buf_free(&body);
}

/* More answers than may wait unread: the questions wait in their turn, and none is lost. */
static void test_long_stream(void)
{
    enum { QUESTIONS = 20000 };
    struct buf   body = { 0 };
    struct slice question = reflection_question(NULL);
    size_t       n = 0;

    for (size_t i = 0; i < QUESTIONS; i++)
        buf_slice(&body, question);
    struct got got = ask("POST", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                         FIELDS(GRPC, "te", "trailers"), buf_view(&body));
    assert(got.status == 200 && slice_is(got.grpc_status, "0") && got.body.n > 2 << 20);
    for (uint8_t flags; got.body.n > 0; n++)
        (void)unwrapped(got.body, &flags, &got.body);
    assert(n == QUESTIONS);
    buf_free(&body);
}

static void test_health(void)
{
    rpc_server_set_ready(server, false);
    struct got got = ask("POST", "/grpc.health.v1.Health/Check", FIELDS(JSON), SLICE("{}"));
    assert(slice_is(got.body, "{\"status\":\"NOT_SERVING\"}"));
    rpc_server_set_ready(server, true);
    got = ask("POST", "/grpc.health.v1.Health/Check", FIELDS(JSON), SLICE("{\"service\":\"push.v1.PusherService\"}"));
    assert(slice_is(got.body, "{\"status\":\"SERVING\"}"));
    expect_json_error(ask("POST", "/grpc.health.v1.Health/Check", FIELDS(JSON), SLICE("{\"service\":\"x\"}")), 404,
                      "not_found", "x");
    got = ask("POST", "/grpc.health.v1.Health/List", FIELDS(JSON), SLICE("{}"));
    assert(
        slice_starts(got.body, SLICE("{\"statuses\":{\"\":{\"status\":\"SERVING\"},\"querier.v1.QuerierService\":")));
    assert(ask("POST", "/grpc.health.v1.Health/Watch", FIELDS(JSON), SLICE("{}")).status == 415);
    got = ask("POST", "/grpc.health.v1.Health/Watch", FIELDS(GRPC, "grpc-timeout", "300m"), enveloped(0, SLICE("")));
    assert(slice_eq(got.body, SLICE("\0\0\0\0\2\x08\1")) && slice_is(got.grpc_status, "4") && got.has_trailers);
}

int main(void)
{
    world_begin();
    test_reflection("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    test_reflection("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
    test_long_stream();
    test_health();
    world_end();
    return 0;
}
