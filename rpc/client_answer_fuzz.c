/*
 * Goal: an answer ends its call once, whatever its head, its messages and its trailers say.
 * Input: what kind of call, then three lines (grpc-status, grpc-encoding, grpc-status-details-bin), then the body.
 */
#include <assert.h>

#include "proto/status.pb-c.h"
#include "rpc/client_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzzed {
    struct rpc_stream *stream;
    int                ends;
};

static void on_message(void *arg, const ProtobufCMessage *m)
{
    assert(m != NULL);
    ((struct fuzzed *)arg)->stream->wants = true;
}

static void on_end(void *arg, const struct rpc_end *end)
{
    struct fuzzed *f = arg;

    f->ends++;
    assert(end->code == CODE_OK || end->message == NULL);
    for (size_t i = 0; i < end->n_details; i++)
        assert(slice_find(end->details[i].type, SLICE("/")) == end->details[i].type.n);
}

static struct slice line(struct slice *from)
{
    size_t       n = slice_find(*from, SLICE("\n"));
    struct slice found = { from->p, n };

    *from = slice_from(*from, n < from->n ? n + 1 : n);
    return found;
}

static struct rpc_stream *stream_make(struct fuzzed *f, bool has_one_answer)
{
    struct arena      *a = arena_new(0);
    struct rpc_stream *s = arena_zalloc(a, sizeof *s);

    s->refs = 2;
    s->arena = a;
    s->response = &google__rpc__status__descriptor;
    s->response_bytes_max = s->inbox.message_bytes_max = 1 << 16;
    s->on = (struct rpc_events){ .on_message = has_one_answer ? NULL : on_message, .on_end = on_end };
    s->arg = f;
    s->is_probe = s->is_started = s->wants = true;
    f->stream = s;
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzzed f = { 0 };
    struct slice  rest = slice_make(data + 1, size ? size - 1 : 0);

    if (size == 0)
        return 0;
    struct rpc_stream *s = stream_make(&f, data[0] & 1);
    struct http_field  trailers[] = { { SLICE("grpc-status"), line(&rest) },
                                      { SLICE("grpc-status-details-bin"), { 0 } } };
    struct http_field  head[] = { { SLICE("content-type"), SLICE("application/grpc") },
                                  { SLICE("grpc-encoding"), line(&rest) } };
    trailers[1].value = line(&rest);
    answer_events.on_head(s, 200, head, 2);
    while (!s->is_ended && rest.n > 0) {
        size_t n = data[0] & 2 && rest.n > 7 ? 7 : rest.n;
        answer_events.on_body(s, slice_make(rest.p, n));
        rest = slice_from(rest, n);
    }
    if (!s->is_ended)
        answer_done(s, &(struct http_reply){ .status = 200,
                                             .fields = head,
                                             .n_fields = 2,
                                             .trailers = trailers,
                                             .n_trailers = data[0] & 4 ? 0 : 2 });
    assert(f.ends == 1);
    stream_unref(s);
    return 0;
}
