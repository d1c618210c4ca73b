#include "server/waybill.h"

#include "proto/shard.pb-c.h"
#include "rpc/codec.h"

typedef Hearth__Shard__V1__Waybill         waybill_message;
typedef Hearth__Shard__V1__Waybill__Limits limits_message;

enum { MEMORY_BYTES_MAX = 16 << 20 };

static limits_message limits_encode(const struct decode_limits *l)
{
    limits_message m = HEARTH__SHARD__V1__WAYBILL__LIMITS__INIT;

    m.profile_bytes_max = l->profile_bytes_max;
    m.samples_max = l->samples_max;
    m.sample_labels_max = l->sample_labels_max;
    m.depth_max = l->depth_max;
    m.symbol_bytes_max = l->symbol_bytes_max;
    m.label_names_max = l->label_names_max;
    m.label_name_bytes_max = l->label_name_bytes_max;
    m.label_value_bytes_max = l->label_value_bytes_max;
    m.sessions_max = l->sessions_max;
    m.oldest_ns = l->oldest_ns;
    m.newest_ns = l->newest_ns;
    m.sanitize_labels = l->sanitize_labels;
    return m;
}

static struct decode_limits limits_decode(const limits_message *m)
{
    return (struct decode_limits){
        .profile_bytes_max = m->profile_bytes_max,
        .samples_max = m->samples_max,
        .sample_labels_max = m->sample_labels_max,
        .depth_max = m->depth_max,
        .symbol_bytes_max = m->symbol_bytes_max,
        .label_names_max = m->label_names_max,
        .label_name_bytes_max = m->label_name_bytes_max,
        .label_value_bytes_max = m->label_value_bytes_max,
        .sessions_max = m->sessions_max,
        .oldest_ns = m->oldest_ns,
        .newest_ns = m->newest_ns,
        .sanitize_labels = m->sanitize_labels,
    };
}

static bool limits_are_sane(const struct decode_limits *l)
{
    return l->profile_bytes_max >= 0 && l->samples_max >= 0 && l->sample_labels_max >= 0 && l->depth_max >= 0 &&
           l->symbol_bytes_max >= 0 && l->label_names_max >= 0 && l->label_name_bytes_max >= 0 &&
           l->label_value_bytes_max >= 0 && l->sessions_max >= 0;
}

struct slice waybill_encode(const struct waybill *w, struct arena *a)
{
    const struct ingest_source *source = &w->source;
    waybill_message             m = HEARTH__SHARD__V1__WAYBILL__INIT;
    limits_message              limits = limits_encode(&w->limits);
    struct buf                  labels = { 0 };

    labels_encode(&labels, source->labels);
    m.tenant = proto_bytes(source->tenant);
    m.labels = proto_bytes(buf_view(&labels));
    m.client_id = proto_bytes(source->client_id);
    m.ordinal = source->ordinal;
    m.now_ns = source->now_ns;
    m.is_legacy = source->hints.is_legacy;
    m.spy_name = proto_bytes(source->hints.spy_name);
    m.type_config = proto_bytes(source->hints.type_config);
    m.from_ns = source->hints.from_ns;
    m.mode = w->mode;
    m.raw_bytes = w->raw_bytes;
    m.limits = &limits;
    uint8_t *out = arena_alloc(a, protobuf_c_message_get_packed_size(&m.base));
    size_t   n = protobuf_c_message_pack(&m.base, out);
    buf_free(&labels);
    return slice_make(out, n);
}

enum code waybill_decode(struct slice bytes, struct arena *a, struct waybill *out, struct fault *why)
{
    ProtobufCMessage *message;
    enum code code = proto_decode(&hearth__shard__v1__waybill__descriptor, bytes, MEMORY_BYTES_MAX, a, &message, why);

    if (code != CODE_OK)
        return code;
    const waybill_message *m = (const waybill_message *)message;
    struct ingest_source  *source = &out->source;
    *out = (struct waybill){ .mode = (enum batch_mode)m->mode, .raw_bytes = m->raw_bytes };
    source->tenant = proto_slice(m->tenant);
    source->client_id = proto_slice(m->client_id);
    source->ordinal = m->ordinal;
    source->now_ns = m->now_ns;
    source->hints.is_legacy = m->is_legacy;
    source->hints.spy_name = proto_slice(m->spy_name);
    source->hints.type_config = proto_slice(m->type_config);
    source->hints.from_ns = m->from_ns;
    if (m->mode > BATCH_MEMORY || m->limits == NULL || !labels_decode(proto_slice(m->labels), a, &source->labels))
        return fail(why, CODE_INVALID_ARGUMENT, "waybill: no limits, or labels or a mode that are none");
    out->limits = limits_decode(m->limits);
    return limits_are_sane(&out->limits) ? CODE_OK : fail(why, CODE_INVALID_ARGUMENT, "waybill: a limit below zero");
}
