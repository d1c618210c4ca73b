/*
 * ConformanceService: what the official Connect conformance runner asks of a server, answered as each request says.  Its
 * rules stand in connectrpc.com/conformance v1.0.5, proto/connectrpc/conformance/v1/service.proto.
 */
#include "base/clock.h"
#include "rpc/codec.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/service.pb-c.h"
#include "wire/url.h"

#define V1(name) Connectrpc__Conformance__V1__##name
typedef V1(Header) header;
typedef V1(Error) error;
typedef V1(ConformancePayload) payload;
typedef V1(ConformancePayload__RequestInfo) request_info;
typedef V1(UnaryResponseDefinition) unary_definition;
typedef V1(StreamResponseDefinition) stream_definition;
typedef Google__Protobuf__Any any;

/* All responses look alike, and all unary requests begin alike. */
struct response {
    ProtobufCMessage base;
    payload         *payload;
};
struct unary_request {
    ProtobufCMessage  base;
    unary_definition *definition;
};

/* One call: the requests that no answer has told of yet, and what to answer. */
struct answering {
    any                      **requests;
    size_t                     n_requests, n_sent, n_data;
    const ProtobufCBinaryData *data;
    const error               *error;
    uint32_t                   delay_ms;
    bool                       is_defined, is_full_duplex;
};

static void *keep(struct call *c, size_t n, size_t size) { return arena_array(call_memory(c), n, size); }

static struct answering *answering_of(struct call *c)
{
    if (call_user(c) == NULL)
        call_set_user(c, arena_zalloc(call_memory(c), sizeof(struct answering)));
    return call_user(c);
}

/* ---- what a response tells of its request ---- */

static any *any_of(struct call *c, const ProtobufCMessage *m)
{
    any *a = keep(c, 1, sizeof *a);

    google__protobuf__any__init(a);
    a->type_url = (char *)arena_printf(call_memory(c), "type.googleapis.com/%s", m->descriptor->name).p;
    a->value.len = protobuf_c_message_get_packed_size(m);
    a->value.data = keep(c, a->value.len, 1);
    protobuf_c_message_pack(m, a->value.data);
    return a;
}

/* A stream's message is gone after call_next: it is kept as bytes. */
static void request_keep(struct call *c, struct answering *s, const ProtobufCMessage *m)
{
    any **all = keep(c, s->n_requests + 1, sizeof *all);

    if (s->n_requests > 0)
        memcpy(all, s->requests, s->n_requests * sizeof *all);
    all[s->n_requests++] = any_of(c, m);
    s->requests = all;
}

/* One more value of a name, which may be there already. */
static void header_add(struct call *c, header **list, size_t *n, struct slice name, struct slice value)
{
    size_t i = 0;

    while (i < *n && !slice_is(name, list[i]->name))
        i++;
    if (i == *n) {
        list[(*n)++] = keep(c, 1, sizeof **list);
        connectrpc__conformance__v1__header__init(list[i]);
        list[i]->name = (char *)arena_copy(call_memory(c), name).p;
    }
    char **values = keep(c, list[i]->n_value + 1, sizeof *values);
    if (list[i]->n_value > 0)
        memcpy(values, list[i]->value, list[i]->n_value * sizeof *values);
    values[list[i]->n_value++] = (char *)arena_copy(call_memory(c), value).p;
    list[i]->value = values;
}

static void add_query(struct call *c, request_info *info)
{
    V1(ConformancePayload__ConnectGetInfo) *get = info->connect_get_info = keep(c, 1, sizeof *get);
    struct slice left = call_query(c);

    connectrpc__conformance__v1__conformance_payload__connect_get_info__init(get);
    get->query_params = keep(c, left.n, sizeof *get->query_params);
    while (left.n > 0) {
        struct slice pair = slice_make(left.p, slice_find(left, SLICE("&")));
        size_t       mark = slice_find(pair, SLICE("="));
        header_add(c, get->query_params, &get->n_query_params, url_decode(slice_make(pair.p, mark), call_memory(c)),
                   url_decode(slice_from(pair, mark < pair.n ? mark + 1 : mark), call_memory(c)));
        left = slice_from(left, pair.n < left.n ? pair.n + 1 : left.n);
    }
}

/* The first answer tells everything, the later ones of a stream what came since. */
static request_info *info_make(struct call *c, struct answering *s)
{
    request_info            *info = keep(c, 1, sizeof *info);
    size_t                   n;
    const struct http_field *fields = call_fields(c, &n);

    connectrpc__conformance__v1__conformance_payload__request_info__init(info);
    info->requests = s->requests;
    info->n_requests = s->n_requests;
    s->n_requests = 0;
    if (s->n_sent > 0)
        return info;
    info->request_headers = keep(c, n, sizeof *info->request_headers);
    for (size_t i = 0; i < n; i++)
        header_add(c, info->request_headers, &info->n_request_headers, fields[i].name, fields[i].value);
    if (call_deadline_ns(c) != INT64_MAX) {
        info->_timeout_ms_case = CONNECTRPC__CONFORMANCE__V1__CONFORMANCE_PAYLOAD__REQUEST_INFO___TIMEOUT_MS_TIMEOUT_MS;
        info->timeout_ms = (call_deadline_ns(c) - clock_mono_ns()) / NS_PER_MS;
    }
    if (call_is_get(c))
        add_query(c, info);
    return info;
}

/* ---- what a definition asks for ---- */

static void add_metadata(struct call *c, void (*add)(struct call *, struct slice, struct slice), header *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < list[i]->n_value; k++)
            add(c, slice_of(list[i]->name), slice_of(list[i]->value[k]));
}

static void unary_define(struct call *c, struct answering *s, const unary_definition *d)
{
    static const ProtobufCBinaryData nothing;

    s->n_data = 1;
    s->data = &nothing;
    if (d == NULL)
        return;
    add_metadata(c, call_add_header, d->response_headers, d->n_response_headers);
    add_metadata(c, call_add_trailer, d->response_trailers, d->n_response_trailers);
    s->delay_ms = d->response_delay_ms;
    if (d->response_case == CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_RESPONSE_DATA)
        s->data = &d->response_data;
    if (d->response_case == CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_ERROR) {
        s->n_data = 0;
        s->error = d->error;
    }
}

static void stream_define(struct call *c, struct answering *s, const stream_definition *d)
{
    s->is_defined = true;
    if (d == NULL)
        return;
    add_metadata(c, call_add_header, d->response_headers, d->n_response_headers);
    add_metadata(c, call_add_trailer, d->response_trailers, d->n_response_trailers);
    s->delay_ms = d->response_delay_ms;
    s->data = d->response_data;
    s->n_data = d->n_response_data;
    s->error = d->error;
}

/* The first message of a stream, which says what to answer, again from its bytes. */
static const void *first_of(struct call *c, const struct answering *s, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = NULL;
    struct fault      why;

    if (s->n_requests == 0)
        return NULL;
    ProtobufCBinaryData bytes = s->requests[0]->value;
    return proto_decode(d, slice_make(bytes.data, bytes.len), SIZE_MAX, call_memory(c), &m, &why) == CODE_OK ? m : NULL;
}

/* ---- answering ---- */

static void detail_add(struct call *c, const any *a)
{
    struct slice url = slice_of(a->type_url);
    size_t       slash = slice_find(url, SLICE("/"));

    call_add_detail(c, slice_from(url, slash < url.n ? slash + 1 : 0), slice_make(a->value.data, a->value.len));
}

static void fail_as_told(struct call *c, struct answering *s)
{
    struct fault why;

    for (size_t i = 0; i < s->error->n_details; i++)
        detail_add(c, s->error->details[i]);
    if (s->n_sent == 0)
        detail_add(c, any_of(c, &info_make(c, s)->base));
    (void)fail(&why, (enum code)s->error->code, "%s", s->error->message ? s->error->message : "");
    call_fail(c, &why);
}

/* False: nobody waits for this any more, and the call has been ended. */
static bool goes_on(struct call *c)
{
    struct fault why;

    if (call_is_cancelled(c))
        call_fail(c, (fail(&why, CODE_CANCELED, "nobody waits"), &why));
    return !call_is_cancelled(c);
}

/* The next answer; of a unary call it is the end. */
static void answer(struct call *c, struct answering *s, void (*say)(struct call *c, const ProtobufCMessage *m))
{
    payload         p = CONNECTRPC__CONFORMANCE__V1__CONFORMANCE_PAYLOAD__INIT;
    struct response r = { PROTOBUF_C_MESSAGE_INIT(call_response_type(c)), &p };

    p.data = s->data[s->n_sent];
    if (s->n_sent == 0 || s->n_requests > 0)
        p.request_info = info_make(c, s);
    s->n_sent++;
    say(c, &r.base);
}

static void answer_later(struct call *c, resume_fn *resume)
{
    uint32_t delay_ms = answering_of(c)->delay_ms;

    if (delay_ms > 0)
        call_after(c, delay_ms * NS_PER_MS, resume);
    else
        call_when_room(c, resume);
}

static void reply(struct call *c)
{
    struct answering *s = answering_of(c);

    if (!goes_on(c))
        return;
    if (s->n_data > 0)
        answer(c, s, call_reply);
    else
        fail_as_told(c, s);
}

static void stream_rest(struct call *c);

static void stream_answer(struct call *c)
{
    if (!goes_on(c))
        return;
    answer(c, answering_of(c), call_send);
    stream_rest(c);
}

/* All that is left to answer, then the end. */
static void stream_rest(struct call *c)
{
    struct answering *s = answering_of(c);

    if (s->n_sent < s->n_data)
        answer_later(c, stream_answer);
    else if (s->error != NULL)
        fail_as_told(c, s);
    else
        call_close(c);
}

static void duplex_answer(struct call *c)
{
    if (!goes_on(c))
        return;
    answer(c, answering_of(c), call_send);
    call_next(c);
}

/* ---- the methods ---- */

static void unary(struct call *c, const ProtobufCMessage *m)
{
    request_keep(c, answering_of(c), m);
    unary_define(c, answering_of(c), ((const struct unary_request *)m)->definition);
    answer_later(c, reply);
}

static void client_stream(struct call *c, const ProtobufCMessage *m)
{
    struct answering *s = answering_of(c);

    if (m != NULL) {
        request_keep(c, s, m);
        call_next(c);
    } else if (goes_on(c)) {
        const struct unary_request *q = first_of(c, s, &connectrpc__conformance__v1__client_stream_request__descriptor);
        unary_define(c, s, q ? q->definition : NULL);
        answer_later(c, reply);
    }
}

static void server_stream(struct call *c, const ProtobufCMessage *m)
{
    struct answering *s = answering_of(c);

    request_keep(c, s, m);
    stream_define(c, s, ((const V1(ServerStreamRequest) *)m)->response_definition);
    if (s->n_data > 0)
        call_open(c);
    stream_rest(c);
}

static void bidi_stream(struct call *c, const ProtobufCMessage *m)
{
    struct answering *s = answering_of(c);

    if (m == NULL) {
        if (goes_on(c))
            stream_rest(c);
        return;
    }
    request_keep(c, s, m);
    if (!s->is_defined) {
        const V1(BidiStreamRequest) *q = first_of(c, s, &connectrpc__conformance__v1__bidi_stream_request__descriptor);
        s->is_full_duplex = q != NULL && q->full_duplex;
        stream_define(c, s, q ? q->response_definition : NULL);
    }
    if (!s->is_full_duplex)
        call_next(c);
    else if (s->n_sent < s->n_data)
        answer_later(c, duplex_answer);
    else
        stream_rest(c);
}

static void unimplemented(struct call *c, const ProtobufCMessage *m)
{
    struct fault why;

    (void)m;
    call_fail(c, (fail(&why, CODE_UNIMPLEMENTED, "Unimplemented is not implemented"), &why));
}

#define METHOD(name, stem, run) \
    { "/connectrpc.conformance.v1.ConformanceService/" name, &connectrpc__conformance__v1__##stem##_request__descriptor, \
      &connectrpc__conformance__v1__##stem##_response__descriptor, LANE_QUERY, 0, run, NULL }

const struct method conformance_methods[] = {
    METHOD("Unary", unary, unary),
    METHOD("IdempotentUnary", idempotent_unary, unary),
    METHOD("ServerStream", server_stream, server_stream),
    METHOD("ClientStream", client_stream, client_stream),
    METHOD("BidiStream", bidi_stream, bidi_stream),
    METHOD("Unimplemented", unimplemented, unimplemented),
};
