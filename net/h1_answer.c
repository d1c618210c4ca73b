#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/h1_priv.h"

static struct h1 *h1_of(const struct exchange *x) { return (struct h1 *)(uintptr_t)x; }

/* Reading stops while nobody could take what comes: that, and nothing else, slows the client. */
void h1_set_reading(struct h1 *h)
{
    bool on = true;

    if (h->state == H1_BODY)
        on = h->unconsumed < STREAM_WINDOW_BYTES;
    else if (h->state == H1_ANSWER || h->is_held)
        on = h->in.n == 0;
    if (h->state != H1_LINGER && h1_unsent(h) > h1_limits(h)->unsent_bytes_max)
        on = false;
    sock_read(&h->c->sock, on && !h->is_eof);
}

void h1_exchange_gone(struct h1 *h)
{
    if (!h->is_open)
        return;
    h->is_open = false;
    h1_app(h)->on_gone(&h->x.pub);
    outq_drop(&h->body, h->body.n);
    h->head.n = 0;
}

void h1_close_now(struct h1 *h)
{
    h1_exchange_gone(h);
    conn_close(h->c);
}

void h1_linger(struct h1 *h)
{
    h1_exchange_gone(h);
    h->state = H1_LINGER;
    h1_wait_begins(h);
    sock_touch(&h->c->sock);
}

void h1_refuse(struct h1 *h, struct h1_wrong w)
{
    struct slice date = loop_date(h->c->sock.loop);
    char         text[512];
    int          n;

    if (w.status == H1_NOT_HTTP || (h->is_open && h->is_head_sent)) {
        h1_close_now(h);
        return;
    }
    n = snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\ndate: %.*s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %zu\r\n"
                 "connection: close\r\n\r\n%s\n",
                 w.status, http_reason(w.status), SLICE_ARGS(date), strlen(w.text) + 1, w.text);
    assert(n > 0 && (size_t)n < sizeof text);
    outq_copy(&h->c->sock.out, text, (size_t)n);
    h1_linger(h);
}

void h1_refuse_abuse(struct h1 *h, enum abuse what, struct h1_wrong w)
{
    abuse_count(what);
    h1_refuse(h, w);
}

static void put_number(struct buf *out, size_t n)
{
    char  room[20], *at = room + sizeof room;

    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    buf_put(out, at, (size_t)(room + sizeof room - at));
}

static bool has_no_body(const struct h1 *h) { return h->is_head_method || h->status == 204 || h->status == 304; }

/* The framing: a length when the whole body is there, else chunks, or for HTTP/1.0 the end of the connection. */
static void put_head(struct h1 *h)
{
    struct slice date = loop_date(h->c->sock.loop);

    h->is_chunked_out = !h->is_finished && h->minor == 1 && !has_no_body(h);
    if (h->state == H1_BODY || (h->is_eof && h->in.n == 0) || h->c->door->is_draining || h->c->is_parting ||
        (!h->is_finished && h->minor == 0))
        h->is_last = true;
    buf_put(&h->head, "date: ", 6);
    buf_slice(&h->head, date);
    buf_put(&h->head, "\r\n", 2);
    if (h->is_finished && h->status != 204 && h->status != 304) {
        buf_text(&h->head, "content-length: ");
        put_number(&h->head, h->body.n);
        buf_put(&h->head, "\r\n", 2);
    } else if (h->is_chunked_out) {
        buf_text(&h->head, "transfer-encoding: chunked\r\n");
    }
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
        h1_linger(h);
        return;
    }
    h1_exchange_gone(h);
    h->state = H1_HEAD;
    h->scanned = 0;
    h1_wait_begins(h);
}

void h1_answer_more(struct h1 *h)
{
    if (h->is_aborted) {
        h1_close_now(h);
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

/* --- what the app does ------------------------------------------------------------------------------------------- */

static void h1_consume(struct exchange *x, size_t n)
{
    struct h1 *h = h1_of(x);

    assert(n <= h->unconsumed);
    h->unconsumed -= n;
    if (!h->c->sock.is_closing)
        h1_set_reading(h);
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
    buf_put(&h->head, "HTTP/1.1 ", 9);
    put_number(&h->head, (size_t)status);
    buf_byte(&h->head, ' ');
    buf_text(&h->head, http_reason(status));
    buf_put(&h->head, "\r\n", 2);
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

static size_t h1_unsent_of(const struct exchange *x) { return h1_unsent(h1_of(x)); }

const struct carrier h1_carrier = {
    .consume = h1_consume,
    .head = h1_head,
    .write = h1_write,
    .give = h1_give,
    .finish = h1_finish,
    .abort = h1_abort,
    .unsent = h1_unsent_of,
};
