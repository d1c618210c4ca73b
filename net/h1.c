/*
 * HTTP/1.x of one connection: one exchange at a time, what comes early waits in `in`.
 *
 *     HEAD --whole head--> BODY --whole body--> ANSWER --finished--> HEAD
 *       |                    |                     |
 *       `-- refused ---------+-- answered early ---+--> LINGER --> closed
 *
 * LINGER: the answer is out and our side is shut down; a bounded amount of what the client still sends is thrown away, so
 * that it reads the answer instead of a reset.
 */
#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/h1_chunk.h"
#include "net/h1_head.h"

enum { LINGER_BYTES_MAX = 1 << 20, LINGER_MS = 2000, ARENA_KEPT_MAX = 64 << 10 };

enum h1_state { H1_HEAD, H1_BODY, H1_ANSWER, H1_LINGER };

struct h1 {
    struct carried  x; /* first */
    struct conn    *c;
    enum h1_state   state;
    struct buf      in;      /* read, not yet taken */
    size_t          scanned; /* of the head that begins `in` */
    int             minor;   /* of the request's version */
    struct h1_chunk chunk;
    uint64_t        left;       /* of a body with content-length */
    size_t          unconsumed; /* body bytes the app has not consumed */
    size_t          lingered;
    int64_t         since_ms; /* when the present wait began */
    struct buf      head;     /* of the answer, without framing fields and the empty line */
    struct outq     body;     /* of the answer, not yet in the socket's queue */
    int             status;
    bool            is_open;  /* on_head was called and on_gone was not */
    bool            is_used;  /* a request came before */
    bool            is_chunked_in, expects_continue, is_head_method;
    bool            is_last; /* the connection ends with this exchange */
    bool            is_eof, is_shut;
    bool            has_head, is_head_sent, is_finished, is_aborted, is_chunked_out;
    bool            is_writable_due; /* written since unsent was last nothing */
    bool            is_held;         /* pipelined requests wait for output to leave */
};

static const struct carrier h1_carrier;

static struct h1 *h1_of(const struct exchange *x) { return (struct h1 *)(uintptr_t)x; }

static const struct http_app *app_of(const struct h1 *h) { return h->c->door->app; }

static const struct http_limits *limits_of(const struct h1 *h) { return h->c->door->limits; }

static void wait_begins(struct h1 *h) { h->since_ms = loop_now_ms(h->c->sock.loop); }

static size_t unsent(const struct h1 *h) { return h->body.n + h->c->sock.out.n; }

/* Reading stops while nobody could take what comes: that, and nothing else, slows the client. */
static void set_reading(struct h1 *h)
{
    bool on = true;

    if (h->state == H1_BODY)
        on = h->unconsumed < STREAM_WINDOW_BYTES;
    else if (h->state == H1_ANSWER || h->is_held)
        on = h->in.n == 0;
    if (h->state != H1_LINGER && unsent(h) > limits_of(h)->unsent_bytes_max)
        on = false;
    sock_read(&h->c->sock, on && !h->is_eof);
}

static void exchange_gone(struct h1 *h)
{
    if (!h->is_open)
        return;
    h->is_open = false;
    app_of(h)->on_gone(&h->x.pub);
    outq_drop(&h->body, h->body.n);
    h->head.n = 0;
}

static void close_now(struct h1 *h)
{
    exchange_gone(h);
    conn_close(h->c);
}

static void linger(struct h1 *h)
{
    exchange_gone(h);
    h->state = H1_LINGER;
    wait_begins(h);
    sock_touch(&h->c->sock);
}

/* --- answering --------------------------------------------------------------------------------------------------- */

/* A whole answer of the carrier's own, to a request that cannot be understood; nothing after it can be either. */
static void refuse(struct h1 *h, struct h1_wrong w)
{
    struct slice date = loop_date(h->c->sock.loop);
    char         text[512];
    int          n;

    if (w.status == H1_NOT_HTTP || (h->is_open && h->is_head_sent)) {
        close_now(h);
        return;
    }
    n = snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\ndate: %.*s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %zu\r\n"
                 "connection: close\r\n\r\n%s\n",
                 w.status, http_reason(w.status), SLICE_ARGS(date), strlen(w.text) + 1, w.text);
    assert(n > 0 && (size_t)n < sizeof text);
    outq_copy(&h->c->sock.out, text, (size_t)n);
    linger(h);
}

static bool has_no_body(const struct h1 *h) { return h->is_head_method || h->status == 204 || h->status == 304; }

/* The framing: a length when the whole body is there, else chunks, or for HTTP/1.0 the end of the connection. */
static void put_head(struct h1 *h)
{
    struct slice date = loop_date(h->c->sock.loop);

    h->is_chunked_out = !h->is_finished && h->minor == 1 && !has_no_body(h);
    if (h->state == H1_BODY || (h->is_eof && h->in.n == 0) || h->c->door->is_draining || (!h->is_finished && h->minor == 0))
        h->is_last = true;
    buf_put(&h->head, "date: ", 6);
    buf_slice(&h->head, date);
    buf_put(&h->head, "\r\n", 2);
    if (h->is_finished && h->status != 204 && h->status != 304)
        buf_printf(&h->head, "content-length: %zu\r\n", h->body.n);
    else if (h->is_chunked_out)
        buf_text(&h->head, "transfer-encoding: chunked\r\n");
    if (h->is_last)
        buf_text(&h->head, "connection: close\r\n");
    else if (h->minor == 0)
        buf_text(&h->head, "connection: keep-alive\r\n");
    buf_put(&h->head, "\r\n", 2);
    outq_copy(&h->c->sock.out, h->head.p, h->head.n);
    h->is_head_sent = true;
}

static void put_body(struct h1 *h)
{
    struct outq *out = &h->c->sock.out;
    char         size[24];

    if (has_no_body(h))
        outq_drop(&h->body, h->body.n);
    if (h->body.n > 0) {
        if (h->is_chunked_out)
            outq_copy(out, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", h->body.n));
        outq_move(out, &h->body);
        if (h->is_chunked_out)
            outq_copy(out, "\r\n", 2);
    }
    if (h->is_finished && h->is_chunked_out)
        outq_copy(out, "0\r\n\r\n", 5);
}

/* The exchange is over as far as the app is concerned; its output is the socket's. */
static void exchange_done(struct h1 *h)
{
    if (h->is_last) {
        linger(h);
        return;
    }
    exchange_gone(h);
    h->state = H1_HEAD;
    h->scanned = 0;
    wait_begins(h);
}

static void answer_more(struct h1 *h)
{
    if (h->is_aborted) {
        close_now(h);
        return;
    }
    if (h->has_head) {
        if (!h->is_head_sent)
            put_head(h);
        put_body(h);
        if (h->is_finished)
            exchange_done(h);
    } else if (h->expects_continue && h->state == H1_BODY) {
        outq_copy(&h->c->sock.out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        h->expects_continue = false;
    }
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void body_ends(struct h1 *h)
{
    h->state = H1_ANSWER;
    app_of(h)->on_end(&h->x.pub);
}

static void exchange_reset(struct h1 *h)
{
    struct arena *a = h->x.pub.arena;

    if (a != NULL && arena_bytes(a) > ARENA_KEPT_MAX) {
        arena_free(a);
        a = NULL;
    }
    if (a == NULL)
        a = arena_new(0);
    arena_reset(a);
    h->x = (struct carried){ .by = &h1_carrier };
    h->x.pub.arena = a;
    h->x.pub.loop = h->c->sock.loop;
    h->x.pub.peer = conn_peer(h->c);
    h->x.pub.version = 1;
    h->chunk = (struct h1_chunk){ 0 };
    h->unconsumed = 0;
    h->head.n = 0;
    h->has_head = h->is_head_sent = h->is_finished = h->is_chunked_out = h->is_writable_due = false;
}

static void request_begins(struct h1 *h, const struct h1_head *head, const struct http_field *fields)
{
    struct exchange *x = &h->x.pub;

    exchange_set_target(x, head->target);
    x->method = head->method;
    x->authority = head->authority;
    x->fields = fields;
    x->n_fields = head->n_fields;
    x->content_length = head->content_length;
    x->has_body = head->is_chunked || head->content_length > 0;
    h->minor = head->minor;
    h->is_chunked_in = head->is_chunked;
    h->left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    h->is_last = head->is_last;
    h->expects_continue = head->expects_continue && x->has_body;
    h->is_head_method = slice_is(head->method, "HEAD");
    h->is_open = h->is_used = true;
    h->state = H1_BODY;
    wait_begins(h);
    app_of(h)->on_head(x, app_of(h)->arg);
    if (!x->has_body)
        body_ends(h);
    sock_touch(&h->c->sock);
}

/* Each of the take_ functions returns how many bytes of `in` it used; none means that it waits. */
static size_t take_head(struct h1 *h, struct slice in)
{
    const struct http_limits *limits = limits_of(h);
    size_t                    blank = 0, n;
    struct h1_head            head;
    struct h1_wrong           wrong;

    if (in.n >= 2 && h->scanned == 0 && in.p[0] == '\r' && in.p[1] == '\n')
        blank = 2; /* an empty line before a request is to be forgiven, once */
    n = h1_head_end(slice_from(in, blank), limits->head_bytes_max, &h->scanned, &wrong);
    if (wrong.status) {
        refuse(h, wrong);
        return 0;
    }
    if (n == 0) {
        h->scanned = 0;
        return 0;
    }
    exchange_reset(h);
    struct arena      *a = h->x.pub.arena;
    char              *copy = arena_alloc(a, n);
    struct http_field *fields = arena_array(a, limits->fields_max, sizeof *fields);
    memcpy(copy, in.p + blank, n);
    wrong = h1_head_parse(copy, n, fields, limits->fields_max, &head);
    if (wrong.status) {
        refuse(h, wrong);
        return 0;
    }
    request_begins(h, &head, fields);
    return blank + n;
}

static void give_piece(struct h1 *h, struct slice piece)
{
    h->unconsumed += piece.n;
    h->expects_continue = false;
    wait_begins(h);
    app_of(h)->on_body(&h->x.pub, piece);
}

static size_t take_body(struct h1 *h, struct slice in)
{
    struct slice rest = in, piece;

    if (!h->is_chunked_in) {
        piece = slice_make(in.p, in.n < h->left ? in.n : (size_t)h->left);
        h->left -= piece.n;
        if (piece.n > 0)
            give_piece(h, piece);
        if (h->left == 0)
            body_ends(h);
        return piece.n;
    }
    while ((piece = h1_chunk_next(&h->chunk, &rest)).n > 0)
        give_piece(h, piece);
    if (h->chunk.state == H1_CHUNK_BAD)
        refuse(h, (struct h1_wrong){ 400, h->chunk.wrong });
    else if (h->chunk.state == H1_CHUNK_END)
        body_ends(h);
    return in.n - rest.n;
}

static size_t take(struct h1 *h, struct slice in)
{
    if (in.n == 0 || h->c->sock.is_closing)
        return 0;
    switch (h->state) {
    case H1_HEAD: return take_head(h, in);
    case H1_BODY: return take_body(h, in);
    case H1_LINGER: h->lingered += in.n; return in.n;
    case H1_ANSWER: break;
    }
    return 0;
}

static size_t take_all(struct h1 *h, struct slice in)
{
    size_t used = 0, n;

    while ((n = take(h, slice_from(in, used))) > 0)
        used += n;
    return used;
}

static void on_bytes(struct conn *c, struct slice bytes)
{
    struct h1 *h = c->state;

    if (h->in.n == 0) {
        size_t used = take_all(h, bytes);
        if (h->state == H1_HEAD && h->is_used && used == 0)
            wait_begins(h); /* a head has begun */
        bytes = slice_from(bytes, used);
        buf_slice(&h->in, bytes);
    } else {
        buf_slice(&h->in, bytes);
        size_t used = take_all(h, buf_view(&h->in));
        memmove(h->in.p, h->in.p + used, h->in.n - used);
        h->in.n -= used;
    }
    if (h->lingered > LINGER_BYTES_MAX)
        conn_close(c);
    set_reading(h);
}

/* What came early, now that the exchange before it is over; a bounded output first leaves. */
static void take_early(struct h1 *h)
{
    h->is_held = h->c->sock.out.n > limits_of(h)->unsent_bytes_max;
    if (h->is_held || h->in.n == 0)
        return;
    size_t used = take_all(h, buf_view(&h->in));
    memmove(h->in.p, h->in.p + used, h->in.n - used);
    h->in.n -= used;
}

static void on_turn(struct conn *c)
{
    struct h1 *h = c->state;

    if (h->is_held && h->state == H1_HEAD)
        take_early(h);
    while (h->is_open && !c->sock.is_closing) {
        answer_more(h);
        if (h->is_open || h->state != H1_HEAD)
            break;
        take_early(h);
    }
    if (h->in.n == 0 && h->in.cap > LOOP_SCRATCH_BYTES)
        buf_free(&h->in);
    if (h->state == H1_HEAD && h->is_eof && !h->is_held)
        linger(h);
}

static void lingered_enough(struct h1 *h)
{
    if (h->is_eof) {
        conn_close(h->c);
    } else if (!h->is_shut) {
        shutdown(h->c->sock.fd, SHUT_WR);
        h->is_shut = true;
        wait_begins(h);
    }
}

static void on_sent(struct conn *c)
{
    struct h1 *h = c->state;

    if (h->state == H1_LINGER && c->sock.out.n == 0) {
        lingered_enough(h);
        if (c->sock.is_closing)
            return;
    }
    if (h->is_writable_due && h->is_open && !h->is_finished && unsent(h) < limits_of(h)->unsent_bytes_max / 2) {
        h->is_writable_due = unsent(h) > 0;
        if (app_of(h)->on_writable != NULL)
            app_of(h)->on_writable(&h->x.pub);
    }
    if (h->is_held && c->sock.out.n <= limits_of(h)->unsent_bytes_max)
        sock_touch(&c->sock);
    set_reading(h);
}

/* A client may shut down its side and still read: what was asked wholly is answered. */
static void on_eof(struct conn *c)
{
    struct h1 *h = c->state;

    h->is_eof = true;
    if (h->state == H1_BODY || (h->state == H1_LINGER && h->is_shut))
        close_now(h);
    sock_touch(&c->sock);
    set_reading(h);
}

static void on_tick(struct conn *c, int64_t now_ms)
{
    struct h1                *h = c->state;
    const struct http_limits *limits = limits_of(h);
    int64_t                   waited_ns = (now_ms - h->since_ms) * NS_PER_MS;
    bool                      has_begun = h->in.n > 0 || !h->is_used;

    if (c->sock.out.n > 0)
        wait_begins(h); /* the client has something to read; conn_tick looks after those that do not */
    else if (h->state == H1_LINGER && waited_ns > LINGER_MS * NS_PER_MS)
        conn_close(c);
    else if (h->state == H1_HEAD && !has_begun && waited_ns > limits->idle_ns)
        conn_close(c);
    else if (h->state == H1_HEAD && has_begun && !h->is_held && waited_ns > limits->head_wait_ns)
        refuse(h, (struct h1_wrong){ 408, "the request did not come in time" });
    else if (h->state == H1_BODY && c->sock.is_reading && waited_ns > limits->body_wait_ns)
        refuse(h, (struct h1_wrong){ 408, "the rest of the request did not come in time" });
    if (h->state == H1_HEAD && h->in.n == 0) /* idle connections keep no buffers */
        buf_free(&h->in);
}

static void drain(struct conn *c)
{
    struct h1 *h = c->state;

    if (h->state == H1_HEAD && h->in.n == 0)
        linger(h);
    h->is_last = true;
}

static void gone(struct conn *c) { exchange_gone(c->state); }

static void end(struct conn *c)
{
    struct h1 *h = c->state;

    buf_free(&h->in);
    buf_free(&h->head);
    outq_free(&h->body);
    arena_free(h->x.pub.arena);
    free(h);
}

static const struct conn_proto h1_proto = {
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_turn = on_turn,
    .on_sent = on_sent,
    .on_tick = on_tick,
    .drain = drain,
    .gone = gone,
    .end = end,
};

void h1_start(struct conn *c)
{
    struct h1 *h = mem_zalloc(sizeof *h);

    h->c = c;
    h->since_ms = c->since_ms;
    c->state = h;
    c->proto = &h1_proto;
}

/* --- what the app does ------------------------------------------------------------------------------------------- */

static void h1_consume(struct exchange *x, size_t n)
{
    struct h1 *h = h1_of(x);

    assert(n <= h->unconsumed);
    h->unconsumed -= n;
    if (!h->c->sock.is_closing)
        set_reading(h);
}

/* Fields that frame the message or speak of the connection are ours to write. */
static bool is_ours(struct slice name)
{
    return slice_is(name, "content-length") || slice_is(name, "date") || slice_is(name, "connection") ||
           slice_is(name, "transfer-encoding") || slice_is(name, "keep-alive");
}

static void h1_head(struct exchange *x, int status, const struct http_field *fields, size_t n)
{
    struct h1 *h = h1_of(x);

    assert(!h->has_head);
    h->has_head = true;
    h->status = status;
    buf_printf(&h->head, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    for (size_t i = 0; i < n; i++) {
        if (is_ours(fields[i].name) || !h1_is_token(fields[i].name) || !h1_is_text(fields[i].value))
            continue; /* a line break in a value would begin a field, or an answer, of somebody else's making */
        buf_slice(&h->head, fields[i].name);
        buf_put(&h->head, ": ", 2);
        buf_slice(&h->head, fields[i].value);
        buf_put(&h->head, "\r\n", 2);
    }
    sock_touch(&h->c->sock);
}

static void wrote(struct h1 *h)
{
    h->is_writable_due = true;
    sock_touch(&h->c->sock);
}

static void h1_write(struct exchange *x, struct slice bytes)
{
    struct h1 *h = h1_of(x);

    assert(h->has_head && !h->is_finished);
    if (h->c->sock.is_closing)
        return;
    outq_copy(&h->body, bytes.p, bytes.n);
    wrote(h);
}

static void h1_give(struct exchange *x, void *bytes, size_t n)
{
    struct h1 *h = h1_of(x);

    assert(h->has_head && !h->is_finished);
    if (h->c->sock.is_closing) {
        free(bytes);
        return;
    }
    outq_give(&h->body, bytes, n);
    wrote(h);
}

static void h1_finish(struct exchange *x, const struct http_field *trailers, size_t n)
{
    struct h1 *h = h1_of(x);

    (void)trailers;
    (void)n;
    assert(h->has_head && !h->is_finished);
    h->is_finished = true;
    sock_touch(&h->c->sock);
}

static void h1_abort(struct exchange *x)
{
    struct h1 *h = h1_of(x);

    h->is_aborted = true;
    sock_touch(&h->c->sock);
}

static size_t h1_unsent(const struct exchange *x) { return unsent(h1_of(x)); }

static const struct carrier h1_carrier = {
    .consume = h1_consume,
    .head = h1_head,
    .write = h1_write,
    .give = h1_give,
    .finish = h1_finish,
    .abort = h1_abort,
    .unsent = h1_unsent,
};
