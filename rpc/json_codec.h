/*
 * The two halves of codec_json: proto3 JSON, generic over the schema.
 *
 * In: camelCase and proto names, freely mixed; unknown fields and unknown enum names are ignored; null is the default;
 * integers as text or number, exact to 64 bits however they are written; base64 in either alphabet; of a name given twice
 * the last counts. Out: camelCase; defaults left out; 64-bit integers as text; enums by name; invalid UTF-8 replaced. The
 * well-known types have their own forms both ways (json_wkt.c); what an Any holds must be of a type that the schema knows.
 *
 * N1  Neither half goes deeper than CODEC_DEPTH_MAX messages, those inside an Any included.
 */
#pragma once

#include "rpc/codec.h"
#include "wire/json.h"
#include "wire/json_read.h"

must_check enum code json_size_up(const struct json_type *type, struct slice text, size_t memory_bytes_max,
                                  size_t *memory_bytes, struct fault *why);
must_check enum code json_decode(const struct json_type *type, struct slice text, struct arena *a,
                                 ProtobufCMessage **out, struct fault *why);
must_check enum code json_encode(const struct json_type *type, const ProtobufCMessage *message, struct buf *out,
                                 struct fault *why);

/* ---- between json_decode.c, json_value.c and json_wkt.c ---- */

struct json_reading {
    struct json_reader in;
    struct arena      *arena;
    struct fault      *why;
    struct slice       at; /* the field that is read, for faults */
    int                depth;
};

/* INVALID_ARGUMENT: what is wrong with the text so far. */
must_check enum code json_verdict(const struct json_reading *r);

/* The same, or when nothing is: "at: not a string". */
enum code json_refuse(const struct json_reading *r, const char *wanted);

/* One value that is no message, to `p`.  *is_known is false for the name of an enum's value that the schema does not have. */
must_check enum code json_read_scalar(struct json_reading *r, const ProtobufCFieldDescriptor *f, void *p,
                                      bool *is_known);

/* The same of a map's key, which is a string whatever its type. */
must_check enum code json_read_map_key(struct json_reading *r, const ProtobufCFieldDescriptor *f,
                                       struct json_string key, void *p);

/* What a string stands for, in the arena or where it is written. */
struct slice json_string_text(struct json_reading *r, struct json_string s);

must_check enum code json_read_message(struct json_reading *r, const struct json_type *t, ProtobufCMessage **out);

/* Into a message that is new: a field that is no list, and one that is a list or map. */
must_check enum code json_read_single(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m);
must_check enum code json_read_repeated(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m);

/* A message of one of the well-known types. */
must_check enum code json_read_wkt(struct json_reading *r, const struct json_type *t, ProtobufCMessage *m);

/* ---- between json_encode.c and json_wkt.c ---- */

struct json_writing {
    struct json_writer w;
    struct fault      *why;
    enum code          code; /* the first fault stays; what is written after it is thrown away */
    int                depth;
};

/* INTERNAL: the answer cannot be written as JSON, for it holds that. */
__attribute__((format(printf, 2, 3))) void json_cannot(struct json_writing *w, const char *format, ...);

void json_put_message(struct json_writing *w, const struct json_type *t, const ProtobufCMessage *m);
void json_put_fields(struct json_writing *w, const struct json_type *t, const ProtobufCMessage *m);
void json_put_field_value(struct json_writing *w, const struct json_field *f, const ProtobufCMessage *m);
void json_put_wkt(struct json_writing *w, const struct json_type *t, const ProtobufCMessage *m);

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
