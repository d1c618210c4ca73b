/*
 * Codec: bytes <-> messages, as protobuf or as proto3 JSON.
 *
 * D1  What bytes from outside can cost is bounded before it is taken: they are measured (depth, values, memory) in one pass,
 *     and refused above CODEC_DEPTH_MAX or `memory_bytes_max`.
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
    enum code (*decode)(const struct json_type *type, struct slice bytes, size_t memory_bytes_max, struct arena *a,
                        ProtobufCMessage **out, struct fault *why);
    void (*encode)(const struct json_type *type, const ProtobufCMessage *message, struct buf *out);
};

extern const struct codec codec_proto, codec_json;

/* Protobuf without a schema: what the client uses. */
must_check enum code proto_decode(const ProtobufCMessageDescriptor *d, struct slice bytes, size_t memory_bytes_max,
                                  struct arena *a, ProtobufCMessage **out, struct fault *why);
void                 proto_encode(const ProtobufCMessage *message, struct buf *out);
