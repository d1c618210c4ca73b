/* Any bytes as JSON requests: decoded or refused; what was decoded encodes, and reads back to the same JSON. */
#include <assert.h>

#include "proto/descriptors.h"
#include "proto/health.pb-c.h"
#include "proto/profile.pb-c.h"
#include "proto/querier.pb-c.h"
#include "rpc/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const ProtobufCMessageDescriptor *const kinds[] = {
    &querier__v1__select_merge_stacktraces_request__descriptor,
    &querier__v1__select_series_response__descriptor,
    &querier__v1__select_merge_stacktraces_response__descriptor,
    &grpc__health__v1__health_list_response__descriptor,
};

static struct schema *the_schema(void)
{
    static struct schema *schema;
    struct fault          why;
    size_t                n;

    if (schema == NULL) {
        const uint8_t *set = proto_descriptors(&n);
        if (schema_new(slice_make(set, n), &schema, &why) != CODE_OK)
            __builtin_trap();
    }
    return schema;
}

static void there_and_back(const struct json_type *t, const ProtobufCMessage *m, struct arena *a)
{
    struct buf        once = { 0 }, twice = { 0 };
    ProtobufCMessage *again = NULL;
    struct fault      why;

    codec_json.encode(t, m, &once);
    if (codec_json.decode(t, buf_view(&once), a, &again, &why) != CODE_OK)
        __builtin_trap();
    codec_json.encode(t, again, &twice);
    assert(slice_eq(buf_view(&once), buf_view(&twice)));
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct json_type *t = schema_type(the_schema(), kinds[i]);
        struct arena           *a = arena_new(0);
        ProtobufCMessage       *m = NULL;
        struct slice            text = slice_make(data, n);
        struct fault            why;
        size_t                  cost;
        if (codec_json.measure(t, text, 1 << 20, &cost, &why) == CODE_OK &&
            codec_json.decode(t, text, a, &m, &why) == CODE_OK)
            there_and_back(t, m, a);
        arena_free(a);
    }
    return 0;
}
