/*
 * Codec: bytes <-> messages, as protobuf or as proto3 JSON.
 *
 * D1  What bytes from outside can cost is known before it is taken: `measure` walks them once, refuses what is too
 *     deep, no message at all or above `memory_bytes_max`, and tells the memory that `decode` will take.  It comes
 *     first.
 * D2  Strings are valid UTF-8 and hold no NUL, so that they are C strings.
 * D3  A decoded message lives in the arena that was given; what it was decoded from may go.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "rpc/schema.h"

enum { CODEC_DEPTH_MAX = 100 };

struct codec {
    const char *name; /* as media types end: "proto", "json" */

    /* INVALID_ARGUMENT: not such a message, and where; RESOURCE_EXHAUSTED: memory_bytes_max. */
    enum code (*measure)(const struct json_type *type, struct slice bytes, size_t memory_bytes_max,
                         size_t *memory_bytes, struct fault *why);
    enum code (*decode)(const struct json_type *type, struct slice bytes, struct arena *a, ProtobufCMessage **out,
                        struct fault *why);
    /* INTERNAL: it has no form in this codec, as an Any of unknown type has none in JSON; what was appended is no message. */
    enum code (*encode)(const struct json_type *type, const ProtobufCMessage *message, struct buf *out,
                        struct fault *why);
};

extern const struct codec codec_proto, codec_json;

/* Protobuf without a schema, measured and decoded: what the client uses. */
must_check enum code proto_decode(const ProtobufCMessageDescriptor *d, struct slice bytes, size_t memory_bytes_max,
                                  struct arena *a, ProtobufCMessage **out, struct fault *why);
void                 proto_encode(const ProtobufCMessage *message, struct buf *out);

/* A message's bytes, borrowed: messages are only read, though their type lets write. */
static inline ProtobufCBinaryData proto_bytes(struct slice s)
{
    return (ProtobufCBinaryData){ .len = s.n, .data = (uint8_t *)(uintptr_t)s.p };
}

static inline struct slice proto_slice(ProtobufCBinaryData b) { return slice_make(b.data, b.len); }
