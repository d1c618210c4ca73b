#include <assert.h>

#include "base/mem.h"
#include "google/protobuf/struct.pb-c.h"
#include "rpc/json_codec.h"

void json_cannot(struct json_writing *w, const char *format, ...)
{
    char    what[300];
    va_list ap;

    if (w->code != CODE_OK)
        return;
    va_start(ap, format);
    vsnprintf(what, sizeof what, format, ap);
    va_end(ap);
    w->code = fail(w->why, CODE_INTERNAL, "the answer cannot be written as JSON: it holds %s", what);
}

static void put_enum(struct json_writer *w, const ProtobufCEnumDescriptor *d, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);

    if (d == &google__protobuf__null_value__descriptor)
        json_raw(w, SLICE("null"));
    else if (v != NULL)
        json_text(w, slice_of(v->name));
    else
        json_int(w, value);
}

#define AT(type, p) (*(const type *)(p))

static void put_scalar(struct json_writer *w, const ProtobufCFieldDescriptor *f, const void *p)
{
    assert(f->type != PROTOBUF_C_TYPE_MESSAGE);
    switch (f->type) {
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
        json_float(w, AT(float, p));
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        json_double(w, AT(double, p));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        json_bool(w, AT(protobuf_c_boolean, p) != 0);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(w, f->descriptor, AT(int, p));
        break;
    case PROTOBUF_C_TYPE_STRING:
        json_text(w, slice_of(AT(char *, p)));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        json_base64(w, slice_make(AT(ProtobufCBinaryData, p).data, AT(ProtobufCBinaryData, p).len));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
}

/* An entry of a map may have come without its value: that is a message with nothing in it. */
static void put_empty_message(struct json_writing *w, const struct json_type *t)
{
    ProtobufCMessage *m = mem_alloc(t->descriptor->sizeof_message);

    protobuf_c_message_init(t->descriptor, m);
    json_put_message(w, t, m);
    free(m);
}

static inline void put_value(struct json_writing *w, const struct json_field *f, const void *p)
{
    if (f->message == NULL)
        put_scalar(&w->w, f->field, p);
    else if (AT(ProtobufCMessage *, p) != NULL)
        json_put_message(w, f->message, AT(ProtobufCMessage *, p));
    else
        put_empty_message(w, f->message);
}

/* A key of any type is text in JSON. */
static void put_map_key(struct json_writer *w, const ProtobufCFieldDescriptor *f, const void *p)
{
    struct buf         text = { 0 };
    struct json_writer inner = { .out = &text };

    if (f->type == PROTOBUF_C_TYPE_STRING) {
        json_key(w, slice_of(AT(char *, p)));
        return;
    }
    put_scalar(&inner, f, p);
    struct slice bare = buf_view(&text);
    if (bare.p[0] == '"')
        bare = slice_make(bare.p + 1, bare.n - 2);
    json_key(w, bare);
    buf_free(&text);
}

static void put_list(struct json_writing *w, const struct json_field *f, const char *items, size_t n)
{
    size_t step = value_bytes(f->field->type);

    json_open(&w->w, '[');
    for (size_t i = 0; i < n; i++)
        put_value(w, f, items + i * step);
    json_close(&w->w, ']');
}

static void put_map(struct json_writing *w, const struct json_type *entry, ProtobufCMessage *const *items, size_t n)
{
    const struct json_field *key = &entry->fields[0], *value = &entry->fields[1];

    w->depth++; /* an entry is a message */
    json_open(&w->w, '{');
    for (size_t i = 0; i < n; i++) {
        put_map_key(&w->w, key->field, (const char *)items[i] + key->field->offset);
        put_value(w, value, (const char *)items[i] + value->field->offset);
    }
    json_close(&w->w, '}');
    w->depth--;
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

void json_put_field_value(struct json_writing *w, const struct json_field *f, const ProtobufCMessage *m)
{
    const char *p = (const char *)m + f->field->offset;
    size_t      n;

    if (f->field->label != PROTOBUF_C_LABEL_REPEATED) {
        put_value(w, f, p);
        return;
    }
    n = AT(size_t, (const char *)m + f->field->quantifier_offset);
    if (f->message != NULL && f->message->kind == KIND_MAP_ENTRY)
        put_map(w, f->message, *(ProtobufCMessage *const *const *)(const void *)p, n);
    else
        put_list(w, f, AT(char *, p), n);
}

static bool is_written(const struct json_field *f, const ProtobufCMessage *m)
{
    if (f->field->label == PROTOBUF_C_LABEL_REPEATED)
        return AT(size_t, (const char *)m + f->field->quantifier_offset) > 0;
    return is_present(f->field, (const char *)m);
}

void json_put_fields(struct json_writing *w, const struct json_type *t, const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < t->descriptor->n_fields; i++) {
        if (!is_written(&t->fields[i], m))
            continue;
        json_raw(&w->w, t->fields[i].key);
        w->w.wants_comma = false;
        json_put_field_value(w, &t->fields[i], m);
    }
}

void json_put_message(struct json_writing *w, const struct json_type *t, const ProtobufCMessage *m)
{
    assert(m->descriptor == t->descriptor);
    if (w->depth > CODEC_DEPTH_MAX) {
        json_cannot(w, "more than %d messages inside each other", CODEC_DEPTH_MAX);
        return;
    }
    w->depth++;
    if (t->kind != KIND_FIELDS) {
        json_put_wkt(w, t, m);
    } else {
        json_open(&w->w, '{');
        json_put_fields(w, t, m);
        json_close(&w->w, '}');
    }
    w->depth--;
}

enum code json_encode(const struct json_type *type, const ProtobufCMessage *message, struct buf *out, struct fault *why)
{
    struct json_writing w = { .w.out = out, .why = why };

    json_put_message(&w, type, message);
    return w.code;
}

const struct codec codec_json = { "json", json_size_up, json_decode, json_encode };
