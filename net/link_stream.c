/*
 * Requests as streams: what nghttp2 tells of them, and what it asks for.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/client_priv.h"

enum { HEAD_BYTES_MAX = 64 << 10, FIELDS_MAX = 64 };

static struct http_request *request_at(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

void link_cancel(struct link *l, struct http_request *r)
{
    nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, r->id, NGHTTP2_CANCEL);
    sock_touch(&l->sock);
}

static void give_up(struct link *l, struct http_request *r, enum code code, const char *why)
{
    link_cancel(l, r);
    request_over(r, code, "%s", why);
}

/* ---- the answer's head and trailers ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_request *r = request_at(session, frame->hd.stream_id);

    (void)arg;
    if (r == NULL)
        return 0;
    r->is_in_trailers = r->status >= 200;
    if (!r->is_in_trailers)
        r->n_fields = 0; /* of a 1xx before */
    return 0;
}

static void add_field(struct http_request *r, struct slice name, struct slice value)
{
    struct http_field **list = r->is_in_trailers ? &r->trailers : &r->fields;
    size_t             *n = r->is_in_trailers ? &r->n_trailers : &r->n_fields;

    if (*list == NULL)
        *list = arena_array(r->arena, FIELDS_MAX, sizeof **list);
    if (*n < FIELDS_MAX)
        (*list)[(*n)++] = (struct http_field){ arena_copy(r->arena, name), arena_copy(r->arena, value) };
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                     const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
    struct http_request *r = request_at(session, frame->hd.stream_id);

    (void)flags;
    if (r == NULL)
        return 0;
    r->head_bytes += n_name + n_value + 32;
    if (r->head_bytes > HEAD_BYTES_MAX)
        give_up(arg, r, CODE_RESOURCE_EXHAUSTED, "the header fields of the answer are too long");
    else if (n_name == 7 && memcmp(name, ":status", 7) == 0)
        r->status =
            (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0'); /* nghttp2 checked three digits */
    else if (n_name > 0 && name[0] != ':')
        add_field(r, slice_make(name, n_name), slice_make(value, n_value));
    return 0;
}

/* ---- its body ---- */

/*
 * The connection's window is given back at once, so that an answer which nobody reads stops no other; the stream's when
 * the bytes are consumed.
 */
static void take_piece(struct link *l, struct http_request *r, const uint8_t *bytes, size_t n)
{
    if (r->events != NULL) {
        r->events->on_body(r->arg, slice_make(bytes, n));
        return;
    }
    link_consume(l, r, n);
    if (n > r->answer_max - r->answer.n)
        give_up(l, r, CODE_RESOURCE_EXHAUSTED, "the answer is larger than allowed");
    else
        buf_put(&r->answer, bytes, n);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *arg)
{
    struct http_request *r = request_at(session, id);

    (void)flags;
    nghttp2_session_consume_connection(session, n);
    if (r != NULL)
        take_piece(arg, r, bytes, n);
    return 0;
}

void link_consume(struct link *l, struct http_request *r, size_t n)
{
    nghttp2_session_consume_stream(l->session, r->id, n);
    sock_touch(&l->sock);
}

/* ---- its end ---- */

/* An answer that is whole before the request is needs no more of the request. */
static void answer_ends(struct link *l, struct http_request *r)
{
    if (!r->is_whole || r->unsent.n > 0)
        link_cancel(l, r);
    request_over(r, CODE_OK, "%s", "");
}

static void headers_end(struct link *l, struct http_request *r)
{
    l->has_answered = true;
    l->peer->backoff_ms = 0;
    if (r->events != NULL && r->status >= 200 && !r->is_in_trailers)
        r->events->on_head(r->arg, r->status, r->fields, r->n_fields);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct link         *l = arg;
    struct http_request *r;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        link_leave(l);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    r = request_at(session, frame->hd.stream_id);
    if (r != NULL && frame->hd.type == NGHTTP2_HEADERS)
        headers_end(l, r);
    if (r != NULL && r->state == REQUEST_RUNNING && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        answer_ends(l, r);
    return 0;
}

static enum code reset_code(const struct http_request *r, uint32_t error)
{
    /* A peer that was told of the deadline gives up at that moment, too, and may be the first to say so. */
    if (error == NGHTTP2_CANCEL && r->deadline_ns != 0 && clock_mono_ns() >= r->deadline_ns)
        return CODE_DEADLINE_EXCEEDED;
    if (error == NGHTTP2_CANCEL)
        return CODE_CANCELED;
    return error == NGHTTP2_ENHANCE_YOUR_CALM ? CODE_RESOURCE_EXHAUSTED : CODE_INTERNAL;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct http_request *r = request_at(session, id);

    (void)arg;
    if (r == NULL)
        return 0;
    if (error == NGHTTP2_REFUSED_STREAM) {
        r->was_sent = false;
        request_over(r, CODE_UNAVAILABLE, "the peer took no more requests on this connection");
    } else {
        request_over(r, reset_code(r, error), "the peer reset the stream: %s", nghttp2_http2_strerror(error));
    }
    return 0;
}

/* ---- the request ---- */

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_request *r;

    (void)arg;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    r = request_at(session, frame->hd.stream_id);
    if (r != NULL)
        r->was_sent = true;
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct http_request *r = request_at(session, id);

    (void)into;
    (void)source;
    (void)arg;
    if (r == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* it is over; its reset is on the way */
    if (r->unsent.n == 0 && !r->is_whole) {
        r->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (r->unsent.n > n)
        return (ssize_t)n;
    if (r->is_whole)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)r->unsent.n;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *arg)
{
    struct link         *l = arg;
    struct http_request *r = request_at(session, frame->hd.stream_id);

    (void)source;
    assert(r != NULL && frame->data.padlen == 0);
    outq_copy(&l->sock.out, head, 9);
    outq_move_n(&l->sock.out, &r->unsent, n);
    l->has_writable |= r->is_writable_due;
    return 0;
}

void link_resume(struct link *l, struct http_request *r)
{
    if (r->is_deferred)
        nghttp2_session_resume_data(l->session, r->id);
    r->is_deferred = false;
    sock_touch(&l->sock);
}

static struct http_request *due_writable(struct link *l)
{
    for (struct http_request *r = l->running; r != NULL; r = r->next)
        if (r->is_writable_due && r->unsent.n <= HTTP_UNSENT_MARK / 2)
            return r;
    return NULL;
}

/* What is called may end any request of the link: the list is looked through again after each. */
void link_tell_writable(struct link *l)
{
    struct http_request *r;

    while (l->has_writable && (r = due_writable(l)) != NULL) {
        r->is_writable_due = false;
        if (r->events != NULL && r->events->on_writable != NULL)
            r->events->on_writable(r->arg);
    }
    l->has_writable = false;
}

void link_submit(struct link *l, struct http_request *r)
{
    nghttp2_data_provider provider = { .source = { .ptr = NULL }, .read_callback = read_body };
    bool                  has_body = !r->is_whole || r->unsent.n > 0;
    int32_t               id = nghttp2_submit_request(l->session, NULL, r->nv, r->n_nv, has_body ? &provider : NULL, r);

    if (id < 0) {
        request_over(r, CODE_UNAVAILABLE, "the request cannot be sent: %s", nghttp2_strerror(id));
        return;
    }
    if (l->n_running == 0)
        l->heard_ms = loop_now_ms(r->client->loop); /* its silence was nobody's fault */
    r->id = id;
    r->on = l;
    r->state = REQUEST_RUNNING;
    r->next = l->running;
    r->link = &l->running;
    if (r->next != NULL)
        r->next->link = &r->next;
    l->running = r;
    l->n_running++;
}

nghttp2_session_callbacks *link_callbacks(void)
{
    nghttp2_session_callbacks *c;

    if (nghttp2_session_callbacks_new(&c) != 0)
        abort(); /* out of memory */
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(c, send_data);
    return c;
}
