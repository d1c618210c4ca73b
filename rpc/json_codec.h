/*
 * The two halves of codec_json: proto3 JSON, generic over the schema.
 *
 * In: camelCase and proto names, freely mixed; unknown fields and unknown enum names are ignored; null is the default;
 * 64-bit integers as text or number, never through a double; base64 in either alphabet; of a name given twice the last
 * counts. Out: camelCase; defaults left out; 64-bit integers as text; enums by name; invalid UTF-8 replaced.
 */
#pragma once

#include "rpc/codec.h"

must_check enum code json_size_up(const struct json_type *type, struct slice text, size_t memory_bytes_max,
                                  size_t *memory_bytes, struct fault *why);
must_check enum code json_decode(const struct json_type *type, struct slice text, struct arena *a,
                                 ProtobufCMessage **out, struct fault *why);
void                 json_encode(const struct json_type *type, const ProtobufCMessage *message, struct buf *out);

/* Bytes of one value of that type in a message. */
static inline size_t value_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}
