/*
 * HTTP/2 of one connection: an nghttp2 server session, a stream for each exchange.
 *
 *     recv --> nghttp2_session_mem_recv --> on_header, on_data ... --> app
 *     app --> stream->body --> on_turn: mem_send --> the socket's queue
 *
 * Streams that have something new to say are in `touched` until the end of the turn; answers are submitted there, so
 * that head, body and trailers of a small one leave together.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/h2_priv.h"

enum {
    HELD_MAX_FACTOR =
        16, /* answers held for slow streams: this many times unsent_bytes_max, then streams are refused */
    HEAD_ABUSE_FACTOR = 8, /* a header list this many times over the limit ends the connection */
    RESET_COST = 50,       /* see h2_guard.c */
    GOAWAY_WAIT_MS = 1000, /* for the ping behind the shutdown notice to come back */
    RESET_BURST = 400,
    RESET_PER_S = 40,
    OUTBOUND_ACKS_MAX = 100
};

static struct h2_stream *stream_at(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* GOAWAY with `error`, then the end; nothing more is read. */
static void terminate(struct h2 *h, uint32_t error)
{
    h->is_over = true;
    nghttp2_session_terminate_session(h->session, error);
    metric_add(h->c->door->h2->n_terminated, 1);
    sock_touch(&h->c->sock);
}

/* The peer has cost more than it may. */
static void charge(struct h2 *h, int cost)
{
    if (!h->is_over && !h2_guard_charge(&h->guard, cost, h2_now_ms(h)))
        terminate(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* --- what nghttp2 tells ------------------------------------------------------------------------------------------- */

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    struct h2 *h = arg;

    (void)session;
    if (hd->type == NGHTTP2_HEADERS && (hd->stream_id & 1) && !h2_guard_stream(&h->guard, hd->stream_id))
        terminate(h, NGHTTP2_PROTOCOL_ERROR);
    if (hd->type == NGHTTP2_PING || hd->type == NGHTTP2_SETTINGS || hd->type == NGHTTP2_PRIORITY ||
        (hd->type == NGHTTP2_DATA && hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM)))
        charge(h, 1);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (h->held > HELD_MAX_FACTOR * h2_limits(h)->unsent_bytes_max) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, h2_stream_new(h, frame->hd.stream_id));
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

/* A list over the limit is no longer kept; one far over it attacks the decoder (each entry may cost one byte). */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                     const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s = stream_at(session, frame->hd.stream_id);

    (void)flags;
    if (s == NULL)
        return 0;
    s->head_bytes += n_name + n_value + 32;
    if (s->head_bytes > HEAD_ABUSE_FACTOR * h2_limits(h)->head_bytes_max) {
        terminate(h, NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers: counted and dropped */
    if (s->head_bytes > h2_limits(h)->head_bytes_max || s->x.pub.n_fields >= h2_limits(h)->fields_max)
        s->is_refused = true;
    if (s->is_refused)
        return 0;
    char *copy = arena_alloc(s->x.pub.arena, n_name + n_value);
    memcpy(copy, name, n_name);
    memcpy(copy + n_name, value, n_value);
    add_field(s, slice_make(copy, n_name), slice_make(copy + n_name, n_value));
    return 0;
}

static void request_begins(struct h2_stream *s, bool has_ended)
{
    struct exchange *x = &s->x.pub;
    long long        length;
    struct slice     said;

    if (s->is_refused) {
        charge(s->h, RESET_COST);
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

/* The real GOAWAY may go once the client has surely seen the notice. */
static void goaway(struct h2 *h)
{
    if (h->is_goaway)
        return;
    h->is_goaway = true;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    sock_touch(&h->c->sock);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s;

    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) && h->is_notified)
        goaway(h);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = stream_at(session, frame->hd.stream_id);
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
    struct h2_stream *s = stream_at(session, id);

    (void)flags;
    if (s == NULL || !s->is_open) {
        nghttp2_session_consume(session, id, n);
        return 0;
    }
    s->unconsumed += n;
    s->since_ms = h2_now_ms(h);
    h2_app(h)->on_body(&s->x.pub, slice_make(bytes, n));
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
    (void)session;
    (void)frame;
    (void)error;
    charge(arg, RESET_COST);
    return 0;
}

/*
 * A reset that the peer provoked costs it; those that the app asked for do not.  An answer that is whole before the
 * request is asks the client to stop sending.
 */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s;

    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        uint32_t why = frame->rst_stream.error_code;
        s = stream_at(session, frame->hd.stream_id);
        if (why != NGHTTP2_NO_ERROR && why != NGHTTP2_REFUSED_STREAM && (s == NULL || !s->is_aborted))
            charge(h, RESET_COST);
        return 0;
    }
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    s = stream_at(session, frame->hd.stream_id);
    if (s != NULL && !s->has_ended)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct h2_stream *s = stream_at(session, id);

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

/* --- the connection's events ------------------------------------------------------------------------------------- */

static void on_bytes(struct conn *c, struct slice bytes)
{
    struct h2 *h = c->state;

    if (h->is_over)
        return;
    if (nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.p, bytes.n) < 0)
        terminate(h, NGHTTP2_PROTOCOL_ERROR); /* nothing, where nghttp2 has queued a GOAWAY of its own */
    sock_touch(&c->sock);
}

static void on_turn(struct conn *c)
{
    struct h2     *h = c->state;
    const uint8_t *bytes;
    ssize_t        n = 0;

    h2_submit_touched(h);
    while (c->sock.out.n < SOCK_OUT_ENOUGH && (n = nghttp2_session_mem_send(h->session, &bytes)) > 0)
        outq_copy(&c->sock.out, bytes, (size_t)n);
    if (n < 0)
        conn_close(c);
}

/*
 * Reading stops only for a peer that does not take what is on its way; answers held back by flow control need its
 * WINDOW_UPDATEs to be read.
 */
static void on_sent(struct conn *c)
{
    struct h2 *h = c->state;

    if (h->held > 0 || h->streams != NULL)
        h2_tell_writable(h);
    if (c->sock.out.n == 0 &&
        (h->is_over || (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)))) {
        conn_close(c);
        return;
    }
    sock_read(&c->sock, c->sock.out.n <= h2_limits(h)->unsent_bytes_max);
}

static void on_eof(struct conn *c) { conn_close(c); }

static void drain(struct conn *c)
{
    struct h2 *h = c->state;

    if (h->is_notified)
        return;
    h->is_notified = true;
    h->since_ms = h2_now_ms(h);
    nghttp2_submit_shutdown_notice(h->session);
    nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
    sock_touch(&c->sock);
}

/* The client owes us bytes and has the window to send them. */
static bool is_late(const struct h2_stream *s, int64_t now)
{
    return s->is_open && !s->has_ended && !s->is_finished && !s->is_aborted &&
           s->unconsumed < STREAM_WINDOW_BYTES / 2 && (now - s->since_ms) * NS_PER_MS > h2_limits(s->h)->body_wait_ns;
}

/* A header block that does not go on stops the whole connection. */
static bool is_stuck(const struct h2_stream *s, int64_t now)
{
    return !s->is_open && !s->is_refused && (now - s->since_ms) * NS_PER_MS > h2_limits(s->h)->head_wait_ns;
}

static void on_tick(struct conn *c, int64_t now)
{
    struct h2 *h = c->state;

    if (h->is_notified && now - h->since_ms > GOAWAY_WAIT_MS)
        goaway(h);
    if (h->n_streams == 0 && !h->is_notified && (now - h->since_ms) * NS_PER_MS > h2_limits(h)->idle_ns)
        drain(c);
    for (struct h2_stream *s = h->streams; s != NULL; s = s->next) {
        if (is_late(s, now)) {
            s->is_aborted = true;
            nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
            sock_touch(&c->sock);
        } else if (is_stuck(s, now)) {
            conn_close(c);
        }
    }
}

static void gone(struct conn *c)
{
    struct h2 *h = c->state;

    while (h->streams != NULL)
        h2_stream_end(h->streams);
}

static void end(struct conn *c)
{
    struct h2 *h = c->state;

    while (h->spare != NULL) {
        struct h2_stream *s = h->spare;
        h->spare = s->next;
        h2_stream_free(s);
    }
    nghttp2_session_del(h->session);
    free(h);
}

static const struct conn_proto h2_proto = {
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_turn = on_turn,
    .on_sent = on_sent,
    .on_tick = on_tick,
    .drain = drain,
    .gone = gone,
    .end = end,
};

void h2_start(struct conn *c)
{
    struct h2                *h = mem_zalloc(sizeof *h);
    const struct http_limits *limits = c->door->limits;
    nghttp2_settings_entry    settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)limits->streams_max },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->head_bytes_max },
    };

    h->c = c;
    h->since_ms = loop_now_ms(c->sock.loop);
    c->state = h;
    c->proto = &h2_proto;
    if (nghttp2_session_server_new2(&h->session, c->door->h2->callbacks, h, c->door->h2->option) != 0)
        abort(); /* out of memory */
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_BYTES);
    if (c->door->is_draining)
        drain(c);
    sock_touch(&c->sock);
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
    s->n_terminated =
        metric_counter("hearth_net_h2_terminated_total",
                       "HTTP/2 connections ended because the peer broke the protocol or our patience.", "");
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
