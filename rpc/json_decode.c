#include "rpc/json_codec.h"

/* What a value may take beside its text, whatever it is: its place in a list or map, a message of its own around it. */
enum { VALUE_BYTES = 96, LIST_LEAST = 4 };

#define PUT(type, p, v) (*(type *)(p) = (v))

enum code json_verdict(const struct json_reading *r)
{
    return r->in.wrong == NULL ? CODE_OK : json_read_fault(&r->in, r->why);
}

enum code json_refuse(const struct json_reading *r, const char *wanted)
{
    if (r->in.wrong != NULL)
        return json_verdict(r);
    return fail(r->why, CODE_INVALID_ARGUMENT, "%.*s: not %s", SLICE_ARGS(r->at), wanted);
}

/* ---- fields ---- */

static enum code read_value(struct json_reading *r, const struct json_field *f, void *p, bool *is_known)
{
    *is_known = true;
    r->at = f->json_name;
    return f->message != NULL ? json_read_message(r, f->message, p) : json_read_scalar(r, f->field, p, is_known);
}

/* A list while nobody knows how long it will be.  What it outgrew stays in the arena, in all as much as it takes. */
struct list {
    char  *items;
    size_t n, cap;
};

/* Room for one more, zeroed. */
static void *list_next(struct list *l, struct arena *a, size_t item_bytes)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : LIST_LEAST;
        char *wider = arena_array(a, l->cap, item_bytes);
        if (l->n > 0)
            memcpy(wider, l->items, l->n * item_bytes);
        l->items = wider;
    }
    return memset(l->items + l->n * item_bytes, 0, item_bytes);
}

static void list_end(const struct list *l, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    PUT(size_t, (char *)m + f->quantifier_offset, l->n);
    PUT(char *, (char *)m + f->offset, l->items);
}

static enum code read_list(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m)
{
    struct list l = { 0 };
    bool        is_known;

    if (!json_read_open(&r->in, '['))
        return json_refuse(r, "an array");
    while (json_read_item(&r->in)) {
        if (json_peek(&r->in) == 'n' && !f->takes_null)
            return json_refuse(r, "an array without null");
        enum code code = read_value(r, f, list_next(&l, r->arena, value_bytes(f->field->type)), &is_known);
        if (code != CODE_OK)
            return code;
        l.n += is_known;
    }
    list_end(&l, f->field, m);
    return json_verdict(r);
}

static ProtobufCMessage *message_new(struct json_reading *r, const struct json_type *t)
{
    ProtobufCMessage *m = arena_alloc(r->arena, t->descriptor->sizeof_message);

    protobuf_c_message_init(t->descriptor, m);
    return m;
}

static enum code read_map(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m)
{
    const struct json_field *key = &f->message->fields[0], *value = &f->message->fields[1];
    struct json_string       name;
    struct list              l = { 0 };
    bool                     is_known;

    if (!json_read_open(&r->in, '{'))
        return json_refuse(r, "an object");
    r->depth++; /* an entry is a message */
    while (json_read_key(&r->in, &name)) {
        char *entry = (char *)message_new(r, f->message);
        PUT(char *, list_next(&l, r->arena, sizeof(char *)), entry);
        r->at = f->json_name;
        enum code code = json_read_map_key(r, key->field, name, entry + key->field->offset);
        if (code == CODE_OK)
            code = read_value(r, value, entry + value->field->offset, &is_known);
        if (code != CODE_OK)
            return code;
        l.n += is_known;
    }
    r->depth--;
    list_end(&l, f->field, m);
    return json_verdict(r);
}

enum code json_read_repeated(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m)
{
    return f->message != NULL && f->message->kind == KIND_MAP_ENTRY ? read_map(r, f, m) : read_list(r, f, m);
}

/* Which of a oneof is set, or that an optional field is. */
static enum code mark_set(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *d = f->field;
    void                           *quantifier = (char *)m + d->quantifier_offset;

    if (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *which = quantifier;
        if (*which != 0 && *which != d->id)
            return fail(r->why, CODE_INVALID_ARGUMENT, "%.*s: another field of the same choice is set",
                        SLICE_ARGS(f->json_name));
        *which = d->id;
    } else if (d->label == PROTOBUF_C_LABEL_OPTIONAL && d->type != PROTOBUF_C_TYPE_MESSAGE &&
               d->type != PROTOBUF_C_TYPE_STRING) {
        PUT(protobuf_c_boolean, quantifier, 1);
    }
    return CODE_OK;
}

enum code json_read_single(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m)
{
    union {
        int64_t             number;
        void               *pointer;
        ProtobufCBinaryData bytes;
    } value = { 0 };
    bool is_known;

    enum code code = read_value(r, f, &value, &is_known);
    if (code != CODE_OK || !is_known)
        return code;
    if ((code = mark_set(r, f, m)) == CODE_OK)
        memcpy((char *)m + f->field->offset, &value, value_bytes(f->field->type));
    return code;
}

/* ---- messages ---- */

static const struct json_field *field_named(const struct json_type *t, struct slice name)
{
    for (unsigned i = 0; i < t->descriptor->n_fields; i++)
        if (slice_eq(name, t->fields[i].json_name) || slice_eq(name, t->fields[i].proto_name))
            return &t->fields[i];
    return NULL;
}

static enum code read_field(struct json_reading *r, const struct json_field *f, ProtobufCMessage *m)
{
    bool is_repeated = f->field->label == PROTOBUF_C_LABEL_REPEATED;

    r->at = f->json_name;
    if ((is_repeated || !f->takes_null) && json_read_null(&r->in))
        return CODE_OK; /* as if it were not there */
    return is_repeated ? json_read_repeated(r, f, m) : json_read_single(r, f, m);
}

static enum code read_fields(struct json_reading *r, const struct json_type *t, ProtobufCMessage *m)
{
    struct json_string name;

    while (json_read_key(&r->in, &name)) {
        const struct json_field *f = field_named(t, json_string_text(r, name));
        enum code                code = CODE_OK;
        if (f != NULL)
            code = read_field(r, f, m);
        else
            json_read_skip(&r->in);
        if (code != CODE_OK)
            return code;
    }
    return json_verdict(r);
}

enum code json_read_message(struct json_reading *r, const struct json_type *t, ProtobufCMessage **out)
{
    enum code code;

    if (r->depth > CODEC_DEPTH_MAX)
        return fail(r->why, CODE_INVALID_ARGUMENT, "%.*s: more than %d messages inside each other", SLICE_ARGS(r->at),
                    CODEC_DEPTH_MAX);
    r->depth++;
    *out = message_new(r, t);
    if (t->kind != KIND_FIELDS)
        code = json_read_wkt(r, t, *out);
    else
        code = json_read_open(&r->in, '{') ? read_fields(r, t, *out) : json_refuse(r, "an object");
    r->depth--;
    return code;
}

enum code json_size_up(const struct json_type *type, struct slice text, size_t memory_bytes_max, size_t *memory_bytes,
                       struct fault *why)
{
    struct json_size size = json_measure(text);

    *memory_bytes = 2 * text.n + size.values * VALUE_BYTES + size.objects * schema_message_bytes_max(type->schema);
    if (*memory_bytes > memory_bytes_max)
        return fail(why, CODE_RESOURCE_EXHAUSTED, "the JSON would take more than %zu bytes of memory",
                    memory_bytes_max);
    return CODE_OK;
}

enum code json_decode(const struct json_type *type, struct slice text, struct arena *a, ProtobufCMessage **out,
                      struct fault *why)
{
    struct json_reading r = { .in = json_reader(text), .arena = a, .why = why, .at = SLICE("the body") };

    if (text.n == 0)
        return fail(why, CODE_INVALID_ARGUMENT, "the body is empty: JSON needs at least {}");
    enum code code = json_read_message(&r, type, out);
    if (code != CODE_OK)
        return code;
    json_read_end(&r.in);
    return json_verdict(&r);
}
