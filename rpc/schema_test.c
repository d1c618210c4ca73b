/*
 * Goal: what the descriptor set says of methods and types is found by name, and nothing else is.
 * Method: the embedded set, and a set of one file that lacks what the messages of that name have.
 */
#include "rpc/schema.h"

#include <assert.h>
#include <stdlib.h>

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "proto/descriptors.h"
#include "proto/health.pb-c.h"
#include "proto/querier.pb-c.h"
#include "proto/status.pb-c.h"

static struct schema *embedded(void)
{
    struct schema *s;
    struct fault   why;
    size_t         n;
    const uint8_t *set = proto_descriptors(&n);

    if (schema_new(slice_make(set, n), &s, &why) != CODE_OK)
        abort();
    return s;
}

static void test_methods(void)
{
    struct schema       *s = embedded();
    struct schema_method m;

    assert(schema_method(s, SLICE("/querier.v1.QuerierService/Diff"), &m));
    assert(m.is_safe && !m.client_streams && !m.server_streams);
    assert(schema_method(s, SLICE("/push.v1.PusherService/Push"), &m) && !m.is_safe);
    assert(schema_method(s, SLICE("/grpc.health.v1.Health/Watch"), &m) && !m.is_safe && m.server_streams);
    assert(!schema_method(s, SLICE("/querier.v1.QuerierService/diff"), &m));
    assert(!schema_method(s, SLICE("/querier.v1.QuerierService"), &m) && !schema_method(s, SLICE(""), &m));
    schema_free(s);
}

static void test_types(void)
{
    struct schema          *s = embedded();
    const struct json_type *any = schema_type_named(s, SLICE("google.protobuf.Any"));

    assert(any != NULL && any->kind == KIND_ANY && any->descriptor == &google__protobuf__any__descriptor);
    assert(schema_type_named(s, SLICE("google.protobuf.Struct"))->fields[0].message->kind == KIND_MAP_ENTRY);
    assert(schema_type_named(s, SLICE("google.protobuf.Value"))->fields[0].takes_null);
    assert(schema_type_named(s, SLICE("google.rpc.Status")) == NULL);
    assert(schema_type(s, &google__rpc__status__descriptor) != NULL);
    assert(schema_type_named(s, SLICE("google.rpc.Status"))->fields[2].message == any);
    assert(schema_type_named(s, SLICE("querier.v1.FlameGraph")) == NULL);
    assert(schema_type(s, &querier__v1__select_merge_stacktraces_response__descriptor) != NULL);
    assert(schema_type_named(s, SLICE("querier.v1.FlameGraph"))->kind == KIND_FIELDS);
    schema_free(s);
}

/* package grpc.health.v1; message HealthListResponse {} message HealthCheckResponse {} */
static void test_other_set(void)
{
    static const char other[] = "\x0A\x3B"
                                "\x12\x0Egrpc.health.v1"
                                "\x22\x14\x0A\x12HealthListResponse"
                                "\x22\x13\x0A\x11HealthListRequest";
    struct schema    *s;
    struct fault      why;

    assert(schema_new(slice_of(other), &s, &why) == CODE_OK);
    assert(schema_type(s, &grpc__health__v1__health_list_request__descriptor) != NULL);
    for (int i = 0; i < 2; i++)
        assert(schema_type(s, &grpc__health__v1__health_list_response__descriptor) == NULL);
    assert(schema_type_named(s, SLICE("grpc.health.v1.HealthListResponse")) == NULL);
    assert(schema_type_named(s, SLICE("google.protobuf.Any")) == NULL);
    schema_free(s);
    assert(schema_new(SLICE("\x0A\x3B"), &s, &why) == CODE_INTERNAL);
}

int main(void)
{
    test_methods();
    test_types();
    test_other_set();
    return 0;
}
