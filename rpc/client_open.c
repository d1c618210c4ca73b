/*
 * How a call begins: fields and message as they go to the wire, on the caller's thread.
 */
#include <assert.h>

#include "rpc/client_priv.h"
#include "rpc/codec.h"

enum { OWN_FIELDS_MAX = 6, PACK_LEAST_BYTES = 1024 }; /* smaller messages are not worth the work */

static void add_field(struct rpc_stream *s, struct slice name, struct slice value)
{
    s->fields[s->send.n_fields++] = (struct http_field){ name, arena_copy(s->arena, value) };
}

/* As HTTP/2 has names. */
static struct slice lower_case(struct arena *a, const char *name)
{
    struct slice copy = arena_copy(a, slice_of(name));

    for (char *p = (char *)(uintptr_t)copy.p; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return copy;
}

static void add_fields(struct rpc_stream *s, const struct rpc_request *r)
{
    size_t n = OWN_FIELDS_MAX + 2;

    for (const char *const *f = r->fields; f != NULL && *f != NULL; f += 2)
        n++;
    s->send.fields = s->fields = arena_array(s->arena, n, sizeof *s->fields);
    if (r->deadline_ns != 0)
        add_field(s, SLICE("grpc-timeout"), SLICE(""));
    add_field(s, SLICE("content-type"), SLICE("application/grpc"));
    add_field(s, SLICE("te"), SLICE("trailers"));
    if (s->body.n > 0)
        add_field(s, SLICE("content-length"), arena_printf(s->arena, "%zu", s->body.n));
    if (s->packs != NULL)
        add_field(s, SLICE("grpc-encoding"), slice_of(s->packs->name));
    if (r->accepts != NULL)
        add_field(s, SLICE("grpc-accept-encoding"), slice_of(r->accepts));
    for (const char *const *f = r->fields; f != NULL && *f != NULL; f += 2)
        add_field(s, lower_case(s->arena, f[0]), slice_of(f[1]));
}

/* Packed if that makes it smaller. */
struct buf message_encode(const struct rpc_stream *s, const ProtobufCMessage *message)
{
    struct buf out = { 0 }, packed = { 0 };

    envelope_open(&out);
    proto_encode(message, &out);
    if (s->packs != NULL && out.n >= PACK_LEAST_BYTES) {
        envelope_open(&packed);
        s->packs->pack(slice_from(buf_view(&out), ENVELOPE_BYTES), &packed);
    }
    if (packed.n == 0 || packed.n >= out.n) {
        buf_free(&packed);
        envelope_close(&out, 0, 0);
        return out;
    }
    buf_free(&out);
    envelope_close(&packed, 0, ENVELOPE_COMPRESSED);
    return packed;
}

_Static_assert(RPC_ROOM == (int)ENVELOPE_BYTES, "the room is the envelope's");

static struct buf envelope_taken(struct buf *packed)
{
    struct buf out = *packed;

    *packed = (struct buf){ 0 };
    envelope_close(&out, 0, 0);
    return out;
}

static struct rpc_stream *stream_new(struct lane_client *lane, const struct rpc_request *r)
{
    struct arena      *a = arena_new(0);
    struct rpc_stream *s = arena_zalloc(a, sizeof *s);
    bool               has_body = r->message != NULL || r->packed != NULL;
    struct fault       why;

    s->refs = 1;
    s->lane = lane;
    s->arena = a;
    s->response = r->response;
    s->response_bytes_max = s->inbox.message_bytes_max = r->response_bytes_max;
    s->retry = r->retry;
    s->arg = r->arg;
    enum code code = compression_named(slice_of(r->compression), &s->packs, &why);
    assert(code == CODE_OK); /* our own callers name those that there are */
    (void)code;
    assert(r->packed == NULL || (r->message == NULL && s->packs == NULL));
    if (has_body)
        s->body = r->packed != NULL ? envelope_taken(r->packed) : message_encode(s, r->message);
    s->send = (struct http_send){ .address = arena_copy(a, slice_of(r->address)).p,
                                  .method = SLICE("POST"),
                                  .path = arena_copy(a, slice_of(r->path)),
                                  .body = buf_view(&s->body),
                                  .is_given = has_body && r->retry.attempts_max <= 1, /* it is sent once */
                                  .is_open = !has_body,
                                  .deadline_ns = r->deadline_ns,
                                  .events = &answer_events,
                                  .on_done = answer_done,
                                  .arg = s };
    add_fields(s, r);
    return s;
}

/* ---- on its way to a loop ---- */

static void run_begin(struct task *t)
{
    struct rpc_stream *s = (struct rpc_stream *)(void *)((char *)t - offsetof(struct rpc_stream, begin_task));

    atomic_fetch_sub(&s->n_posted, 1);
    stream_begin(s);
}

static struct rpc_stream *stream_post(struct rpc_client *c, struct rpc_stream *s)
{
    s->client = c;
    s->n_posted = 1;
    s->begin_task.run = run_begin;
    loop_post(s->lane->loop, &s->begin_task);
    return s;
}

static struct lane_client *lane_next(struct rpc_client *c)
{
    return &c->lanes[atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed) % c->n];
}

struct rpc_stream *rpc_client_call(struct rpc_client *c, const struct rpc_request *r)
{
    struct rpc_stream *s = stream_new(lane_next(c), r);

    assert((r->message != NULL || r->packed != NULL) && r->on_reply != NULL);
    s->on_reply = r->on_reply;
    return stream_post(c, s);
}

void stream_call_here(struct lane_client *lane, const struct rpc_request *r)
{
    struct rpc_stream *s = stream_new(lane, r);

    s->on_reply = r->on_reply;
    s->is_probe = true;
    stream_begin(s);
}

struct rpc_stream *rpc_stream_open(struct rpc_client *c, const struct rpc_request *r, const struct rpc_events *on)
{
    struct rpc_stream *s = stream_new(lane_next(c), r);

    s->refs = 2;
    s->on = *on;
    return stream_post(c, s);
}
