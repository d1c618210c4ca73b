/*
 * What a stream's caller asks of it.
 *
 * Callers on other threads are heard through the loop's queue; on the loop itself, what runs no callback is done at once,
 * unless something asked before is still on its way.
 */
#include <assert.h>

#include "base/mem.h"
#include "rpc/client_priv.h"

typedef void wish_fn(struct rpc_stream *s, struct buf *bytes);

struct wish {
    struct task        task;
    struct rpc_stream *stream;
    wish_fn           *run;
    struct buf         bytes;
};

static void run_wish(struct task *t)
{
    struct wish       *w = (struct wish *)t;
    struct rpc_stream *s = w->stream;

    atomic_fetch_sub(&s->posted_bytes, w->bytes.n);
    atomic_fetch_sub(&s->n_posted, 1);
    w->run(s, &w->bytes);
    buf_free(&w->bytes);
    free(w);
    stream_unref(s);
}

static void wish_post(struct rpc_stream *s, wish_fn *run, struct buf bytes)
{
    struct wish *w = mem_alloc(sizeof *w);

    *w = (struct wish){ .task.run = run_wish, .stream = s, .run = run, .bytes = bytes };
    atomic_fetch_add(&s->refs, 1);
    atomic_fetch_add(&s->n_posted, 1);
    atomic_fetch_add(&s->posted_bytes, bytes.n);
    loop_post(s->lane->loop, &w->task);
}

/* For what runs no callback. */
static void wish_make(struct rpc_stream *s, wish_fn *run, struct buf bytes)
{
    if (!loop_is_mine(s->lane->loop) || atomic_load(&s->n_posted) > 0) {
        wish_post(s, run, bytes);
        return;
    }
    run(s, &bytes);
    buf_free(&bytes);
}

static void send_now(struct rpc_stream *s, struct buf *bytes)
{
    if (s->request == NULL)
        return;
    http_request_give(s->request, bytes->p, bytes->n);
    *bytes = (struct buf){ 0 };
    atomic_store(&s->unsent_bytes, http_request_unsent(s->request));
}

static void close_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    if (s->request != NULL)
        http_request_finish(s->request);
}

static void next_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    s->wants = true;
    answer_pump(s);
}

static void room_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    s->waits_for_room = true;
    stream_tell_room(s);
}

static void cancel_now(struct rpc_stream *s, struct buf *none)
{
    (void)none;
    stream_fail(s, CODE_CANCELED, "canceled");
}

void rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *message)
{
    assert(s->send.is_open);
    wish_make(s, send_now, message_encode(s, message));
}

void rpc_stream_close_send(struct rpc_stream *s)
{
    assert(s->send.is_open);
    wish_make(s, close_now, (struct buf){ 0 });
}

void rpc_stream_next(struct rpc_stream *s)
{
    if (loop_is_mine(s->lane->loop) && s->is_pumping)
        s->wants = true;
    else
        wish_post(s, next_now, (struct buf){ 0 });
}

void rpc_stream_cancel(struct rpc_stream *s) { wish_post(s, cancel_now, (struct buf){ 0 }); }

bool rpc_stream_has_room(const struct rpc_stream *s)
{
    return atomic_load(&s->posted_bytes) + atomic_load(&s->unsent_bytes) < HTTP_UNSENT_MARK;
}

void rpc_stream_when_room(struct rpc_stream *s) { wish_post(s, room_now, (struct buf){ 0 }); }

void stream_tell_room(struct rpc_stream *s)
{
    if (s->request == NULL)
        return;
    atomic_store(&s->unsent_bytes, http_request_unsent(s->request));
    if (!s->waits_for_room || !rpc_stream_has_room(s))
        return;
    s->waits_for_room = false;
    s->on.on_room(s->arg);
}

void rpc_stream_free(struct rpc_stream *s)
{
    if (s == NULL)
        return;
    if (!loop_is_mine(s->lane->loop) || !s->is_ended)
        rpc_stream_cancel(s);
    stream_unref(s);
}
