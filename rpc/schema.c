#include "rpc/schema.h"

#include <assert.h>

#include "base/arena.h"
#include "base/mem.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/empty.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "wire/pb.h"

typedef Google__Protobuf__FileDescriptorProto    file_proto;
typedef Google__Protobuf__DescriptorProto        message_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;
typedef Google__Protobuf__MethodDescriptorProto  method_proto;
typedef Google__Protobuf__EnumDescriptorProto    enum_proto;

enum { TYPES_MAX = 4096 };

struct schema {
    Google__Protobuf__FileDescriptorSet *set;
    struct slice                        *bytes; /* [set->n_file] */
    struct arena                        *arena;
    struct json_type                    *types[TYPES_MAX];
    size_t                               n_types, message_bytes_max;
};

static const struct {
    const ProtobufCMessageDescriptor *descriptor;
    enum json_kind                    kind;
} well_known[] = {
    { &google__protobuf__any__descriptor, KIND_ANY },
    { &google__protobuf__timestamp__descriptor, KIND_TIMESTAMP },
    { &google__protobuf__duration__descriptor, KIND_DURATION },
    { &google__protobuf__field_mask__descriptor, KIND_FIELD_MASK },
    { &google__protobuf__struct__descriptor, KIND_STRUCT },
    { &google__protobuf__value__descriptor, KIND_VALUE },
    { &google__protobuf__list_value__descriptor, KIND_LIST },
    { &google__protobuf__double_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__float_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__int64_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__uint64_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__int32_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__uint32_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__bool_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__string_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__bytes_value__descriptor, KIND_WRAPPER },
    { &google__protobuf__empty__descriptor, KIND_FIELDS },
};
enum { WELL_KNOWN = sizeof well_known / sizeof well_known[0] };

/* A set is nothing but field 1, a file, again and again. */
static bool split_files(struct schema *s, struct slice set)
{
    struct pb_cursor at = pb_cursor(set);
    struct pb_field  f = { 0 };
    size_t           n = 0;

    while (n < s->set->n_file && pb_next(&at, &f) && f.number == 1)
        s->bytes[n++] = pb_bytes(&f);
    return n == s->set->n_file && at.p == at.end && !at.is_bad;
}

enum code schema_new(struct slice descriptors, struct schema **out, struct fault *why)
{
    struct schema *s = mem_zalloc(sizeof *s);

    s->arena = arena_new(0);
    s->set = google__protobuf__file_descriptor_set__unpack(NULL, descriptors.n, (const uint8_t *)descriptors.p);
    if (s->set != NULL)
        s->bytes = arena_array(s->arena, s->set->n_file, sizeof *s->bytes);
    if (s->set == NULL || !split_files(s, descriptors)) {
        schema_free(s);
        return fail(why, CODE_INTERNAL, "the embedded descriptor set cannot be read");
    }
    for (size_t i = 0; i < WELL_KNOWN; i++)
        (void)schema_type(s, well_known[i].descriptor); /* a set without them has no use for them */
    *out = s;
    return CODE_OK;
}

void schema_free(struct schema *s)
{
    if (s == NULL)
        return;
    if (s->set != NULL)
        google__protobuf__file_descriptor_set__free_unpacked(s->set, NULL);
    arena_free(s->arena);
    free(s);
}

/* If `name` begins with `head` and a dot (or head is empty), the rest of it is in *rest. */
static bool steps_into(struct slice name, const char *head, struct slice *rest)
{
    size_t n = head ? strlen(head) : 0;

    *rest = name;
    if (n == 0)
        return true;
    if (name.n <= n || memcmp(name.p, head, n) != 0 || name.p[n] != '.')
        return false;
    *rest = slice_from(name, n + 1);
    return true;
}

static const message_proto *message_in(message_proto *const *list, size_t n, struct slice name)
{
    struct slice rest;

    for (size_t i = 0; i < n; i++) {
        if (slice_is(name, list[i]->name))
            return list[i];
        if (steps_into(name, list[i]->name, &rest)) {
            const message_proto *inner = message_in(list[i]->nested_type, list[i]->n_nested_type, rest);
            if (inner != NULL)
                return inner;
        }
    }
    return NULL;
}

static const message_proto *message_named(const struct schema *s, struct slice name)
{
    struct slice rest;

    for (size_t i = 0; i < s->set->n_file; i++) {
        const file_proto    *f = s->set->file[i];
        const message_proto *m =
            steps_into(name, f->package, &rest) ? message_in(f->message_type, f->n_message_type, rest) : NULL;
        if (m != NULL)
            return m;
    }
    return NULL;
}

static bool fill_field(struct schema *s, const message_proto *m, const ProtobufCFieldDescriptor *d,
                       struct json_field *out)
{
    for (size_t i = 0; i < m->n_field; i++) {
        const Google__Protobuf__FieldDescriptorProto *f = m->field[i];
        if (f->number != (int32_t)d->id)
            continue;
        struct slice key = arena_printf(s->arena, "\"%s\":", f->json_name);
        *out = (struct json_field){ .field = d,
                                    .key = key,
                                    .json_name = { key.p + 1, key.n - 3 },
                                    .proto_name = slice_of(d->name),
                                    .takes_null = d->descriptor == &google__protobuf__null_value__descriptor ||
                                                  d->descriptor == &google__protobuf__value__descriptor };
        if (d->type == PROTOBUF_C_TYPE_MESSAGE)
            out->message = schema_type(s, d->descriptor);
        return d->type != PROTOBUF_C_TYPE_MESSAGE || out->message != NULL;
    }
    return false;
}

static enum json_kind kind_of(const message_proto *m, const ProtobufCMessageDescriptor *d)
{
    if (m->options != NULL && m->options->map_entry)
        return KIND_MAP_ENTRY;
    for (size_t i = 0; i < WELL_KNOWN; i++)
        if (well_known[i].descriptor == d)
            return well_known[i].kind;
    return KIND_FIELDS;
}

const struct json_type *schema_type(struct schema *s, const ProtobufCMessageDescriptor *d)
{
    for (size_t i = 0; i < s->n_types; i++)
        if (s->types[i]->descriptor == d)
            return s->types[i];
    size_t               n_before = s->n_types;
    const message_proto *m = message_named(s, slice_of(d->name));
    if (m == NULL || n_before == TYPES_MAX)
        return NULL;
    struct json_type *t = arena_alloc(s->arena, sizeof *t);
    *t = (struct json_type){ .descriptor = d, .name = slice_of(d->name), .kind = kind_of(m, d), .schema = s };
    t->fields = arena_array(s->arena, d->n_fields, sizeof *t->fields);
    s->message_bytes_max = d->sizeof_message > s->message_bytes_max ? d->sizeof_message : s->message_bytes_max;
    s->types[s->n_types++] = t; /* before its fields, which may name it again */
    for (unsigned i = 0; i < d->n_fields; i++)
        if (!fill_field(s, m, &d->fields[i], &t->fields[i])) {
            s->n_types = n_before; /* with all that came to name it */
            return NULL;
        }
    return t;
}

const struct json_type *schema_type_named(const struct schema *s, struct slice name)
{
    for (size_t i = 0; i < s->n_types; i++)
        if (slice_eq(s->types[i]->name, name))
            return s->types[i];
    return NULL;
}

size_t schema_message_bytes_max(const struct schema *s) { return s->message_bytes_max; }

static const method_proto *method_in(const service_proto *service, struct slice name)
{
    for (size_t i = 0; i < service->n_method; i++)
        if (slice_is(name, service->method[i]->name))
            return service->method[i];
    return NULL;
}

static const method_proto *method_of_file(const file_proto *f, struct slice full)
{
    struct slice rest, name;

    if (!steps_into(full, f->package, &rest))
        return NULL;
    for (size_t i = 0; i < f->n_service; i++) {
        const method_proto *m = steps_into(rest, f->service[i]->name, &name) ? method_in(f->service[i], name) : NULL;
        if (m != NULL)
            return m;
    }
    return NULL;
}

static bool is_safe(const method_proto *m)
{
    return m->options != NULL &&
           m->options->idempotency_level == GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS;
}

bool schema_method(const struct schema *s, struct slice path, struct schema_method *out)
{
    char   full[256];
    size_t n = path.n - 1;

    if (path.n < 2 || n >= sizeof full || path.p[0] != '/')
        return false;
    memcpy(full, path.p + 1, n);
    char *slash = memchr(full, '/', n);
    if (slash == NULL)
        return false;
    *slash = '.';
    for (size_t i = 0; i < s->set->n_file; i++) {
        const method_proto *m = method_of_file(s->set->file[i], slice_make(full, n));
        if (m == NULL)
            continue;
        *out = (struct schema_method){ .client_streams = m->client_streaming != 0,
                                       .server_streams = m->server_streaming != 0,
                                       .request = slice_from(slice_of(m->input_type), 1),
                                       .is_safe = is_safe(m) };
        return true;
    }
    return false;
}

size_t schema_files(const struct schema *s) { return s->set->n_file; }

struct slice schema_file_bytes(const struct schema *s, size_t file)
{
    assert(file < s->set->n_file);
    return s->bytes[file];
}

size_t schema_file_named(const struct schema *s, struct slice name)
{
    size_t i = 0;

    while (i < s->set->n_file && !slice_is(name, s->set->file[i]->name))
        i++;
    return i;
}

static bool enum_has(enum_proto *const *list, size_t n, struct slice name)
{
    struct slice rest;

    for (size_t i = 0; i < n; i++) {
        if (slice_is(name, list[i]->name))
            return true;
        for (size_t k = 0; steps_into(name, list[i]->name, &rest) && k < list[i]->n_value; k++)
            if (slice_is(rest, list[i]->value[k]->name))
                return true;
    }
    return false;
}

/* A message, or something inside one: a field, a nested message, an enum. */
static bool message_has(message_proto *const *list, size_t n, struct slice name)
{
    struct slice rest;

    for (size_t i = 0; i < n; i++) {
        const message_proto *m = list[i];
        if (slice_is(name, m->name))
            return true;
        if (!steps_into(name, m->name, &rest))
            continue;
        for (size_t k = 0; k < m->n_field; k++)
            if (slice_is(rest, m->field[k]->name))
                return true;
        if (enum_has(m->enum_type, m->n_enum_type, rest) || message_has(m->nested_type, m->n_nested_type, rest))
            return true;
    }
    return false;
}

static bool service_has(const file_proto *f, struct slice name)
{
    for (size_t i = 0; i < f->n_service; i++)
        if (slice_is(name, f->service[i]->name))
            return true;
    return false;
}

size_t schema_file_of(const struct schema *s, struct slice symbol)
{
    struct slice rest;
    size_t       i = 0;

    for (; i < s->set->n_file; i++) {
        const file_proto *f = s->set->file[i];
        if (steps_into(symbol, f->package, &rest) &&
            (service_has(f, rest) || message_has(f->message_type, f->n_message_type, rest) ||
             enum_has(f->enum_type, f->n_enum_type, rest) || method_of_file(f, symbol) != NULL))
            break;
    }
    return i;
}

size_t schema_import(const struct schema *s, size_t file, size_t i)
{
    const file_proto *f = s->set->file[file];
    return i < f->n_dependency ? schema_file_named(s, slice_of(f->dependency[i])) : s->set->n_file;
}
