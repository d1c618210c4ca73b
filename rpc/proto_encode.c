/*
 * Messages are written from their end to their begin: when the length that stands before a part is due, the part is there,
 * so nothing is measured first.  The bytes are those that protobuf-c makes: fields by number, then those it does not know.
 */
#include <assert.h>

#include "base/mem.h"
#include "rpc/codec.h"
#include "wire/pb.h"

enum { FIRST_BYTES = 4 << 10, TAG_BITS = 3 };

struct packing {
    uint8_t *room; /* [at, cap) is written */
    size_t   at, cap;
};

static void packing_grow(struct packing *p, size_t more)
{
    size_t   n = p->cap - p->at, cap = p->cap * 2;
    uint8_t *room;

    while (cap - n < more)
        cap *= 2;
    room = mem_alloc(cap);
    memcpy(room + cap - n, p->room + p->at, n);
    free(p->room);
    *p = (struct packing){ room, cap - n, cap };
}

/* Room for `n` bytes before what is written; they count as written. */
static uint8_t *before(struct packing *p, size_t n)
{
    if (n > p->at)
        packing_grow(p, n);
    return p->room + (p->at -= n);
}

static size_t varint_bytes(uint64_t v) { return (70 - (size_t)__builtin_clzll(v | 1)) / 7; }

static void put_varint(struct packing *p, uint64_t v) { varint_write(before(p, varint_bytes(v)), v); }

static void put_tag(struct packing *p, uint32_t number, enum pb_wire wire)
{
    put_varint(p, (uint64_t)number << TAG_BITS | wire);
}

static void put_bytes(struct packing *p, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(before(p, n), bytes, n);
}

static size_t written(const struct packing *p) { return p->cap - p->at; }

static uint64_t zigzag(int64_t v) { return (uint64_t)v << 1 ^ (uint64_t)(v >> 63); }

static uint64_t number_of(ProtobufCType type, const void *at)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return (uint64_t)(int64_t) * (const int32_t *)at;
    case PROTOBUF_C_TYPE_SINT32:
        return zigzag(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_SINT64:
        return zigzag(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
        return *(const uint32_t *)at;
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)at != 0;
    default:
        return *(const uint64_t *)at;
    }
}

static void message_put(struct packing *p, const ProtobufCMessage *m);

/* One value without its tag; returns its wire type. */
static enum pb_wire value_put(struct packing *p, ProtobufCType type, const void *at)
{
    size_t behind = written(p);

    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        put_bytes(p, at, sizeof(uint32_t));
        return PB_FIXED32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        put_bytes(p, at, sizeof(uint64_t));
        return PB_FIXED64;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)at;
        put_bytes(p, text, text != NULL ? strlen(text) : 0);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = at;
        put_bytes(p, bytes->data, bytes->len);
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *m = *(const ProtobufCMessage *const *)at;
        if (m != NULL)
            message_put(p, m);
        break;
    }
    default:
        put_varint(p, number_of(type, at));
        return PB_VARINT;
    }
    put_varint(p, written(p) - behind);
    return PB_BYTES;
}

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(uint64_t);
    }
}

static bool is_plain_64(ProtobufCType type) { return type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64; }

/* What most of a flame graph or a pprof is. */
static void numbers_put(struct packing *p, const uint64_t *v, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += varint_bytes(v[i]);
    uint8_t *to = before(p, bytes);
    for (size_t i = 0; i < n; i++)
        to += varint_write(to, v[i]);
}

static void packed_put(struct packing *p, const ProtobufCFieldDescriptor *f, const void *list, size_t n)
{
    size_t      behind = written(p), size = size_of(f->type);
    const char *at = list;

    if (n == 0)
        return;
    if (is_plain_64(f->type))
        numbers_put(p, list, n);
    else
        while (n-- > 0)
            value_put(p, f->type, at + n * size);
    put_varint(p, written(p) - behind);
    put_tag(p, f->id, PB_BYTES);
}

static void list_put(struct packing *p, const ProtobufCFieldDescriptor *f, const void *list, size_t n)
{
    size_t      size = size_of(f->type);
    const char *at = list;

    while (n-- > 0)
        put_tag(p, f->id, value_put(p, f->type, at + n * size));
}

/* What proto3 leaves out. */
static bool is_zero(ProtobufCType type, const void *at)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT:
        return *(const float *)at == 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)at == 0;
    case PROTOBUF_C_TYPE_STRING:
        return *(const char *const *)at == NULL || **(const char *const *)at == '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const void *const *)at == NULL;
    default:
        return size_of(type) == sizeof(uint32_t) ? *(const uint32_t *)at == 0 : *(const uint64_t *)at == 0;
    }
}

/* A text or message that was never set is its default or NULL; others have a flag. */
static bool is_set(const ProtobufCFieldDescriptor *f, const void *flag, const void *at)
{
    bool is_oneof = f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;

    if (f->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    if (is_oneof && *(const uint32_t *)flag != f->id)
        return false;
    if (!is_oneof && f->label == PROTOBUF_C_LABEL_NONE)
        return !is_zero(f->type, at);
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(const void *const *)at != NULL && *(const void *const *)at != f->default_value;
    return is_oneof || *(const protobuf_c_boolean *)flag;
}

static void message_put(struct packing *p, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    for (unsigned i = m->n_unknown_fields; i-- > 0;) {
        const ProtobufCMessageUnknownField *u = &m->unknown_fields[i];
        put_bytes(p, u->data, u->len);
        put_tag(p, u->tag, (enum pb_wire)u->wire_type);
    }
    for (unsigned i = d->n_fields; i-- > 0;) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const void *at = (const char *)m + f->offset, *flag = (const char *)m + f->quantifier_offset;
        if (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED)
            packed_put(p, f, *(const void *const *)at, *(const size_t *)flag);
        else if (f->label == PROTOBUF_C_LABEL_REPEATED)
            list_put(p, f, *(const void *const *)at, *(const size_t *)flag);
        else if (is_set(f, flag, at))
            put_tag(p, f->id, value_put(p, f->type, at));
    }
}

void proto_encode(const ProtobufCMessage *message, struct buf *out)
{
    struct packing p = { mem_alloc(FIRST_BYTES), FIRST_BYTES, FIRST_BYTES };

    message_put(&p, message);
    buf_put(out, p.room + p.at, written(&p));
    free(p.room);
}
