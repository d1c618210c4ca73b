/*
 * protobuf-c unpacks without a limit of depth, without looking at UTF-8, and with an allocation for each part.  So the
 * bytes are walked first: the walk refuses what must not reach it and counts the memory that it will ask for.
 */
#include <assert.h>

#include "rpc/codec.h"
#include "wire/pb.h"
#include "wire/utf8.h"

struct walk {
    size_t        memory_bytes, memory_bytes_max;
    struct fault *why;
};

static enum pb_wire wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PB_FIXED32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PB_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PB_BYTES;
    default:
        return PB_VARINT;
    }
}

/* The arena rounds every allocation up. */
static bool charge(struct walk *w, size_t bytes)
{
    w->memory_bytes += (bytes + 15) & ~(size_t)15;
    return w->memory_bytes <= w->memory_bytes_max;
}

static enum code too_costly(const struct walk *w)
{
    return fail(w->why, CODE_RESOURCE_EXHAUSTED, "the message would take more than %zu bytes of memory",
                w->memory_bytes_max);
}

static enum code walk_message(struct walk *w, const ProtobufCMessageDescriptor *d, struct slice bytes, int depth);

/* Values of a packed field: every varint ends in a byte without the high bit. */
static enum code walk_packed(struct walk *w, const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
                             struct slice bytes)
{
    enum pb_wire   wire = wire_of(f->type);
    size_t         width = wire == PB_FIXED64 ? 8 : wire == PB_FIXED32 ? 4 : 1, n = bytes.n / width;
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    bool           is_whole = bytes.n % width == 0;
    uint64_t       ignored;

    if (wire == PB_VARINT)
        for (n = 0; is_whole && p < end; n++)
            is_whole = (p = varint_read(p, end, &ignored)) != NULL;
    if (!is_whole)
        return fail(w->why, CODE_INVALID_ARGUMENT, "%s.%s: a packed number is cut short", d->name, f->name);
    return charge(w, n * 8) ? CODE_OK : too_costly(w);
}

static enum code walk_text(struct walk *w, const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
                           struct slice text)
{
    if (!utf8_is_valid(text))
        return fail(w->why, CODE_INVALID_ARGUMENT, "%s.%s: not valid UTF-8", d->name, f->name);
    if (text.n > 0 && memchr(text.p, 0, text.n) != NULL)
        return fail(w->why, CODE_INVALID_ARGUMENT, "%s.%s: a string with a NUL in it", d->name, f->name);
    return charge(w, text.n + 1) ? CODE_OK : too_costly(w);
}

static enum code walk_field(struct walk *w, const ProtobufCMessageDescriptor *d, const struct pb_field *in, int depth)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, in->number);

    if (f == NULL) /* kept by protobuf-c as an unknown field: a record and a copy */
        return charge(w, sizeof(ProtobufCMessageUnknownField) + pb_bytes(in).n + 32) ? CODE_OK : too_costly(w);
    enum pb_wire want = wire_of(f->type);
    if (f->label == PROTOBUF_C_LABEL_REPEATED && in->wire == PB_BYTES && want != PB_BYTES)
        return walk_packed(w, d, f, pb_bytes(in));
    if (in->wire != want)
        return fail(w->why, CODE_INVALID_ARGUMENT, "%s.%s: wire type %d, not %d", d->name, f->name, in->wire, want);
    if (f->label == PROTOBUF_C_LABEL_REPEATED && !charge(w, sizeof(ProtobufCBinaryData)))
        return too_costly(w);
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return walk_text(w, d, f, pb_bytes(in));
    case PROTOBUF_C_TYPE_BYTES:
        return charge(w, pb_bytes(in).n) ? CODE_OK : too_costly(w);
    case PROTOBUF_C_TYPE_MESSAGE:
        return walk_message(w, f->descriptor, pb_bytes(in), depth + 1);
    default:
        return CODE_OK;
    }
}

/* protobuf-c notes 16 fields of a message on its stack; more take slabs that double. */
enum { SCANNED_FREE = 16, SCANNED_BYTES = 40 };

static enum code walk_message(struct walk *w, const ProtobufCMessageDescriptor *d, struct slice bytes, int depth)
{
    struct pb_cursor at = pb_cursor(bytes);
    struct pb_field  f = { 0 };

    if (depth > CODEC_DEPTH_MAX)
        return fail(w->why, CODE_INVALID_ARGUMENT, "%s: more than %d messages inside each other", d->name,
                    CODEC_DEPTH_MAX);
    if (!charge(w, d->sizeof_message))
        return too_costly(w);
    for (size_t n = 1; pb_next(&at, &f); n++) {
        enum code code = walk_field(w, d, &f, depth);
        if (code != CODE_OK)
            return code;
        if (n > SCANNED_FREE && !charge(w, 2 * SCANNED_BYTES))
            return too_costly(w);
    }
    return at.is_bad ? fail(w->why, CODE_INVALID_ARGUMENT, "%s: not a protobuf message", d->name) : CODE_OK;
}

static void *arena_alloc_cb(void *arena, size_t n) { return arena_alloc(arena, n); }

static void arena_free_cb(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

static enum code measure_as(const ProtobufCMessageDescriptor *d, struct slice bytes, size_t memory_bytes_max,
                            size_t *memory_bytes, struct fault *why)
{
    struct walk w = { .memory_bytes_max = memory_bytes_max, .why = why };
    enum code   code = walk_message(&w, d, bytes, 0);

    *memory_bytes = w.memory_bytes;
    return code;
}

static enum code decode_as(const ProtobufCMessageDescriptor *d, struct slice bytes, struct arena *a,
                           ProtobufCMessage **out, struct fault *why)
{
    ProtobufCAllocator in_arena = { arena_alloc_cb, arena_free_cb, a };

    *out = protobuf_c_message_unpack(d, &in_arena, bytes.n, (const uint8_t *)bytes.p);
    if (*out == NULL)
        return fail(why, CODE_INVALID_ARGUMENT, "not a message of type %s", d->name);
    return CODE_OK;
}

enum code proto_decode(const ProtobufCMessageDescriptor *d, struct slice bytes, size_t memory_bytes_max,
                       struct arena *a, ProtobufCMessage **out, struct fault *why)
{
    size_t    memory_bytes;
    enum code code = measure_as(d, bytes, memory_bytes_max, &memory_bytes, why);

    return code == CODE_OK ? decode_as(d, bytes, a, out, why) : code;
}

void proto_encode(const ProtobufCMessage *message, struct buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(message);

    if (n > 0)
        out->n += protobuf_c_message_pack(message, (uint8_t *)buf_reserve(out, n));
}

static enum code measure(const struct json_type *type, struct slice bytes, size_t memory_bytes_max,
                         size_t *memory_bytes, struct fault *why)
{
    return measure_as(type->descriptor, bytes, memory_bytes_max, memory_bytes, why);
}

static enum code decode(const struct json_type *type, struct slice bytes, struct arena *a, ProtobufCMessage **out,
                        struct fault *why)
{
    return decode_as(type->descriptor, bytes, a, out, why);
}

static enum code encode(const struct json_type *type, const ProtobufCMessage *message, struct buf *out,
                        struct fault *why)
{
    (void)type;
    (void)why;
    proto_encode(message, out);
    return CODE_OK;
}

const struct codec codec_proto = { "proto", measure, decode, encode };
