/* Any bytes as JSON requests: decoded or refused; what was decoded encodes, and reads back to the same JSON and bytes. */
#include <assert.h>

#include "proto/health.pb-c.h"
#include "proto/querier.pb-c.h"
#include "rpc/codec.h"
#include "tests/proto/descriptors.h"
#include "tests/proto/every.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const ProtobufCMessageDescriptor *const kinds[] = {
    &hearth__test__every__descriptor,
    &querier__v1__select_merge_stacktraces_request__descriptor,
    &querier__v1__select_merge_stacktraces_response__descriptor,
    &grpc__health__v1__health_list_response__descriptor,
};

static struct schema *the_schema(void)
{
    static struct schema *schema;
    struct fault          why;
    size_t                n;

    if (schema == NULL) {
        const uint8_t *set = test_proto_descriptors(&n);
        if (schema_new(slice_make(set, n), &schema, &why) != CODE_OK)
            __builtin_trap();
    }
    return schema;
}

static void encode_both(const struct json_type *t, const ProtobufCMessage *m, struct buf *text, struct buf *bytes)
{
    struct fault why;

    if (codec_json.encode(t, m, text, &why) != CODE_OK)
        __builtin_trap();
    proto_encode(m, bytes);
}

static void there_and_back(const struct json_type *t, const ProtobufCMessage *m, struct arena *a)
{
    struct buf        text = { 0 }, bytes = { 0 }, text_again = { 0 }, bytes_again = { 0 };
    ProtobufCMessage *again = NULL;
    struct fault      why;

    encode_both(t, m, &text, &bytes);
    if (codec_json.decode(t, buf_view(&text), a, &again, &why) != CODE_OK)
        __builtin_trap();
    encode_both(t, again, &text_again, &bytes_again);
    assert(slice_eq(buf_view(&text), buf_view(&text_again)) && slice_eq(buf_view(&bytes), buf_view(&bytes_again)));
    if (proto_decode(t->descriptor, buf_view(&bytes), SIZE_MAX / 2, a, &again, &why) != CODE_OK)
        __builtin_trap();
    buf_free(&text);
    buf_free(&bytes);
    buf_free(&text_again);
    buf_free(&bytes_again);
}

enum { MEMORY_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct json_type *t = schema_type(the_schema(), kinds[i]);
        struct arena           *a = arena_new(0);
        ProtobufCMessage       *m = NULL;
        struct slice            text = slice_make(data, n);
        struct fault            why;
        size_t                  cost;
        if (codec_json.measure(t, text, MEMORY_BYTES_MAX, &cost, &why) == CODE_OK) {
            enum code code = codec_json.decode(t, text, a, &m, &why);
            assert(arena_bytes(a) <= 2 * cost + (8 << 10)); /* D1; chunks double */
            if (code == CODE_OK)
                there_and_back(t, m, a);
        }
        arena_free(a);
    }
    return 0;
}
