#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>

#include "rpc/json_codec.h"
#include "wire/json.h"

/* What jansson takes for one value (box, hash entry, key, bucket) and we for the same, generously. */
enum { NODE_BYTES = 160 };

struct reading {
    struct arena *arena;
    struct fault *why;
};

static enum code read_message(struct reading *r, const struct json_type *t, json_t *object, ProtobufCMessage **out);

static enum code wrong(struct reading *r, const struct json_field *f, const char *wanted)
{
    return fail(r->why, CODE_INVALID_ARGUMENT, "%.*s: not %s", SLICE_ARGS(f->json_name), wanted);
}

/* ---- numbers: 64 bits never pass through a double unless they were written as one ---- */

static bool integer_of_double(double v, int64_t *out)
{
    if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0) || v != floor(v))
        return false;
    *out = (int64_t)v;
    return true;
}

static bool integer_of_text(const char *text, size_t n, int64_t *out)
{
    char     *end;
    long long v;

    if (slice_to_i64(slice_make(text, n), &v)) {
        *out = v;
        return true;
    }
    if (n == 0 || strchr("+-.0123456789", text[0]) == NULL || strpbrk(text, "xXpPnN") != NULL)
        return false;
    double d = strtod(text, &end);
    return end == text + n && integer_of_double(d, out);
}

static bool integer_of(json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    if (json_is_real(v))
        return integer_of_double(json_real_value(v), out);
    return json_is_string(v) && integer_of_text(json_string_value(v), json_string_length(v), out);
}

static bool unsigned_of(json_t *v, uint64_t *out)
{
    int64_t small;
    char   *end;

    if (integer_of(v, &small)) {
        *out = (uint64_t)small;
        return small >= 0;
    }
    if (!json_is_string(v) || json_string_value(v)[0] < '0' || json_string_value(v)[0] > '9')
        return false;
    errno = 0;
    *out = strtoull(json_string_value(v), &end, 10);
    return errno == 0 && end == json_string_value(v) + json_string_length(v);
}

static bool double_of(json_t *v, double *out)
{
    char *end;

    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    if (!json_is_string(v) || json_string_length(v) == 0)
        return false;
    const char *text = json_string_value(v);
    if (strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0) {
        *out = text[0] == 'N' ? NAN : text[0] == 'I' ? INFINITY : -INFINITY;
        return true;
    }
    *out = strtod(text, &end);
    return strpbrk(text, "xXpPnN \t\r\n") == NULL && end == text + json_string_length(v);
}

/* ---- values ---- */

#define PUT(type, p, v) (*(type *)(p) = (v))

static enum code read_int32(struct reading *r, const struct json_field *f, json_t *v, void *p)
{
    int64_t wide;

    if (!integer_of(v, &wide) || wide < INT32_MIN || wide > INT32_MAX)
        return wrong(r, f, "a 32-bit integer");
    PUT(int32_t, p, (int32_t)wide);
    return CODE_OK;
}

static enum code read_uint32(struct reading *r, const struct json_field *f, json_t *v, void *p)
{
    int64_t wide;

    if (!integer_of(v, &wide) || wide < 0 || wide > UINT32_MAX)
        return wrong(r, f, "a 32-bit unsigned integer");
    PUT(uint32_t, p, (uint32_t)wide);
    return CODE_OK;
}

static enum code read_float(struct reading *r, const struct json_field *f, json_t *v, void *p)
{
    double wide;

    if (!double_of(v, &wide) || (isfinite(wide) && fabs(wide) > 3.4028235677973366e38))
        return wrong(r, f, "a float");
    PUT(float, p, (float)wide);
    return CODE_OK;
}

static enum code read_bool(struct reading *r, const struct json_field *f, json_t *v, void *p)
{
    if (!json_is_boolean(v))
        return wrong(r, f, "true or false");
    PUT(protobuf_c_boolean, p, json_is_true(v));
    return CODE_OK;
}

static enum code read_text(struct reading *r, const struct json_field *f, json_t *v, void *p)
{
    if (!json_is_string(v))
        return wrong(r, f, "a string");
    struct slice copy = arena_copy(r->arena, slice_make(json_string_value(v), json_string_length(v)));
    PUT(const char *, p, copy.p);
    return CODE_OK;
}

static enum code read_bytes(struct reading *r, const struct json_field *f, json_t *v, void *p)
{
    size_t   n = json_string_length(v);
    uint8_t *room = arena_alloc(r->arena, n / 4 * 3 + 3);

    if (!json_is_string(v) || !base64_decode(slice_make(json_string_value(v), n), room, &n))
        return wrong(r, f, "base64 text");
    PUT(ProtobufCBinaryData, p, ((ProtobufCBinaryData){ n, room }));
    return CODE_OK;
}

/* *is_known is false for a name that this version does not know: newer clients send them and expect to be served. */
static enum code read_enum(struct reading *r, const struct json_field *f, json_t *v, void *p, bool *is_known)
{
    if (!json_is_string(v))
        return read_int32(r, f, v, p);
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value_by_name(f->field->descriptor, json_string_value(v));
    *is_known = known != NULL;
    PUT(int, p, known ? known->value : 0);
    return CODE_OK;
}

static enum code read_value(struct reading *r, const struct json_field *f, json_t *v, void *p, bool *is_known)
{
    *is_known = true;
    switch (f->field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return read_int32(r, f, v, p);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return read_uint32(r, f, v, p);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return integer_of(v, p) ? CODE_OK : wrong(r, f, "a 64-bit integer");
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return unsigned_of(v, p) ? CODE_OK : wrong(r, f, "a 64-bit unsigned integer");
    case PROTOBUF_C_TYPE_FLOAT:
        return read_float(r, f, v, p);
    case PROTOBUF_C_TYPE_DOUBLE:
        return double_of(v, p) ? CODE_OK : wrong(r, f, "a number");
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(r, f, v, p);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, f, v, p, is_known);
    case PROTOBUF_C_TYPE_STRING:
        return read_text(r, f, v, p);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(r, f, v, p);
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_is_object(v) ? read_message(r, f->message, v, p) : wrong(r, f, "an object");
    }
    return wrong(r, f, "of a known type");
}

/* ---- fields ---- */

static enum code read_list(struct reading *r, const struct json_field *f, json_t *list, char *base)
{
    size_t step = value_bytes(f->field->type), n = 0;
    bool   is_known;

    if (!json_is_array(list))
        return wrong(r, f, "an array");
    char *items = arena_array(r->arena, json_array_size(list), step);
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum code code = read_value(r, f, json_array_get(list, i), items + n * step, &is_known);
        if (code != CODE_OK)
            return code;
        n += is_known;
    }
    PUT(size_t, base + f->field->quantifier_offset, n);
    PUT(char *, base + f->field->offset, items);
    return CODE_OK;
}

static ProtobufCMessage *message_new(struct arena *a, const struct json_type *t)
{
    ProtobufCMessage *m = arena_alloc(a, t->descriptor->sizeof_message);

    protobuf_c_message_init(t->descriptor, m);
    return m;
}

/* The text of a map's key as the value it stands for. */
static json_t *key_value(const struct json_field *key, const char *text)
{
    if (key->field->type == PROTOBUF_C_TYPE_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return json_boolean(text[0] == 't');
    return json_string(text);
}

static enum code read_map(struct reading *r, const struct json_field *f, json_t *map, char *base)
{
    const struct json_field *key = &f->message->fields[0], *value = &f->message->fields[1];
    const char              *name;
    json_t                  *v;
    size_t                   n = 0;
    bool                     is_known, is_value_known;

    if (!json_is_object(map))
        return wrong(r, f, "an object");
    ProtobufCMessage **items = arena_array(r->arena, json_object_size(map), sizeof *items);
    json_object_foreach(map, name, v)
    {
        items[n] = message_new(r->arena, f->message);
        json_t   *k = key_value(key, name);
        enum code code = read_value(r, key, k, (char *)items[n] + key->field->offset, &is_known);
        json_decref(k);
        if (code == CODE_OK)
            code = read_value(r, value, v, (char *)items[n] + value->field->offset, &is_value_known);
        if (code != CODE_OK)
            return code;
        n += is_value_known;
    }
    PUT(size_t, base + f->field->quantifier_offset, n);
    PUT(ProtobufCMessage **, base + f->field->offset, items);
    return CODE_OK;
}

static enum code read_single(struct reading *r, const struct json_field *f, json_t *v, char *base)
{
    const ProtobufCFieldDescriptor *d = f->field;
    union {
        int64_t             number;
        void               *pointer;
        ProtobufCBinaryData bytes;
    } value = { 0 };
    bool is_known;

    enum code code = read_value(r, f, v, &value, &is_known);
    if (code != CODE_OK || !is_known)
        return code;
    if (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *which = (uint32_t *)(void *)(base + d->quantifier_offset);
        if (*which != 0 && *which != d->id)
            return fail(r->why, CODE_INVALID_ARGUMENT, "%.*s: another field of the same choice is set",
                        SLICE_ARGS(f->json_name));
        *which = d->id;
    } else if (d->label == PROTOBUF_C_LABEL_OPTIONAL && d->type != PROTOBUF_C_TYPE_MESSAGE &&
               d->type != PROTOBUF_C_TYPE_STRING) {
        PUT(protobuf_c_boolean, base + d->quantifier_offset, 1);
    }
    memcpy(base + d->offset, &value, value_bytes(d->type));
    return CODE_OK;
}

static const struct json_field *field_named(const struct json_type *t, const char *name)
{
    struct slice wanted = slice_of(name);

    for (unsigned i = 0; i < t->descriptor->n_fields; i++)
        if (slice_eq(wanted, t->fields[i].json_name) || slice_is(wanted, t->descriptor->fields[i].name))
            return &t->fields[i];
    return NULL;
}

static enum code read_message(struct reading *r, const struct json_type *t, json_t *object, ProtobufCMessage **out)
{
    ProtobufCMessage *m = message_new(r->arena, t);
    const char       *name;
    json_t           *v;

    json_object_foreach(object, name, v)
    {
        const struct json_field *f = field_named(t, name);
        enum code                code = CODE_OK;
        if (f == NULL || json_is_null(v))
            continue;
        if (f->field->label != PROTOBUF_C_LABEL_REPEATED)
            code = read_single(r, f, v, (char *)m);
        else if (f->message != NULL && f->message->kind == KIND_MAP_ENTRY)
            code = read_map(r, f, v, (char *)m);
        else
            code = read_list(r, f, v, (char *)m);
        if (code != CODE_OK)
            return code;
    }
    *out = m;
    return CODE_OK;
}

enum code json_size_up(const struct json_type *type, struct slice text, size_t memory_bytes_max, size_t *memory_bytes,
                       struct fault *why)
{
    struct json_size size = json_measure(text);

    (void)type;
    *memory_bytes = 2 * text.n + size.nodes * NODE_BYTES;
    if (size.depth > CODEC_DEPTH_MAX)
        return fail(why, CODE_INVALID_ARGUMENT, "JSON nested deeper than %d", CODEC_DEPTH_MAX);
    if (*memory_bytes > memory_bytes_max)
        return fail(why, CODE_RESOURCE_EXHAUSTED, "the JSON would take more than %zu bytes of memory",
                    memory_bytes_max);
    return CODE_OK;
}

enum code json_decode(const struct json_type *type, struct slice text, struct arena *a, ProtobufCMessage **out,
                      struct fault *why)
{
    struct reading r = { a, why };
    json_error_t   error;

    if (text.n == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "the body is empty: JSON needs at least {}");
    json_t *root = json_loadb(text.p, text.n, 0, &error);
    if (root == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "not JSON: line %d, column %d: %s", error.line, error.column,
                    error.text);
    enum code code = json_is_object(root) ? read_message(&r, type, root, out)
                                          : fail(why, CODE_INVALID_ARGUMENT, "JSON, but not an object");
    json_decref(root);
    return code;
}
