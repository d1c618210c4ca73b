/* Any bytes as protobuf: decoded within the memory allowed or refused; what was decoded encodes, in JSON too if it can. */
#include <assert.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "proto/profile.pb-c.h"
#include "proto/push.pb-c.h"
#include "proto/querier.pb-c.h"
#include "proto/status.pb-c.h"
#include "rpc/codec.h"
#include "tests/proto/descriptors.h"
#include "tests/proto/every.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const ProtobufCMessageDescriptor *const kinds[] = {
    &hearth__test__every__descriptor,       &google__rpc__status__descriptor,
    &querier__v1__diff_request__descriptor, &push__v1__push_request__descriptor,
    &google__v1__profile__descriptor,       &google__protobuf__descriptor_proto__descriptor,
};

enum { MEMORY_BYTES_MAX = 1 << 18 };

static struct schema *the_schema(void)
{
    static struct schema *schema;
    struct fault          why;
    size_t                n;

    if (schema == NULL) {
        const uint8_t *set = test_proto_descriptors(&n);
        if (schema_new(slice_make(set, n), &schema, &why) != CODE_OK)
            __builtin_trap();
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if (schema_type(schema, kinds[i]) == NULL)
                __builtin_trap();
    }
    return schema;
}

/* Not everything can be written, nor is all that is written shallow enough to be read again. */
static void as_json(const ProtobufCMessage *m, struct arena *a)
{
    const struct json_type *t = schema_type(the_schema(), m->descriptor);
    struct buf              text = { 0 }, again = { 0 };
    ProtobufCMessage       *back;
    struct fault            why;

    if (codec_json.encode(t, m, &text, &why) == CODE_OK &&
        codec_json.decode(t, buf_view(&text), a, &back, &why) == CODE_OK) {
        if (codec_json.encode(t, back, &again, &why) != CODE_OK)
            __builtin_trap();
        assert(slice_eq(buf_view(&text), buf_view(&again)));
    }
    buf_free(&text);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct arena     *a = arena_new(0);
        ProtobufCMessage *m = NULL;
        struct fault      why;
        struct buf        out = { 0 };
        if (proto_decode(kinds[i], slice_make(data, n), MEMORY_BYTES_MAX, a, &m, &why) == CODE_OK) {
            proto_encode(m, &out);
            assert(arena_bytes(a) <= 4 * MEMORY_BYTES_MAX); /* the walk counted right; chunks double */
            as_json(m, a);
        }
        buf_free(&out);
        arena_free(a);
    }
    return 0;
}
