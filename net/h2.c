/*
 * HTTP/2 of one connection: an nghttp2 server session, a stream for each exchange.
 *
 *     recv --> nghttp2_session_mem_recv --> on_header, on_data ... --> app
 *     app --> stream->body --> on_turn: mem_send --> the socket's queue
 *
 * Streams that have something new to say are in `touched` until the end of the turn; answers are submitted there, so that
 * head, body and trailers of a small one leave together.
 */
#include <assert.h>
#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/conn.h"
#include "net/h1_head.h"
#include "net/h2_guard.h"

enum {
    SPARE_MAX = 32,            /* streams kept for reuse, with an arena of at most ARENA_KEPT_MAX */
    ARENA_KEPT_MAX = 16 << 10,
    FIELDS_FIRST = 24,
    HELD_MAX_FACTOR = 16,      /* answers held for slow streams: this many times unsent_bytes_max, then streams are refused */
    HEAD_ABUSE_FACTOR = 8,     /* a header list this many times over the limit ends the connection */
    RESET_COST = 50,           /* see h2_guard.c */
    GOAWAY_WAIT_MS = 1000,     /* for the ping behind the shutdown notice to come back */
    RESET_BURST = 400,
    RESET_PER_S = 40,
    OUTBOUND_ACKS_MAX = 100
};

struct h2_stream {
    struct carried      x; /* first */
    struct h2          *h;
    struct h2_stream   *next, **link; /* all streams of the connection, or the spare ones */
    struct h2_stream   *next_touched;
    int32_t             id;
    struct http_field  *fields;
    size_t              cap_fields;
    size_t              head_bytes;
    size_t              unconsumed;
    int64_t             since_ms; /* the last piece of the request */
    struct outq         body;
    nghttp2_nv         *head, *trailers;
    size_t              n_head, n_trailers;
    bool is_open;       /* on_head was called */
    bool is_head_method;
    bool is_refused;    /* 431: the app does not hear of it */
    bool has_ended;     /* the client's END_STREAM came */
    bool is_touched, has_head, is_submitted, is_finished, is_aborted, is_writable_due;
};

struct h2 {
    struct conn       *c;
    nghttp2_session   *session;
    struct h2_stream  *streams, *spare;
    struct h2_stream  *touched;
    size_t             n_streams, n_spare;
    size_t             held; /* body bytes of all streams */
    struct h2_guard    guard;
    int64_t            since_ms;  /* idle since; or when the shutdown notice was given */
    bool               is_notified, is_goaway; /* draining: the notice, the real one */
    bool               is_over;   /* a fault ended it: what is queued leaves, then it closes */
};

struct h2_shared {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option            *option;
    struct metric             *n_terminated;
};

static const struct carrier h2_carrier;

static struct h2_stream *stream_of(const struct exchange *x) { return (struct h2_stream *)(uintptr_t)x; }

static const struct http_app *app_of(const struct h2 *h) { return h->c->door->app; }

static const struct http_limits *limits_of(const struct h2 *h) { return h->c->door->limits; }

static int64_t now_ms(const struct h2 *h) { return loop_now_ms(h->c->sock.loop); }

static void stream_touch(struct h2_stream *s)
{
    if (!s->is_touched) {
        s->is_touched = true;
        s->next_touched = s->h->touched;
        s->h->touched = s;
    }
    sock_touch(&s->h->c->sock);
}

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
    if (!h->is_over && !h2_guard_charge(&h->guard, cost, now_ms(h)))
        terminate(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* --- streams ----------------------------------------------------------------------------------------------------- */

static struct h2_stream *stream_new(struct h2 *h, int32_t id)
{
    struct h2_stream *s = h->spare;
    struct arena     *a;

    if (s != NULL) {
        h->spare = s->next;
        h->n_spare--;
    } else {
        s = mem_zalloc(sizeof *s);
        s->x.pub.arena = arena_new(0);
    }
    a = s->x.pub.arena;
    *s = (struct h2_stream){ .h = h, .id = id, .body = s->body, .since_ms = now_ms(h) };
    s->x = (struct carried){ .by = &h2_carrier };
    s->x.pub.arena = a;
    s->x.pub.loop = h->c->sock.loop;
    s->x.pub.peer = conn_peer(h->c);
    s->x.pub.version = 2;
    s->x.pub.content_length = -1;
    s->cap_fields = FIELDS_FIRST;
    s->fields = arena_array(a, FIELDS_FIRST, sizeof *s->fields);
    s->next = h->streams;
    s->link = &h->streams;
    if (s->next != NULL)
        s->next->link = &s->next;
    h->streams = s;
    h->n_streams++;
    return s;
}

static void stream_free(struct h2_stream *s)
{
    outq_free(&s->body);
    arena_free(s->x.pub.arena);
    free(s);
}

static void touched_forget(struct h2_stream *s)
{
    struct h2_stream **at = &s->h->touched;

    if (!s->is_touched)
        return;
    while (*at != s)
        at = &(*at)->next_touched;
    *at = s->next_touched;
}

/* The end of an exchange, whoever ended it. */
static void stream_end(struct h2_stream *s)
{
    struct h2 *h = s->h;

    if (s->is_open)
        app_of(h)->on_gone(&s->x.pub);
    touched_forget(s);
    h->held -= s->body.n;
    outq_drop(&s->body, s->body.n);
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    if (--h->n_streams == 0)
        h->since_ms = now_ms(h);
    if (h->n_spare == SPARE_MAX || arena_bytes(s->x.pub.arena) > ARENA_KEPT_MAX) {
        stream_free(s);
        return;
    }
    arena_reset(s->x.pub.arena);
    s->next = h->spare;
    h->spare = s;
    h->n_spare++;
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
    if (h->held > HELD_MAX_FACTOR * limits_of(h)->unsent_bytes_max) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream_new(h, frame->hd.stream_id));
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

/* A list over the limit is no longer kept; one far over it is an attack on the decoder (each entry may cost one byte). */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                     const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s = stream_at(session, frame->hd.stream_id);

    (void)flags;
    if (s == NULL)
        return 0;
    s->head_bytes += n_name + n_value + 32;
    if (s->head_bytes > HEAD_ABUSE_FACTOR * limits_of(h)->head_bytes_max) {
        terminate(h, NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers: counted and dropped */
    if (s->head_bytes > limits_of(h)->head_bytes_max || s->x.pub.n_fields >= limits_of(h)->fields_max)
        s->is_refused = true;
    if (s->is_refused)
        return 0;
    char *copy = arena_alloc(s->x.pub.arena, n_name + n_value);
    memcpy(copy, name, n_name);
    memcpy(copy + n_name, value, n_value);
    add_field(s, slice_make(copy, n_name), slice_make(copy + n_name, n_value));
    return 0;
}

static void answer_431(struct h2_stream *s)
{
    charge(s->h, RESET_COST);
    h2_carrier.head(&s->x.pub, 431, NULL, 0);
    h2_carrier.write(&s->x.pub, SLICE("the header fields are too long\n"));
    h2_carrier.finish(&s->x.pub, NULL, 0);
}

static void request_begins(struct h2_stream *s, bool has_ended)
{
    struct exchange *x = &s->x.pub;
    long long        length;
    struct slice     said;

    if (s->is_refused) {
        answer_431(s);
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
    app_of(s->h)->on_head(x, app_of(s->h)->arg);
}

static void request_ends(struct h2_stream *s)
{
    s->has_ended = true;
    if (s->is_open)
        app_of(s->h)->on_end(&s->x.pub);
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
    s->since_ms = now_ms(h);
    app_of(h)->on_body(&s->x.pub, slice_make(bytes, n));
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
 * A reset that the peer provoked costs it; those that the app asked for do not.  An answer that is whole before the request
 * is asks the client to stop sending.
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
    stream_end(s);
    return 0;
}

/* --- answering --------------------------------------------------------------------------------------------------- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = source->ptr;

    (void)into;
    (void)arg;
    if (s->body.n == 0 && !s->is_finished)
        return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->body.n > n)
        return (ssize_t)n;
    if (s->is_finished) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->n_trailers > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(session, id, s->trailers, s->n_trailers);
        }
    }
    return (ssize_t)s->body.n;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s = source->ptr;

    (void)session;
    assert(frame->data.padlen == 0);
    outq_copy(&h->c->sock.out, head, 9);
    outq_move_n(&h->c->sock.out, &s->body, n);
    h->held -= n;
    return 0;
}

static nghttp2_nv nv_of(struct slice name, struct slice value)
{
    return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name.p,
                         .namelen = name.n,
                         .value = (uint8_t *)(uintptr_t)value.p,
                         .valuelen = value.n,
                         .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE };
}

/* Copies into the stream's arena, behind the `n` that are there; nothing that would break the client's framing. */
static size_t put_fields(struct h2_stream *s, nghttp2_nv *to, size_t n, const struct http_field *fields, size_t n_fields)
{
    for (size_t i = 0; i < n_fields; i++) {
        struct slice name = fields[i].name, value = fields[i].value;
        if (slice_is(name, "connection") || slice_is(name, "transfer-encoding") || slice_is(name, "keep-alive") ||
            slice_is(name, "content-length") || slice_is(name, "date") || !h1_is_token(name) || !h1_is_text(value))
            continue;
        char *copy = arena_alloc(s->x.pub.arena, name.n + value.n);
        memcpy(copy, name.p, name.n);
        if (value.n > 0)
            memcpy(copy + name.n, value.p, value.n);
        to[n++] = nv_of(slice_make(copy, name.n), slice_make(copy + name.n, value.n));
    }
    return n;
}

static void h2_head(struct exchange *x, int status, const struct http_field *fields, size_t n)
{
    struct h2_stream *s = stream_of(x);
    char             *copy = arena_alloc(x->arena, 3 + 29);
    struct slice      date = loop_date(s->h->c->sock.loop);

    assert(!s->has_head);
    s->has_head = true;
    s->head = arena_array(x->arena, n + 2, sizeof *s->head);
    copy[0] = (char)('0' + status / 100);
    copy[1] = (char)('0' + status / 10 % 10);
    copy[2] = (char)('0' + status % 10);
    memcpy(copy + 3, date.p, date.n);
    s->head[0] = nv_of(SLICE(":status"), slice_make(copy, 3));
    s->n_head = put_fields(s, s->head, 1, fields, n);
    s->head[s->n_head++] = nv_of(SLICE("date"), slice_make(copy + 3, date.n));
    stream_touch(s);
}

static void wrote(struct h2_stream *s, size_t n)
{
    s->h->held += n;
    s->is_writable_due = true;
    stream_touch(s);
}

static void h2_write(struct exchange *x, struct slice bytes)
{
    struct h2_stream *s = stream_of(x);

    assert(s->has_head && !s->is_finished);
    if (s->is_head_method)
        return;
    outq_copy(&s->body, bytes.p, bytes.n);
    wrote(s, bytes.n);
}

static void h2_give(struct exchange *x, void *bytes, size_t n)
{
    struct h2_stream *s = stream_of(x);

    assert(s->has_head && !s->is_finished);
    if (s->is_head_method) {
        free(bytes);
        return;
    }
    outq_give(&s->body, bytes, n);
    wrote(s, n);
}

static void h2_finish(struct exchange *x, const struct http_field *trailers, size_t n)
{
    struct h2_stream *s = stream_of(x);

    assert(s->has_head && !s->is_finished);
    s->is_finished = true;
    if (n > 0) {
        s->trailers = arena_array(x->arena, n, sizeof *s->trailers);
        s->n_trailers = put_fields(s, s->trailers, 0, trailers, n);
    }
    stream_touch(s);
}

static void h2_abort(struct exchange *x)
{
    struct h2_stream *s = stream_of(x);

    if (s->is_aborted)
        return;
    s->is_aborted = true;
    nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
    sock_touch(&s->h->c->sock);
}

static void h2_consume(struct exchange *x, size_t n)
{
    struct h2_stream *s = stream_of(x);

    assert(n <= s->unconsumed);
    s->unconsumed -= n;
    if (s->unconsumed == 0)
        s->since_ms = now_ms(s->h);
    nghttp2_session_consume(s->h->session, s->id, n);
    sock_touch(&s->h->c->sock);
}

static size_t h2_unsent(const struct exchange *x) { return stream_of(x)->body.n; }

static const struct carrier h2_carrier = {
    .consume = h2_consume,
    .head = h2_head,
    .write = h2_write,
    .give = h2_give,
    .finish = h2_finish,
    .abort = h2_abort,
    .unsent = h2_unsent,
};

static void submit(struct h2_stream *s)
{
    nghttp2_data_provider provider = { .source = { .ptr = s }, .read_callback = read_body };
    nghttp2_session      *session = s->h->session;

    if (!s->has_head || s->is_aborted)
        return;
    if (s->is_submitted) {
        nghttp2_session_resume_data(session, s->id);
        return;
    }
    s->is_submitted = true;
    bool is_short = s->is_finished && s->body.n == 0 && s->n_trailers == 0;
    nghttp2_submit_response(session, s->id, s->head, s->n_head, is_short ? NULL : &provider);
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

    while (h->touched != NULL) {
        struct h2_stream *s = h->touched;
        h->touched = s->next_touched;
        s->is_touched = false;
        submit(s);
    }
    while (c->sock.out.n < SOCK_OUT_ENOUGH && (n = nghttp2_session_mem_send(h->session, &bytes)) > 0)
        outq_copy(&c->sock.out, bytes, (size_t)n);
    if (n < 0)
        conn_close(c);
}

static void tell_writable(struct h2 *h)
{
    for (struct h2_stream *s = h->streams, *next; s != NULL; s = next) {
        next = s->next;
        if (!s->is_writable_due || s->is_finished || s->body.n >= limits_of(h)->unsent_bytes_max / 2)
            continue;
        s->is_writable_due = s->body.n > 0;
        if (s->is_open && app_of(h)->on_writable != NULL)
            app_of(h)->on_writable(&s->x.pub);
    }
}

/*
 * Reading stops only for a peer that does not take what is on its way; answers held back by flow control need its
 * WINDOW_UPDATEs to be read.
 */
static void on_sent(struct conn *c)
{
    struct h2 *h = c->state;

    if (h->held > 0 || h->streams != NULL)
        tell_writable(h);
    if (c->sock.out.n == 0 &&
        (h->is_over || (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)))) {
        conn_close(c);
        return;
    }
    sock_read(&c->sock, c->sock.out.n <= limits_of(h)->unsent_bytes_max);
}

static void on_eof(struct conn *c) { conn_close(c); }

static void drain(struct conn *c)
{
    struct h2 *h = c->state;

    if (h->is_notified)
        return;
    h->is_notified = true;
    h->since_ms = now_ms(h);
    nghttp2_submit_shutdown_notice(h->session);
    nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
    sock_touch(&c->sock);
}

/* The client owes us bytes and has the window to send them. */
static bool is_late(const struct h2_stream *s, int64_t now)
{
    return s->is_open && !s->has_ended && !s->is_finished && !s->is_aborted && s->unconsumed < STREAM_WINDOW_BYTES / 2 &&
           (now - s->since_ms) * NS_PER_MS > limits_of(s->h)->body_wait_ns;
}

/* A header block that does not go on stops the whole connection. */
static bool is_stuck(const struct h2_stream *s, int64_t now)
{
    return !s->is_open && !s->is_refused && (now - s->since_ms) * NS_PER_MS > limits_of(s->h)->head_wait_ns;
}

static void on_tick(struct conn *c, int64_t now)
{
    struct h2 *h = c->state;

    if (h->is_notified && now - h->since_ms > GOAWAY_WAIT_MS)
        goaway(h);
    if (h->n_streams == 0 && !h->is_notified && (now - h->since_ms) * NS_PER_MS > limits_of(h)->idle_ns)
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
        stream_end(h->streams);
}

static void end(struct conn *c)
{
    struct h2 *h = c->state;

    while (h->spare != NULL) {
        struct h2_stream *s = h->spare;
        h->spare = s->next;
        stream_free(s);
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
    nghttp2_session_callbacks_set_send_data_callback(s->callbacks, send_data);
    s->n_terminated = metric_counter("hearth_net_h2_terminated_total",
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
