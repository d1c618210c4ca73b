/*
 * rpc-conformance-client: the client that the official Connect conformance runner tests.  It reads ClientCompatRequests from
 * standard input, makes the call that each describes and answers with what came of it, one ClientCompatResponse each.  All
 * are preceded by their length, four bytes, big-endian.
 *
 * Some threads take requests in turn; each waits for its own call.  Cases that take their time so pass side by side.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"
#include "rpc/client.h"
#include "rpc/codec.h"
#include "rpc/errors.h"
#include "tests/conformance/client_compat.pb-c.h"

typedef Connectrpc__Conformance__V1__ClientCompatRequest         order;
typedef Connectrpc__Conformance__V1__ClientCompatRequest__Cancel cancel;
typedef Connectrpc__Conformance__V1__ClientCompatResponse        reply;
typedef Connectrpc__Conformance__V1__ClientResponseResult        result;
typedef Connectrpc__Conformance__V1__ConformancePayload          payload;
typedef Connectrpc__Conformance__V1__Header                      header;
typedef Connectrpc__Conformance__V1__Error                       error;
typedef Google__Protobuf__Any                                    any;

enum { ORDER_BYTES_MAX = 4 << 20, ANSWERS_MAX = 1000, WORKERS = 8, ANSWER_BYTES_MAX = 64 << 20 };

/* All responses look alike. */
struct response {
    ProtobufCMessage base;
    payload         *payload;
};

/* One case; `lock` guards what the call's callbacks write and the worker reads. */
struct trial {
    const order       *order;
    struct arena      *arena;
    struct rpc_stream *stream;
    pthread_mutex_t    lock;
    pthread_cond_t     changed;
    result             result;
    _Atomic bool       has_ended;
};

static struct loop    *the_loop;
static pthread_mutex_t in_lock = PTHREAD_MUTEX_INITIALIZER, out_lock = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what)
{
    fprintf(stderr, "rpc-conformance-client: %s\n", what);
    exit(1);
}

static struct slice bytes_of(ProtobufCBinaryData b) { return slice_make(b.data, b.len); }

/* ---- what the call tells, on the loop ---- */

static void *message_copy(struct arena *a, const ProtobufCMessage *m)
{
    ProtobufCMessage *copy;
    struct buf        bytes = { 0 };
    struct fault      why;

    proto_encode(m, &bytes);
    if (proto_decode(m->descriptor, arena_copy(a, buf_view(&bytes)), SIZE_MAX, a, &copy, &why) != CODE_OK)
        die(why.text);
    buf_free(&bytes);
    return copy;
}

static void payload_add(struct trial *t, const ProtobufCMessage *m)
{
    const payload *p = ((const struct response *)m)->payload;
    payload        none = CONNECTRPC__CONFORMANCE__V1__CONFORMANCE_PAYLOAD__INIT;

    if (t->result.n_payloads == ANSWERS_MAX)
        die("more answers than any case has");
    t->result.payloads[t->result.n_payloads++] = message_copy(t->arena, p != NULL ? &p->base : &none.base);
}

static void header_add(struct arena *a, header **list, size_t *n, const struct http_field *field)
{
    size_t i = 0;

    while (i < *n && !slice_is(field->name, list[i]->name))
        i++;
    if (i == *n) {
        list[(*n)++] = arena_alloc(a, sizeof **list);
        connectrpc__conformance__v1__header__init(list[i]);
        list[i]->name = (char *)arena_copy(a, field->name).p;
    }
    char **values = arena_array(a, list[i]->n_value + 1, sizeof *values);
    if (list[i]->n_value > 0)
        memcpy(values, list[i]->value, list[i]->n_value * sizeof *values);
    values[list[i]->n_value++] = (char *)arena_copy(a, field->value).p;
    list[i]->value = values;
}

static header **headers_of(struct arena *a, const struct http_field *fields, size_t n, size_t *n_headers)
{
    header **list = arena_array(a, n, sizeof *list);

    *n_headers = 0;
    for (size_t i = 0; i < n; i++)
        header_add(a, list, n_headers, &fields[i]);
    return list;
}

static error *error_of(struct arena *a, const struct rpc_end *end)
{
    error *e = arena_alloc(a, sizeof *e);

    connectrpc__conformance__v1__error__init(e);
    e->code = (Connectrpc__Conformance__V1__Code)end->code;
    e->_message_case = CONNECTRPC__CONFORMANCE__V1__ERROR___MESSAGE_MESSAGE;
    e->message = (char *)arena_copy(a, slice_of(end->text)).p;
    e->details = arena_array(a, end->n_details, sizeof *e->details);
    for (size_t i = 0; i < end->n_details; i++) {
        any         *d = e->details[e->n_details++] = arena_alloc(a, sizeof *d);
        struct slice value = arena_copy(a, end->details[i].value);
        google__protobuf__any__init(d);
        d->type_url = (char *)arena_printf(a, "type.googleapis.com/%.*s", SLICE_ARGS(end->details[i].type)).p;
        d->value = (ProtobufCBinaryData){ value.n, (uint8_t *)(uintptr_t)value.p };
    }
    return e;
}

static void on_message(void *arg, const ProtobufCMessage *m)
{
    struct trial *t = arg;

    pthread_mutex_lock(&t->lock);
    payload_add(t, m);
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void on_end(void *arg, const struct rpc_end *end)
{
    struct trial *t = arg;
    result       *r = &t->result;

    pthread_mutex_lock(&t->lock);
    if (end->message != NULL)
        payload_add(t, end->message);
    if (end->code != CODE_OK)
        r->error = error_of(t->arena, end);
    r->response_headers = headers_of(t->arena, end->headers, end->n_headers, &r->n_response_headers);
    r->response_trailers = headers_of(t->arena, end->trailers, end->n_trailers, &r->n_response_trailers);
    t->has_ended = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* ---- the call, as its order says ---- */

#define CANCEL(when) CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_REQUEST__CANCEL__CANCEL_TIMING_##when
#define KIND(name) CONNECTRPC__CONFORMANCE__V1__STREAM_TYPE__STREAM_TYPE_##name

/* The next answer; false when the call has ended instead. */
static bool receive(struct trial *t)
{
    const cancel *c = t->order->cancel;

    pthread_mutex_lock(&t->lock);
    size_t n = t->result.n_payloads + 1;
    rpc_stream_next(t->stream);
    while (t->result.n_payloads < n && !t->has_ended)
        pthread_cond_wait(&t->changed, &t->lock);
    bool has_come = t->result.n_payloads == n;
    pthread_mutex_unlock(&t->lock);
    if (has_come && c != NULL && c->cancel_timing_case == CANCEL(AFTER_NUM_RESPONSES) && n == c->after_num_responses)
        rpc_stream_cancel(t->stream);
    return has_come;
}

static void sent_all(struct trial *t)
{
    const cancel *c = t->order->cancel;
    bool          is_after = c != NULL &&
                    (c->cancel_timing_case == CANCEL(AFTER_CLOSE_SEND_MS) || c->cancel_timing_case == CANCEL(_NOT_SET));

    if (is_after) {
        usleep(c->after_close_send_ms * 1000);
        rpc_stream_cancel(t->stream);
    }
}

static ProtobufCMessage *request_at(const struct trial *t, const ProtobufCMessageDescriptor *d, size_t i)
{
    ProtobufCMessage *m;
    struct fault      why;

    if (proto_decode(d, bytes_of(t->order->request_messages[i]->value), SIZE_MAX, t->arena, &m, &why) != CODE_OK)
        die(why.text);
    return m;
}

static void send_all(struct trial *t, const ProtobufCMessageDescriptor *request)
{
    const order *o = t->order;

    for (size_t i = 0; i < o->n_request_messages; i++) {
        usleep(o->request_delay_ms * 1000);
        t->result.num_unsent_requests = (int32_t)(o->n_request_messages - i);
        if (t->has_ended)
            return;
        t->result.num_unsent_requests--;
        rpc_stream_send(t->stream, request_at(t, request, i));
        if (o->stream_type == KIND(FULL_DUPLEX_BIDI_STREAM) && !receive(t))
            return;
    }
    if (o->cancel != NULL && o->cancel->cancel_timing_case == CANCEL(BEFORE_CLOSE_SEND))
        rpc_stream_cancel(t->stream);
    rpc_stream_close_send(t->stream);
}

struct method {
    const char                       *name;
    const ProtobufCMessageDescriptor *request, *response;
};

#define METHOD(name, stem)                                                                                             \
    {                                                                                                                  \
        name, &connectrpc__conformance__v1__##stem##_request__descriptor,                                              \
            &connectrpc__conformance__v1__##stem##_response__descriptor                                                \
    }

static const struct method *method_of(const order *o)
{
    static const struct method methods[] = {
        METHOD("Unary", unary),
        METHOD("IdempotentUnary", idempotent_unary),
        METHOD("ServerStream", server_stream),
        METHOD("ClientStream", client_stream),
        METHOD("BidiStream", bidi_stream),
        METHOD("Unimplemented", unimplemented),
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].name, o->method) == 0)
            return &methods[i];
    die("a method that the service does not have");
    return NULL;
}

static const char **fields_of(struct trial *t)
{
    const order *o = t->order;
    size_t       n = 1, at = 0;

    for (size_t i = 0; i < o->n_request_headers; i++)
        n += 2 * o->request_headers[i]->n_value;
    const char **fields = arena_array(t->arena, n, sizeof *fields);
    for (size_t i = 0; i < o->n_request_headers; i++)
        for (size_t k = 0; k < o->request_headers[i]->n_value; k++) {
            fields[at++] = o->request_headers[i]->name;
            fields[at++] = o->request_headers[i]->value[k];
        }
    fields[at] = NULL;
    return fields;
}

static const char *compression_of(const order *o)
{
    static const char *const names[] = { NULL, NULL, "gzip", NULL, "zstd" };

    return (size_t)o->compression < sizeof names / sizeof *names ? names[o->compression] : NULL;
}

static void run(struct trial *t, struct rpc_client *client)
{
    const order         *o = t->order;
    const struct method *m = method_of(o);
    bool                 sends_one = o->stream_type == KIND(UNARY) || o->stream_type == KIND(SERVER_STREAM);
    bool                 hears_one = o->stream_type == KIND(UNARY) || o->stream_type == KIND(CLIENT_STREAM);
    struct rpc_events    events = { .on_message = hears_one ? NULL : on_message, .on_end = on_end };
    struct rpc_request   request = {
          .address = arena_printf(t->arena, "%s:%u", o->host, o->port).p,
          .path = arena_printf(t->arena, "/%s/%s", o->service, o->method).p,
          .message = sends_one ? request_at(t, m->request, 0) : NULL,
          .response = m->response,
          .fields = fields_of(t),
          .deadline_ns = o->_timeout_ms_case ? clock_mono_ns() + o->timeout_ms * NS_PER_MS : 0,
          .response_bytes_max = o->message_receive_limit ? o->message_receive_limit : ANSWER_BYTES_MAX,
          .compression = compression_of(o),
          .accepts = compression_of(o),
          .arg = t,
    };

    t->stream = rpc_stream_open(client, &request, &events);
    if (!sends_one)
        send_all(t, m->request);
    sent_all(t);
    while (receive(t))
        continue;
    rpc_stream_free(t->stream);
}

/* NULL: clear text. */
static struct tls *tls_of(const order *o)
{
    struct tls_config config = { .ca = bytes_of(o->server_tls_cert) };
    struct tls       *tls;
    struct fault      why;

    if (o->server_tls_cert.len == 0)
        return NULL;
    if (o->client_tls_creds != NULL)
        config.cert = bytes_of(o->client_tls_creds->cert), config.key = bytes_of(o->client_tls_creds->key);
    if (tls_client_new(&config, &tls, &why) != CODE_OK)
        die(why.text);
    return tls;
}

/* ---- orders in, replies out ---- */

static order *read_order(void)
{
    uint8_t head[4];
    order  *o = NULL;

    pthread_mutex_lock(&in_lock);
    if (fread(head, 1, 4, stdin) == 4) {
        size_t   n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
        uint8_t *bytes = n <= ORDER_BYTES_MAX ? malloc(n) : NULL;
        if (bytes == NULL || fread(bytes, 1, n, stdin) != n)
            die("a request is too long or cut short");
        o = connectrpc__conformance__v1__client_compat_request__unpack(NULL, n, bytes);
        if (o == NULL)
            die("a request is no ClientCompatRequest");
        free(bytes);
    }
    pthread_mutex_unlock(&in_lock);
    return o;
}

static void write_reply(const reply *r)
{
    size_t   n = connectrpc__conformance__v1__client_compat_response__get_packed_size(r);
    uint8_t *bytes = malloc(4 + n);

    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(n >> (24 - 8 * i));
    connectrpc__conformance__v1__client_compat_response__pack(r, bytes + 4);
    pthread_mutex_lock(&out_lock);
    if (fwrite(bytes, 1, 4 + n, stdout) != 4 + n || fflush(stdout) != 0)
        die("cannot answer");
    pthread_mutex_unlock(&out_lock);
    free(bytes);
}

static void serve(order *o)
{
    struct trial t = { .order = o, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    reply        r = CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_RESPONSE__INIT;
    struct tls  *tls = tls_of(o);

    connectrpc__conformance__v1__client_response_result__init(&t.result);
    t.arena = arena_new(0);
    t.result.payloads = arena_array(t.arena, ANSWERS_MAX, sizeof *t.result.payloads);
    struct rpc_client *client = rpc_client_new(&the_loop, 1, tls);
    run(&t, client);
    rpc_client_free(client);
    tls_unref(tls);
    r.test_name = o->test_name;
    r.result_case = CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_RESPONSE__RESULT_RESPONSE;
    r.response = &t.result;
    write_reply(&r);
    arena_free(t.arena);
    connectrpc__conformance__v1__client_compat_request__free_unpacked(o, NULL);
}

static void *work(void *arg)
{
    for (order *o; (o = read_order()) != NULL;)
        serve(o);
    return arg;
}

int main(void)
{
    pthread_t workers[WORKERS];

    signal(SIGPIPE, SIG_IGN);
    the_loop = loop_new(0);
    loop_start(the_loop);
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&workers[i], NULL, work, NULL) != 0)
            die("no thread");
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    loop_stop(the_loop);
    loop_free(the_loop);
    return 0;
}
