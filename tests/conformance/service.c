#include "tests/conformance/service.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "rpc/codec.h"
#include "tests/conformance/service.pb-c.h"
#include "wire/url.h"

typedef Connectrpc__Conformance__V1__Header                          header;
typedef Connectrpc__Conformance__V1__Error                           error;
typedef Connectrpc__Conformance__V1__ConformancePayload              payload;
typedef Connectrpc__Conformance__V1__ConformancePayload__RequestInfo request_info;
typedef Connectrpc__Conformance__V1__UnaryResponseDefinition         unary_definition;
typedef Connectrpc__Conformance__V1__StreamResponseDefinition        stream_definition;
typedef Google__Protobuf__Any                                        any;

/* All responses, and the requests' beginnings, look alike. */
struct response {
    ProtobufCMessage base;
    payload         *payload;
};
struct unary_request {
    ProtobufCMessage  base;
    unary_definition *definition;
};
_Static_assert(sizeof(struct response) == sizeof(Connectrpc__Conformance__V1__UnaryResponse), "one field");
_Static_assert(offsetof(Connectrpc__Conformance__V1__ClientStreamRequest, response_definition) ==
                   offsetof(struct unary_request, definition), "the definition is first");

/* One call: the requests that no answer has told of yet, and what is left to answer. */
struct answering {
    const ProtobufCMessageDescriptor *response;
    const unary_definition           *unary;
    const stream_definition          *stream;
    any                             **requests;
    size_t                            n_requests, cap_requests, n_sent;
    bool                              is_full_duplex;
};

static void *keep(struct call *c, size_t n, size_t size) { return arena_array(call_memory(c), n, size); }

static struct answering *answering_of(struct call *c, const ProtobufCMessageDescriptor *response)
{
    struct answering *s = call_user(c);

    if (s == NULL) {
        s = arena_zalloc(call_memory(c), sizeof *s);
        s->response = response;
        call_set_user(c, s);
    }
    return s;
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

/* The message of a stream is gone after call_next: `m` is kept as bytes. */
static void request_keep(struct call *c, struct answering *s, const ProtobufCMessage *m)
{
    if (s->n_requests == s->cap_requests) {
        any **wider = keep(c, s->cap_requests = s->cap_requests * 2 + 4, sizeof *wider);
        if (s->n_requests > 0)
            memcpy(wider, s->requests, s->n_requests * sizeof *wider);
        s->requests = wider;
    }
    s->requests[s->n_requests++] = any_of(c, m);
}

/* One more value of a name; the same name before takes it. */
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
    struct slice left = call_query(c);

    info->connect_get_info = keep(c, 1, sizeof *info->connect_get_info);
    connectrpc__conformance__v1__conformance_payload__connect_get_info__init(info->connect_get_info);
    info->connect_get_info->query_params = keep(c, left.n, sizeof(header *));
    while (left.n > 0) {
        struct slice pair = slice_make(left.p, slice_find(left, SLICE("&")));
        size_t       mark = slice_find(pair, SLICE("="));
        header_add(c, info->connect_get_info->query_params, &info->connect_get_info->n_query_params,
                   url_decode(slice_make(pair.p, mark), call_memory(c)),
                   url_decode(slice_from(pair, mark < pair.n ? mark + 1 : mark), call_memory(c)));
        left = slice_from(left, pair.n < left.n ? pair.n + 1 : left.n);
    }
}

/* With everything but for the later answers of a stream, which tell of what came since. */
static request_info *info_make(struct call *c, struct answering *s, bool is_first)
{
    request_info            *info = keep(c, 1, sizeof *info);
    size_t                   n;
    const struct http_field *fields = call_fields(c, &n);

    connectrpc__conformance__v1__conformance_payload__request_info__init(info);
    info->requests = s->requests;
    info->n_requests = s->n_requests;
    s->requests = NULL;
    s->n_requests = s->cap_requests = 0;
    if (!is_first)
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

typedef void add_fn(struct call *c, struct slice name, struct slice value);

static void add_metadata(struct call *c, add_fn *add, header *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < list[i]->n_value; k++)
            add(c, slice_of(list[i]->name), slice_of(list[i]->value[k]));
}

static void detail_add(struct call *c, const any *a)
{
    struct slice url = slice_of(a->type_url);
    size_t       slash = slice_find(url, SLICE("/"));

    call_add_detail(c, slice_from(url, slash < url.n ? slash + 1 : 0), slice_make(a->value.data, a->value.len));
}

/* `info` may be NULL. */
static void fail_with(struct call *c, const error *e, const request_info *info)
{
    struct fault why;

    (void)fail(&why, (enum code)e->code, "%s", e->message ? e->message : "");
    for (size_t i = 0; i < e->n_details; i++)
        detail_add(c, e->details[i]);
    if (info != NULL)
        detail_add(c, any_of(c, &info->base));
    call_fail(c, &why);
}

static void give_up(struct call *c)
{
    struct fault why;
    call_fail(c, (fail(&why, CODE_CANCELED, "nobody waits for this"), &why));
}

static struct response response_of(const struct answering *s, payload *p, ProtobufCBinaryData data, request_info *info)
{
    connectrpc__conformance__v1__conformance_payload__init(p);
    p->data = data;
    p->request_info = info;
    return (struct response){ PROTOBUF_C_MESSAGE_INIT(s->response), p };
}

/* ---- one answer: Unary, IdempotentUnary, ClientStream ---- */

#define UNARY(what) CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_##what

static void unary_end(struct call *c)
{
    struct answering *s = call_user(c);
    payload           p;

    if (call_is_cancelled(c)) {
        give_up(c);
    } else if (s->unary != NULL && s->unary->response_case == UNARY(ERROR)) {
        fail_with(c, s->unary->error, info_make(c, s, true));
    } else {
        bool            has_data = s->unary != NULL && s->unary->response_case == UNARY(RESPONSE_DATA);
        struct response r = response_of(s, &p, has_data ? s->unary->response_data : (ProtobufCBinaryData){ 0 },
                                        info_make(c, s, true));
        call_reply(c, &r.base);
    }
}

static void unary_answer(struct call *c, struct answering *s, const unary_definition *d)
{
    s->unary = d;
    if (d != NULL) {
        add_metadata(c, call_add_header, d->response_headers, d->n_response_headers);
        add_metadata(c, call_add_trailer, d->response_trailers, d->n_response_trailers);
    }
    if (d != NULL && d->response_delay_ms > 0)
        call_after(c, d->response_delay_ms * NS_PER_MS, unary_end);
    else
        unary_end(c);
}

static void unary_run(struct call *c, const ProtobufCMessage *m, const ProtobufCMessageDescriptor *response)
{
    struct answering *s = answering_of(c, response);

    request_keep(c, s, m);
    unary_answer(c, s, ((const struct unary_request *)m)->definition);
}

static void unary(struct call *c, const ProtobufCMessage *m)
{
    unary_run(c, m, &connectrpc__conformance__v1__unary_response__descriptor);
}

static void idempotent_unary(struct call *c, const ProtobufCMessage *m)
{
    unary_run(c, m, &connectrpc__conformance__v1__idempotent_unary_response__descriptor);
}

/* The first message says what to answer; it is decoded again from what was kept of it. */
static const ProtobufCMessage *first_of(struct call *c, const struct answering *s, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = NULL;
    struct fault      why;

    if (s->n_requests > 0 && proto_decode(d, slice_make(s->requests[0]->value.data, s->requests[0]->value.len),
                                          SIZE_MAX, call_memory(c), &m, &why) != CODE_OK)
        return NULL;
    return m;
}

static void client_stream(struct call *c, const ProtobufCMessage *m)
{
    struct answering *s = answering_of(c, &connectrpc__conformance__v1__client_stream_response__descriptor);

    if (m != NULL) {
        request_keep(c, s, m);
        call_next(c);
    } else if (call_is_cancelled(c)) {
        give_up(c);
    } else {
        m = first_of(c, s, &connectrpc__conformance__v1__client_stream_request__descriptor);
        unary_answer(c, s, m ? ((const struct unary_request *)m)->definition : NULL);
    }
}

/* ---- several answers: ServerStream, BidiStream ---- */

static size_t n_answers(const struct answering *s) { return s->stream ? s->stream->n_response_data : 0; }

static void stream_begin(struct call *c, struct answering *s, const stream_definition *d)
{
    s->stream = d;
    if (d == NULL)
        return;
    add_metadata(c, call_add_header, d->response_headers, d->n_response_headers);
    add_metadata(c, call_add_trailer, d->response_trailers, d->n_response_trailers);
}

static void answer_next(struct call *c, struct answering *s)
{
    payload         p;
    struct response r = response_of(s, &p, s->stream->response_data[s->n_sent],
                                    s->n_sent == 0 || s->n_requests > 0 ? info_make(c, s, s->n_sent == 0) : NULL);

    s->n_sent++;
    call_send(c, &r.base);
}

static void stream_end(struct call *c, struct answering *s)
{
    if (s->stream != NULL && s->stream->error != NULL)
        fail_with(c, s->stream->error, s->n_sent == 0 ? info_make(c, s, true) : NULL);
    else
        call_close(c);
}

static void stream_rest(struct call *c);

static void stream_answer(struct call *c)
{
    if (!call_is_cancelled(c))
        answer_next(c, call_user(c));
    stream_rest(c);
}

/* All that is left to answer, then the end. */
static void stream_rest(struct call *c)
{
    struct answering *s = call_user(c);

    if (call_is_cancelled(c))
        give_up(c);
    else if (s->n_sent == n_answers(s))
        stream_end(c, s);
    else if (s->stream->response_delay_ms > 0)
        call_after(c, s->stream->response_delay_ms * NS_PER_MS, stream_answer);
    else
        call_when_room(c, stream_answer);
}

static void server_stream(struct call *c, const ProtobufCMessage *m)
{
    struct answering *s = answering_of(c, &connectrpc__conformance__v1__server_stream_response__descriptor);

    request_keep(c, s, m);
    stream_begin(c, s, ((const Connectrpc__Conformance__V1__ServerStreamRequest *)m)->response_definition);
    if (n_answers(s) > 0)
        call_open(c);
    stream_rest(c);
}

static void duplex_answer(struct call *c)
{
    struct answering *s = call_user(c);

    if (call_is_cancelled(c)) {
        give_up(c);
        return;
    }
    answer_next(c, s);
    call_next(c);
}

static void bidi_first(struct call *c, struct answering *s)
{
    const Connectrpc__Conformance__V1__BidiStreamRequest *q =
        (const void *)first_of(c, s, &connectrpc__conformance__v1__bidi_stream_request__descriptor);

    s->is_full_duplex = q != NULL && q->full_duplex;
    stream_begin(c, s, q ? q->response_definition : NULL);
}

static void bidi_stream(struct call *c, const ProtobufCMessage *m)
{
    struct answering *s = answering_of(c, &connectrpc__conformance__v1__bidi_stream_response__descriptor);

    if (m == NULL) {
        stream_rest(c);
        return;
    }
    request_keep(c, s, m);
    if (s->stream == NULL)
        bidi_first(c, s);
    if (!s->is_full_duplex)
        call_next(c);
    else if (s->n_sent == n_answers(s))
        stream_end(c, s);
    else if (s->stream->response_delay_ms > 0)
        call_after(c, s->stream->response_delay_ms * NS_PER_MS, duplex_answer);
    else
        duplex_answer(c);
}

static void unimplemented(struct call *c, const ProtobufCMessage *m)
{
    struct fault why;

    (void)m;
    call_fail(c, (fail(&why, CODE_UNIMPLEMENTED, "Unimplemented is not implemented"), &why));
}

#define METHOD(name, stem, run)                                                                                       \
    { "/connectrpc.conformance.v1.ConformanceService/" name, &connectrpc__conformance__v1__##stem##_request__descriptor, \
      &connectrpc__conformance__v1__##stem##_response__descriptor, LANE_QUERY, 0, run }

const struct method *conformance_methods(size_t *n)
{
    static const struct method methods[] = {
        METHOD("Unary", unary, unary),
        METHOD("IdempotentUnary", idempotent_unary, idempotent_unary),
        METHOD("ServerStream", server_stream, server_stream),
        METHOD("ClientStream", client_stream, client_stream),
        METHOD("BidiStream", bidi_stream, bidi_stream),
        METHOD("Unimplemented", unimplemented, unimplemented),
    };
    *n = sizeof methods / sizeof *methods;
    return methods;
}
