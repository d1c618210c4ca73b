#include <assert.h>

#include "rpc/json_codec.h"
#include "wire/json.h"

static void put_message(struct json_writer *w, const struct json_type *t, const ProtobufCMessage *m);

static void put_enum(struct json_writer *w, const ProtobufCEnumDescriptor *d, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);

    if (v != NULL)
        json_text(w, slice_of(v->name));
    else
        json_int(w, value);
}

#define AT(type, p) (*(const type *)(p))

static void put_value(struct json_writer *w, const struct json_field *f, const void *p)
{
    switch (f->field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        json_int(w, AT(int32_t, p));
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        json_uint(w, AT(uint32_t, p));
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        json_int_text(w, AT(int64_t, p));
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        json_uint_text(w, AT(uint64_t, p));
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        json_double(w, (double)AT(float, p));
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        json_double(w, AT(double, p));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        json_bool(w, AT(protobuf_c_boolean, p) != 0);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(w, f->field->descriptor, AT(int, p));
        break;
    case PROTOBUF_C_TYPE_STRING:
        json_text(w, slice_of(AT(char *, p)));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        json_base64(w, slice_make(AT(ProtobufCBinaryData, p).data, AT(ProtobufCBinaryData, p).len));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(w, f->message, AT(ProtobufCMessage *, p));
        break;
    }
}

/* A key of any type is text in JSON. */
static void put_map_key(struct json_writer *w, const struct json_field *f, const void *p)
{
    char               room[64];
    struct buf         text = { 0 };
    struct json_writer inner = { .out = &text };

    if (f->field->type == PROTOBUF_C_TYPE_STRING) {
        json_key(w, slice_of(AT(char *, p)));
        return;
    }
    put_value(&inner, f, p);
    struct slice bare = buf_view(&text);
    if (bare.p[0] == '"')
        bare = slice_make(bare.p + 1, bare.n - 2);
    assert(bare.n < sizeof room);
    json_key(w, bare);
    buf_free(&text);
}

static void put_list(struct json_writer *w, const struct json_field *f, const char *items, size_t n)
{
    size_t step = value_bytes(f->field->type);

    json_open(w, '[');
    for (size_t i = 0; i < n; i++)
        put_value(w, f, items + i * step);
    json_close(w, ']');
}

static void put_map(struct json_writer *w, const struct json_type *entry, ProtobufCMessage *const *items, size_t n)
{
    const struct json_field *key = &entry->fields[0], *value = &entry->fields[1];

    json_open(w, '{');
    for (size_t i = 0; i < n; i++) {
        put_map_key(w, key, (const char *)items[i] + key->field->offset);
        put_value(w, value, (const char *)items[i] + value->field->offset);
    }
    json_close(w, '}');
}

static bool is_zero(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const char *)p)[i] != 0)
            return false;
    return true;
}

/* Is a single field to be written?  A oneof's and an optional one's when set, others unless at their default. */
static bool is_present(const ProtobufCFieldDescriptor *f, const char *base)
{
    const void *p = base + f->offset;

    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return AT(uint32_t, base + f->quantifier_offset) == f->id;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return AT(void *, p) != NULL;
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return AT(char *, p) != NULL && AT(char *, p)[0] != '\0';
    if (f->label == PROTOBUF_C_LABEL_OPTIONAL)
        return AT(protobuf_c_boolean, base + f->quantifier_offset) != 0;
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return AT(ProtobufCBinaryData, p).len > 0;
    return !is_zero(p, value_bytes(f->type));
}

static void put_field(struct json_writer *w, const struct json_field *f, const char *base)
{
    bool   is_list = f->field->label == PROTOBUF_C_LABEL_REPEATED;
    size_t n = is_list ? AT(size_t, base + f->field->quantifier_offset) : 0;

    if (is_list ? n == 0 : !is_present(f->field, base))
        return;
    json_raw(w, f->key);
    w->wants_comma = false;
    const char *p = base + f->field->offset;
    if (!is_list)
        put_value(w, f, p);
    else if (f->message != NULL && f->message->kind == KIND_MAP_ENTRY)
        put_map(w, f->message, *(ProtobufCMessage *const *const *)(const void *)p, n);
    else
        put_list(w, f, AT(char *, p), n);
}

static void put_message(struct json_writer *w, const struct json_type *t, const ProtobufCMessage *m)
{
    assert(m->descriptor == t->descriptor);
    json_open(w, '{');
    for (unsigned i = 0; i < t->descriptor->n_fields; i++)
        put_field(w, &t->fields[i], (const char *)m);
    json_close(w, '}');
}

void json_encode(const struct json_type *type, const ProtobufCMessage *message, struct buf *out)
{
    put_message(&(struct json_writer){ .out = out }, type, message);
}

const struct codec codec_json = { "json", json_size_up, json_decode, json_encode };
