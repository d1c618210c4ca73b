/*
 * What nghttp2 tells of one connection, and what each thing costs the peer that did it (net/guard.h).
 */
#include <stdlib.h>

#include "base/mem.h"
#include "net/h2_priv.h"

enum {
    GOOD_PART = 128,       /* of 64 MiB of answers and 2 loops: 22 streams */
    HEAD_ABUSE_FACTOR = 8, /* a header list this many times over the limit ends the connection */
    /* nghttp2 looks, too: behind our own budgets, so that the end has our reason. */
    RESET_BURST = 20000,
    RESET_PER_S = 2000,
    OUTBOUND_ACKS_MAX = 2000
};

void h2_terminate(struct h2 *h, enum abuse what, uint32_t error)
{
    if (h->is_over)
        return;
    h->is_over = true;
    abuse_count(what);
    nghttp2_session_terminate_session(h->session, error);
    sock_touch(&h->c->sock);
}

void h2_charge(struct h2 *h, enum abuse what, int64_t cost)
{
    if (!guard_charge(&h->c->guard, what, cost, h2_now_ms(h)))
        h2_terminate(h, what, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* DATA may come in pieces of any size, but not in very many of nearly nothing; the end of a stream is worth a frame. */
static void charge_data(struct h2 *h, const nghttp2_frame_hd *hd)
{
    if (hd->flags & NGHTTP2_FLAG_END_STREAM)
        return;
    guard_earn(&h->c->guard, ABUSE_DRIBBLE, (int64_t)(hd->length / DRIBBLE_BYTES));
    h2_charge(h, hd->length == 0 ? ABUSE_EMPTY_FRAMES : ABUSE_DRIBBLE, 1);
}

static void charge_reset(struct h2 *h, int32_t id)
{
    const struct h2_stream *s = h2_stream_at(h->session, id);

    h2_charge(h, s != NULL && !s->is_finished ? ABUSE_RAPID_RESET : ABUSE_EMPTY_FRAMES, 1);
}

/* Everything but heads is charged here, before nghttp2 does any work for it. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    struct h2 *h = arg;
    bool       is_ack = hd->flags & NGHTTP2_FLAG_ACK;

    (void)session;
    switch (hd->type) {
    case NGHTTP2_HEADERS:
        if ((hd->stream_id & 1) && !h2_ids_seen(&h->ids, hd->stream_id))
            h2_terminate(h, ABUSE_PROTOCOL_ERROR, NGHTTP2_PROTOCOL_ERROR);
        break;
    case NGHTTP2_DATA:
        charge_data(h, hd);
        break;
    case NGHTTP2_RST_STREAM:
        charge_reset(h, hd->stream_id);
        break;
    case NGHTTP2_PING:
        h2_charge(h, ABUSE_PING_FLOOD, !is_ack);
        break;
    case NGHTTP2_SETTINGS:
        h2_charge(h, ABUSE_SETTINGS_FLOOD, !is_ack);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        h2_charge(h, ABUSE_TINY_WINDOWS, 1);
        break;
    case NGHTTP2_PRIORITY:
        h2_charge(h, ABUSE_EMPTY_FRAMES, 1);
        break;
    default:
        break;
    }
    return h->is_over ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* Who lets answers lie may not ask for more of them; where memory is short, nor may who has a good part of it. */
static bool holds_too_much(const struct h2 *h)
{
    const struct door *d = h->c->door;

    return h->held > h2_limits(h)->held_bytes_max || (d->held > d->held_max && h2_held(h) > d->held_max / GOOD_PART);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    int32_t    id = frame->hd.stream_id;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (holds_too_much(h)) {
        abuse_count(ABUSE_SLOW_READ);
        h2_charge(h, ABUSE_STREAM_FLOOD, 1);
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, id, h2_stream_new(h, id));
    conn_request_begins(h->c);
    return 0;
}

static void add_field(struct h2_stream *s, struct slice name, struct slice value)
{
    struct exchange *x = &s->x.pub;

    if (name.n > 0 && name.p[0] == ':') {
        if (slice_is(name, ":method"))
            x->method = value;
        else if (slice_is(name, ":path"))
            exchange_set_target(x, value);
        else if (slice_is(name, ":authority"))
            x->authority = value;
        return;
    }
    if (x->n_fields == s->cap_fields) {
        struct http_field *wider = arena_array(x->arena, s->cap_fields * 2, sizeof *wider);
        memcpy(wider, s->fields, x->n_fields * sizeof *wider);
        s->fields = wider;
        s->cap_fields *= 2;
    }
    s->fields[x->n_fields++] = (struct http_field){ name, value };
}

static void keep_field(struct h2_stream *s, struct slice name, struct slice value)
{
    char *copy = arena_alloc(s->x.pub.arena, name.n + value.n);

    s->kept_bytes += name.n + value.n + 32;
    s->h->heads += name.n + value.n + 32;
    memcpy(copy, name.p, name.n);
    memcpy(copy + name.n, value.p, value.n);
    add_field(s, slice_make(copy, name.n), slice_make(copy + name.n, value.n));
}

/* A list over the limit is no longer kept; one far over it attacks the decoder (each entry may cost one byte). */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                     const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
    struct h2                *h = arg;
    struct h2_stream         *s = h2_stream_at(session, frame->hd.stream_id);
    const struct http_limits *limits = h2_limits(h);

    (void)flags;
    if (s == NULL)
        return 0;
    s->head_bytes += n_name + n_value + 32;
    if (s->head_bytes > HEAD_ABUSE_FACTOR * limits->head_bytes_max) {
        h2_terminate(h, ABUSE_HEADER_BOMB, NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers: counted and dropped */
    if (s->head_bytes > limits->head_bytes_max || s->x.pub.n_fields >= limits->fields_max ||
        h->heads > limits->heads_bytes_max)
        s->is_refused = true;
    if (!s->is_refused)
        keep_field(s, slice_make(name, n_name), slice_make(value, n_value));
    return 0;
}

static void request_begins(struct h2_stream *s, bool has_ended)
{
    struct exchange *x = &s->x.pub;
    long long        length;
    struct slice     said;

    s->has_begun = true;
    guard_earn(&s->h->c->guard, ABUSE_EMPTY_FRAMES, 1);
    if (s->is_refused) {
        h2_charge(s->h, ABUSE_HEADER_BOMB, 1);
        h2_answer(s, 431, SLICE("the header fields are too long\n"));
        return;
    }
    x->fields = s->fields;
    x->has_body = !has_ended;
    s->is_head_method = slice_is(x->method, "HEAD");
    said = exchange_field(x, "content-length");
    if (said.n > 0 && slice_to_i64(said, &length) && length >= 0)
        x->content_length = length;
    if (x->authority.n == 0)
        x->authority = exchange_field(x, "host");
    s->is_open = true;
    h2_app(s->h)->on_head(x, h2_app(s->h)->arg);
}

static void request_ends(struct h2_stream *s)
{
    s->has_ended = true;
    if (s->is_open)
        h2_app(s->h)->on_end(&s->x.pub);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s;

    h->is_greeted = true;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) && h->is_notified)
        h2_goaway(h);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = h2_stream_at(session, frame->hd.stream_id);
    if (s == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        request_begins(s, frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        request_ends(s);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s = h2_stream_at(session, id);

    (void)flags;
    if (s == NULL || !s->is_open) {
        nghttp2_session_consume(session, id, n);
        return 0;
    }
    s->unconsumed += n;
    pace_moved(&s->request, n, h2_now_ms(h));
    h->c->moved_ms = h2_now_ms(h);
    if (s->early_ms != 0 && (s->early_bytes += n) > EARLY_BYTES_MAX)
        h2_stream_stop(s);
    h2_app(h)->on_body(&s->x.pub, slice_make(bytes, n));
    return 0;
}

/* More streams than may be open: refused while our settings are on their way, no mistake afterwards. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
    struct h2 *h = arg;

    (void)session;
    if (error == NGHTTP2_ERR_REFUSED_STREAM)
        h2_charge(h, ABUSE_STREAM_FLOOD, 1);
    else if (error == NGHTTP2_ERR_PROTO && frame->hd.type == NGHTTP2_HEADERS &&
             h->n_streams >= (size_t)h2_limits(h)->streams_max)
        h2_terminate(h, ABUSE_STREAM_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
}

/* A reset that the peer provoked costs it; those of our own will do not. */
static void reset_sent(struct h2 *h, const nghttp2_frame *frame)
{
    const struct h2_stream *s = h2_stream_at(h->session, frame->hd.stream_id);
    uint32_t                why = frame->rst_stream.error_code;

    if (why != NGHTTP2_NO_ERROR && why != NGHTTP2_REFUSED_STREAM && (s == NULL || !s->is_aborted))
        h2_charge(h, ABUSE_PROVOKED_RESET, 1);
}

/* An answer that is whole before the request is asks the client to stop sending. */
static void answer_sent(struct h2 *h, const nghttp2_frame *frame)
{
    struct h2_stream *s = h2_stream_at(h->session, frame->hd.stream_id);

    guard_earn(&h->c->guard, ABUSE_PING_FLOOD, 1);
    if (s != NULL && !s->has_ended && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        s->early_ms = h2_now_ms(h);
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;

    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
        reset_sent(h, frame);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        answer_sent(h, frame);
        break;
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && !h->is_over) { /* of nghttp2's own */
            h->is_over = true;
            abuse_count(ABUSE_PROTOCOL_ERROR);
        }
        break;
    default:
        break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct h2_stream *s = h2_stream_at(session, id);

    (void)error;
    (void)arg;
    if (s == NULL)
        return 0;
    if (s->unconsumed > 0)
        nghttp2_session_consume_connection(session, s->unconsumed);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    h2_stream_end(s);
    return 0;
}

struct h2_shared *h2_shared_new(void)
{
    struct h2_shared *s = mem_zalloc(sizeof *s);

    if (nghttp2_session_callbacks_new(&s->callbacks) != 0 || nghttp2_option_new(&s->option) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_frame_callback(s->callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(s->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(s->callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(s->callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(s->callbacks, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(s->callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(s->callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(s->callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(s->callbacks, h2_send_data);
    nghttp2_option_set_no_auto_window_update(s->option, 1);
    nghttp2_option_set_stream_reset_rate_limit(s->option, RESET_BURST, RESET_PER_S);
    nghttp2_option_set_max_outbound_ack(s->option, OUTBOUND_ACKS_MAX);
    return s;
}

void h2_shared_free(struct h2_shared *s)
{
    nghttp2_session_callbacks_del(s->callbacks);
    nghttp2_option_del(s->option);
    free(s);
}
