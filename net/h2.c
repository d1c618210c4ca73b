/*
 * HTTP/2 of one connection: an nghttp2 server session, a stream for each exchange.
 *
 *     recv --> nghttp2_session_mem_recv --> on_header, on_data ... (h2_hear.c) --> app
 *     app --> stream->body (h2_stream.c) --> on_turn: mem_send --> the socket's queue
 *
 * Streams that have something new to say are in `touched` until the end of the turn; answers are submitted there, so
 * that head, body and trailers of a small one leave together.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "net/h2_priv.h"

enum { GOAWAY_WAIT_MS = 1000 /* for the ping behind the shutdown notice to come back */ };

static void on_bytes(struct conn *c, struct slice bytes)
{
    struct h2 *h = c->state;

    if (h->is_over)
        return;
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.p, bytes.n);
    if (n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        h2_terminate(h, ABUSE_CONTINUATION_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (n == NGHTTP2_ERR_FLOODED)
        h2_terminate(h, ABUSE_PING_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM); /* its ACKs are not taken */
    else if (n < 0)
        h2_terminate(h, ABUSE_PROTOCOL_ERROR, NGHTTP2_PROTOCOL_ERROR); /* nothing, where a callback has done so */
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

/* The real GOAWAY may go once the client has surely seen the notice. */
void h2_goaway(struct h2 *h)
{
    if (h->is_goaway)
        return;
    h->is_goaway = true;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    sock_touch(&h->c->sock);
}

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
static bool is_body_late(struct h2_stream *s, int64_t now)
{
    bool is_owed = s->is_open && !s->has_ended && !s->is_finished && !s->is_aborted && !s->x.pub.is_patient &&
                   s->unconsumed < STREAM_WINDOW_BYTES / 2;

    if (is_owed)
        return pace_is_slow(&s->request, h2_limits(s->h)->body_wait_ns, h2_limits(s->h)->rate_min, now);
    pace_begin(&s->request, now);
    return false;
}

/* The answer waits for the client's window; conn_tick looks after what waits for the socket. */
static bool is_answer_late(struct h2_stream *s, int64_t now)
{
    if (s->body.n > 0 && !s->is_aborted)
        return pace_is_slow(&s->answer, h2_limits(s->h)->answer_wait_ns, h2_limits(s->h)->rate_min, now);
    pace_begin(&s->answer, now);
    return false;
}

static void reset_late(struct h2_stream *s, enum abuse what)
{
    abuse_count(what);
    h2_reset(s, NGHTTP2_CANCEL);
}

/* A header block that does not go on stops the whole connection, and so does a client that does not begin. */
static bool is_stuck(const struct h2 *h, int64_t now)
{
    int64_t since_ms = h->c->since_ms;
    bool    has_begun = h->is_greeted;

    if (h->streams != NULL) {
        since_ms = h->streams->since_ms;
        has_begun = h->streams->has_begun; /* the newest is first, and no other can be incomplete */
    }
    return !has_begun && (now - since_ms) * NS_PER_MS > h2_limits(h)->head_wait_ns;
}

static void on_tick(struct conn *c, int64_t now)
{
    struct h2 *h = c->state;

    if (h->is_notified && now - h->since_ms > GOAWAY_WAIT_MS)
        h2_goaway(h);
    if (is_stuck(h, now)) {
        conn_abused(c, ABUSE_SLOW_HEAD);
        return;
    }
    if (h->n_streams == 0 && !h->is_notified && (now - h->since_ms) * NS_PER_MS > h2_limits(h)->idle_ns)
        drain(c);
    for (struct h2_stream *s = h->streams; s != NULL; s = s->next) {
        if (s->early_ms != 0 && now - s->early_ms > EARLY_WAIT_MS)
            h2_stream_stop(s);
        else if (is_body_late(s, now))
            reset_late(s, ABUSE_SLOW_BODY);
        else if (is_answer_late(s, now))
            reset_late(s, ABUSE_SLOW_READ);
    }
}

static size_t held(const struct conn *c) { return h2_held(c->state); }

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
    .part = drain,
    .held = held,
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
