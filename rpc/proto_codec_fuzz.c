/* Any bytes as protobuf: decoded within the memory allowed or refused; what was decoded encodes in both codecs. */
#include <assert.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "proto/profile.pb-c.h"
#include "proto/push.pb-c.h"
#include "proto/querier.pb-c.h"
#include "rpc/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const ProtobufCMessageDescriptor *const kinds[] = {
    &querier__v1__diff_request__descriptor,
    &push__v1__push_request__descriptor,
    &google__v1__profile__descriptor,
    &google__protobuf__descriptor_proto__descriptor,
    &querier__v1__select_heatmap_response__descriptor,
};

enum { MEMORY_BYTES_MAX = 1 << 18 };

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
        }
        buf_free(&out);
        arena_free(a);
    }
    return 0;
}
