/*
 * Schema: the embedded descriptor set, joined once at start with protobuf-c's descriptors.
 *
 *     FileDescriptorSet --json names, map entries---> struct json_type <--offsets, types-- ProtobufCMessageDescriptor
 *                       --stream kinds, idempotency-> struct schema_method
 *                       --whole files---------------> reflection
 *
 * S1  A schema is built by one thread and constant from then on; what it returns lives as long as it does.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/slice.h"

struct schema;
struct json_type;

struct json_field {
    const ProtobufCFieldDescriptor *field;
    struct slice                    json_name, proto_name;
    struct slice                    key;        /* "\"jsonName\":" */
    const struct json_type         *message;    /* of a message field; else NULL */
    bool                            takes_null; /* null is a value of it, not its absence */
};

/* How a message looks in JSON: its fields in an object, or what proto3 JSON makes of the well-known types. */
enum json_kind {
    KIND_FIELDS,
    KIND_MAP_ENTRY,
    KIND_ANY,
    KIND_TIMESTAMP,
    KIND_DURATION,
    KIND_FIELD_MASK,
    KIND_STRUCT,
    KIND_VALUE,
    KIND_LIST,
    KIND_WRAPPER
};

struct json_type {
    const ProtobufCMessageDescriptor *descriptor;
    struct slice                      name; /* "package.Message" */
    enum json_kind                    kind;
    struct json_field                *fields; /* [descriptor->n_fields], in its order */
    const struct schema              *schema; /* where the type of an Any is looked up */
};

/* `descriptors` is borrowed for the schema's life.  INTERNAL: it is not a descriptor set. */
must_check enum code schema_new(struct slice descriptors, struct schema **out, struct fault *why);
void                 schema_free(struct schema *s);

/* While it is being built.  NULL: the set has no message of that name with those fields. */
const struct json_type *schema_type(struct schema *s, const ProtobufCMessageDescriptor *d);

/* The type of that full name, of those that have been asked for above, what they hold, and the well-known types. */
const struct json_type *schema_type_named(const struct schema *s, struct slice name);

/* The most that one message of them takes, without what it points to. */
size_t schema_message_bytes_max(const struct schema *s);

struct schema_method {
    bool client_streams, server_streams;
    struct slice request; /* "package.Message" */
    bool is_safe; /* idempotency_level = NO_SIDE_EFFECTS: it may be asked by GET */
};

/* By "/package.Service/Method"; false: not in the set. */
bool schema_method(const struct schema *s, struct slice path, struct schema_method *out);

/* Files, as the set has them. */
size_t       schema_files(const struct schema *s);
struct slice schema_file_bytes(const struct schema *s, size_t file); /* a FileDescriptorProto */

/* The index of a file by its name, or of the one that defines a full name; schema_files() when there is none. */
size_t schema_file_named(const struct schema *s, struct slice name);
size_t schema_file_of(const struct schema *s, struct slice symbol);

/* The files that `file` imports: the i-th, or schema_files() when there are no more. */
size_t schema_import(const struct schema *s, size_t file, size_t i);
