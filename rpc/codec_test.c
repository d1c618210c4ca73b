/*
 * Goal: bytes become messages and back in both codecs; whatever is wrong is refused, with the place named.
 * Method: querier and health messages of the embedded descriptor set stand for all: they have every kind of field.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "proto/descriptors.h"
#include "proto/health.pb-c.h"
#include "proto/push.pb-c.h"
#include "proto/querier.pb-c.h"
#include "rpc/codec.h"

static struct schema *schema;
static struct arena  *arena;

static const struct json_type *type_of(const ProtobufCMessageDescriptor *d)
{
    const struct json_type *t = schema_type(schema, d);
    assert(t != NULL);
    return t;
}

static enum code decode_n(const struct codec *codec, const ProtobufCMessageDescriptor *d, struct slice text,
                          size_t memory, void *out, struct fault *why)
{
    char             *exact = malloc(text.n ? text.n : 1);
    ProtobufCMessage *m = NULL;

    if (text.n > 0)
        memcpy(exact, text.p, text.n);
    struct slice bytes = slice_make(exact, text.n);
    size_t       cost;
    enum code    code = codec->measure(type_of(d), bytes, memory, &cost, why);
    if (code == CODE_OK)
        code = codec->decode(type_of(d), bytes, arena, &m, why);
    free(exact); /* D3 */
    *(ProtobufCMessage **)out = m;
    return code;
}

static void expect_json(const ProtobufCMessage *m, const char *want)
{
    struct buf   out = { 0 };
    struct fault why;

    assert(codec_json.encode(type_of(m->descriptor), m, &out, &why) == CODE_OK);
    if (!slice_is(buf_view(&out), want))
        printf("%.*s\n%s\n", SLICE_ARGS(buf_view(&out)), want);
    assert(slice_is(buf_view(&out), want));
    buf_free(&out);
}

static const ProtobufCMessageDescriptor *const stacktraces = &querier__v1__select_merge_stacktraces_request__descriptor;

static void test_requests(void)
{
    struct fault                                why;
    Querier__V1__SelectMergeStacktracesRequest *m;
    static const char text[] = "{ \"profile_typeID\":\"old\", \"profileTypeID\":\"a:b\",\"label_selector\":\"{}\","
                               "\"start\":\"9223372036854775807\",\"end\":-9007199254740993, \"maxNodes\": 1e2,"
                               "\"format\":\"PROFILE_FORMAT_NEW\", \"unknown\":[{\"x\":[]}],"
                               "\"stackTraceSelector\":{\"call_site\":[{\"name\":\"m\\u00fcn\"},{}]}, \"async\":null,"
                               "\"profileIdSelector\":[\"x\",\"y\"]}";

    assert(decode_n(&codec_json, stacktraces, slice_of(text), 1 << 20, &m, &why) == CODE_OK);
    assert(strcmp(m->profile_typeid, "a:b") == 0 && strcmp(m->label_selector, "{}") == 0);
    assert(m->start == INT64_MAX && m->end == -9007199254740993);
    assert(m->_max_nodes_case == QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST___MAX_NODES_MAX_NODES &&
           m->max_nodes == 100);
    assert(m->format == 0 && m->async == NULL && m->n_profile_id_selector == 2);
    assert(m->stack_trace_selector->n_call_site == 2);
    assert(strcmp(m->stack_trace_selector->call_site[0]->name, "m\xC3\xBCn") == 0);
    expect_json(&m->base, "{\"profileTypeID\":\"a:b\",\"labelSelector\":\"{}\",\"start\":\"9223372036854775807\","
                          "\"end\":\"-9007199254740993\",\"maxNodes\":\"100\",\"stackTraceSelector\":{\"callSite\":"
                          "[{\"name\":\"m\xC3\xBCn\"},{}]},\"profileIdSelector\":[\"x\",\"y\"]}");

    struct buf bytes = { 0 };
    assert(codec_proto.encode(type_of(stacktraces), &m->base, &bytes, &why) == CODE_OK);
    Querier__V1__SelectMergeStacktracesRequest *again;
    assert(decode_n(&codec_proto, stacktraces, buf_view(&bytes), 1 << 20, &again, &why) == CODE_OK);
    assert(again->max_nodes == 100 && again->end == m->end && again->stack_trace_selector->n_call_site == 2);
    buf_free(&bytes);
}

static void test_answers(void)
{
    int64_t                                     values[] = { 0, 12, -1, 0 };
    Querier__V1__Level                          level = QUERIER__V1__LEVEL__INIT, *levels = &level;
    Querier__V1__FlameGraph                     graph = QUERIER__V1__FLAME_GRAPH__INIT;
    Querier__V1__SelectMergeStacktracesResponse r = QUERIER__V1__SELECT_MERGE_STACKTRACES_RESPONSE__INIT;
    char                                       *names[] = { "total", "a\"b\\\n\x01", "bad\xFF\xC3" };
    uint8_t                                     tree[] = { 0xFF, 0xFE, 0xFD, 0xFC };

    expect_json(&r.base, "{}");
    level.values = values, level.n_values = 4;
    graph.levels = &levels, graph.n_levels = 1, graph.names = names, graph.n_names = 3, graph.total = 12;
    r.flamegraph = &graph;
    r.tree = (ProtobufCBinaryData){ 4, tree };
    expect_json(&r.base,
                "{\"flamegraph\":{\"names\":[\"total\",\"a\\\"b\\\\\\n\\u0001\",\"bad\xEF\xBF\xBD\xEF\xBF\xBD\"],"
                "\"levels\":[{\"values\":[\"0\",\"12\",\"-1\",\"0\"]}],\"total\":\"12\"},\"tree\":\"//79/A==\"}");

    Types__V1__Point point = TYPES__V1__POINT__INIT;
    point.value = 0.1;
    expect_json(&point.base, "{\"value\":0.1}");
    point.value = -1e21;
    expect_json(&point.base, "{\"value\":-1e+21}");
    point.value = 123456789;
    expect_json(&point.base, "{\"value\":123456789}");

    Grpc__Health__V1__HealthCheckResponse health = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    health.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    expect_json(&health.base, "{\"status\":\"SERVING\"}");
    health.status = 77;
    expect_json(&health.base, "{\"status\":77}");
}

static void test_maps(void)
{
    struct fault                          why;
    Grpc__Health__V1__HealthListResponse *m;
    const struct slice text = SLICE("{\"statuses\":{\"\":{\"status\":1},\"a.b\":{\"status\":\"NOT_SERVING\"}}}");

    assert(decode_n(&codec_json, &grpc__health__v1__health_list_response__descriptor, text, 1 << 20, &m, &why) ==
           CODE_OK);
    assert(m->n_statuses == 2 && m->statuses[1]->value->status == 2);
    expect_json(&m->base, "{\"statuses\":{\"\":{\"status\":\"SERVING\"},\"a.b\":{\"status\":\"NOT_SERVING\"}}}");
}

static void test_bytes(void)
{
    struct fault           why;
    Push__V1__PushRequest *m;
    const char *const      spellings[] = { "+/8=", "-_8=", "-_8", "+/8" };

    for (size_t i = 0; i < 4; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"series\":[{\"samples\":[{\"rawProfile\":\"%s\",\"ID\":\"i\"}]}]}",
                 spellings[i]);
        assert(decode_n(&codec_json, &push__v1__push_request__descriptor, slice_of(text), 1 << 20, &m, &why) ==
               CODE_OK);
        ProtobufCBinaryData raw = m->series[0]->samples[0]->raw_profile;
        assert(raw.len == 2 && raw.data[0] == 0xFB && raw.data[1] == 0xFF);
    }
}

static void refuse(const struct codec *codec, struct slice text, enum code want, const char *word)
{
    struct fault      why = { 0 };
    ProtobufCMessage *m;
    enum code         code = decode_n(codec, stacktraces, text, 1 << 20, &m, &why);

    if (code != want || strstr(why.text, word) == NULL)
        printf("%.*s: %d %s\n", SLICE_ARGS(text), code, why.text);
    assert(code == want && strstr(why.text, word) != NULL);
}

static void test_bad_json(void)
{
    struct buf deep = { 0 };

    refuse(&codec_json, SLICE(""), CODE_INVALID_ARGUMENT, "empty");
    refuse(&codec_json, SLICE("[]"), CODE_INVALID_ARGUMENT, "not an object");
    refuse(&codec_json, SLICE("{\"start\":}"), CODE_INVALID_ARGUMENT, "line 1");
    refuse(&codec_json, SLICE("{\"start\":\"x\"}"), CODE_INVALID_ARGUMENT, "start: not a 64-bit integer");
    refuse(&codec_json, SLICE("{\"start\":1.5}"), CODE_INVALID_ARGUMENT, "start");
    refuse(&codec_json, SLICE("{\"start\":\"9223372036854775808\"}"), CODE_INVALID_ARGUMENT, "start");
    refuse(&codec_json, SLICE("{\"labelSelector\":3}"), CODE_INVALID_ARGUMENT, "labelSelector: not a string");
    refuse(&codec_json, SLICE("{\"labelSelector\":\"\\ud800\"}"), CODE_INVALID_ARGUMENT, "not JSON");
    refuse(&codec_json, SLICE("{\"labelSelector\":\"a\\u0000b\"}"), CODE_INVALID_ARGUMENT, "without a NUL");
    refuse(&codec_json, SLICE("{\"labelSelector\":\"\xFF\"}"), CODE_INVALID_ARGUMENT, "not JSON");
    refuse(&codec_json, SLICE("{\"profileIdSelector\":[null]}"), CODE_INVALID_ARGUMENT, "profileIdSelector");
    refuse(&codec_json, SLICE("{\"format\":99999999999}"), CODE_INVALID_ARGUMENT, "format");
    for (int i = 0; i < 200; i++)
        buf_text(&deep, "{\"a\":");
    refuse(&codec_json, buf_view(&deep), CODE_INVALID_ARGUMENT, "deeper");
    deep.n = 0;
    for (int i = 0; i < 20000; i++)
        buf_text(&deep, "[],");
    refuse(&codec_json, buf_view(&deep), CODE_RESOURCE_EXHAUSTED, "memory");
    buf_free(&deep);
}

static void test_bad_proto(void)
{
    struct buf many = { 0 };

    refuse(&codec_proto, SLICE("\x0A\x05xx"), CODE_INVALID_ARGUMENT, "not a protobuf message");
    refuse(&codec_proto, SLICE("\x0A\x02\xC3\x28"), CODE_INVALID_ARGUMENT, "profile_typeID: not valid UTF-8");
    refuse(&codec_proto,
           SLICE("\x0A\x03"
                 "a\0b"),
           CODE_INVALID_ARGUMENT, "NUL");
    refuse(&codec_proto, SLICE("\x08\x01"), CODE_INVALID_ARGUMENT, "wire type");
    refuse(&codec_proto, SLICE("\x0B\x0C"), CODE_INVALID_ARGUMENT, "not a protobuf message");
    for (int i = 0; i < 100000; i++)
        buf_put(&many, "\x42\x00", 2); /* profile_id_selector: "" */
    refuse(&codec_proto, buf_view(&many), CODE_RESOURCE_EXHAUSTED, "memory");
    buf_free(&many);
}

/* DescriptorProto.nested_type (3) inside itself. */
static void test_deep_proto(void)
{
    struct fault      why = { 0 };
    ProtobufCMessage *m;
    struct buf        deep = { 0 }, outer = { 0 };

    for (int i = 0; i < 110; i++) {
        outer.n = 0;
        buf_byte(&outer, 3 << 3 | 2);
        if (deep.n >= 128)
            buf_byte(&outer, (uint8_t)(deep.n | 0x80));
        buf_byte(&outer, (uint8_t)(deep.n >= 128 ? deep.n >> 7 : deep.n));
        buf_slice(&outer, buf_view(&deep));
        deep.n = 0;
        buf_slice(&deep, buf_view(&outer));
        enum code code =
            proto_decode(&google__protobuf__descriptor_proto__descriptor, buf_view(&deep), 1 << 20, arena, &m, &why);
        assert(code == (i < CODEC_DEPTH_MAX ? CODE_OK : CODE_INVALID_ARGUMENT));
    }
    buf_free(&deep);
    buf_free(&outer);
}

int main(void)
{
    struct fault   why;
    size_t         n;
    const uint8_t *set = proto_descriptors(&n);

    arena = arena_new(0);
    if (schema_new(slice_make(set, n), &schema, &why) != CODE_OK)
        return 1;
    test_requests();
    test_answers();
    test_maps();
    test_bytes();
    test_bad_json();
    test_bad_proto();
    test_deep_proto();
    schema_free(schema);
    arena_free(arena);
    return 0;
}
