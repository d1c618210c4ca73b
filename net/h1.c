/*
 * HTTP/1.x of one connection: one exchange at a time, what comes early waits in `in`.
 *
 *     HEAD --whole head--> BODY --whole body--> ANSWER --finished--> HEAD
 *       |                    |                     |
 *       `-- refused ---------+-- answered early ---+--> LINGER --> closed
 *
 * LINGER: the answer is out and our side is shut down; a bounded amount of what the client still sends is thrown away,
 * so that it reads the answer instead of a reset.
 */
#include <assert.h>

#include "base/mem.h"
#include "net/h1_priv.h"

enum { LINGER_BYTES_MAX = 1 << 20, LINGER_MS = 2000, ARENA_KEPT_MAX = 64 << 10 };

static void body_ends(struct h1 *h)
{
    h->state = H1_ANSWER;
    h1_app(h)->on_end(&h->x.pub);
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
    conn_describe(h->c, &h->x.pub);
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
    h1_wait_begins(h);
    h1_app(h)->on_head(x, h1_app(h)->arg);
    if (!x->has_body)
        body_ends(h);
    sock_touch(&h->c->sock);
}

/* Each of the take_ functions returns how many bytes of `in` it used; none means that it waits. */
static size_t take_head(struct h1 *h, struct slice in)
{
    const struct http_limits *limits = h1_limits(h);
    size_t                    blank = 0, n;
    struct h1_head            head;
    struct h1_wrong           wrong;

    if (in.n >= 2 && h->scanned == 0 && in.p[0] == '\r' && in.p[1] == '\n')
        blank = 2; /* an empty line before a request is to be forgiven, once */
    n = h1_head_end(slice_from(in, blank), limits->head_bytes_max, &h->scanned, &wrong);
    if (wrong.status) {
        h1_refuse(h, wrong);
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
        h1_refuse(h, wrong);
        return 0;
    }
    request_begins(h, &head, fields);
    return blank + n;
}

static void give_piece(struct h1 *h, struct slice piece)
{
    h->unconsumed += piece.n;
    h->expects_continue = false;
    h1_wait_begins(h);
    h1_app(h)->on_body(&h->x.pub, piece);
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
        h1_refuse(h, (struct h1_wrong){ 400, h->chunk.wrong });
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
            h1_wait_begins(h); /* a head has begun */
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
    h1_set_reading(h);
}

/* What came early, now that the exchange before it is over; a bounded output first leaves. */
static void take_early(struct h1 *h)
{
    h->is_held = h->c->sock.out.n > h1_limits(h)->unsent_bytes_max;
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
        h1_answer_more(h);
        if (h->is_open || h->state != H1_HEAD)
            break;
        take_early(h);
    }
    if (h->in.n == 0 && h->in.cap > LOOP_SCRATCH_BYTES)
        buf_free(&h->in);
    if (h->state == H1_HEAD && h->is_eof && !h->is_held)
        h1_linger(h);
}

static void lingered_enough(struct h1 *h)
{
    if (h->is_eof) {
        conn_close(h->c);
    } else if (!h->is_shut) {
        sock_shut(&h->c->sock);
        h->is_shut = true;
        h1_wait_begins(h);
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
    if (h->is_writable_due && h->is_open && !h->is_finished && h1_unsent(h) < h1_limits(h)->unsent_bytes_max / 2) {
        h->is_writable_due = h1_unsent(h) > 0;
        if (h1_app(h)->on_writable != NULL)
            h1_app(h)->on_writable(&h->x.pub);
    }
    if (h->is_held && c->sock.out.n <= h1_limits(h)->unsent_bytes_max)
        sock_touch(&c->sock);
    h1_set_reading(h);
}

/* A client may shut down its side and still read: what was asked wholly is answered. */
static void on_eof(struct conn *c)
{
    struct h1 *h = c->state;

    h->is_eof = true;
    if (h->state == H1_BODY || (h->state == H1_LINGER && h->is_shut))
        h1_close_now(h);
    sock_touch(&c->sock);
    h1_set_reading(h);
}

static void on_tick(struct conn *c, int64_t now_ms)
{
    struct h1                *h = c->state;
    const struct http_limits *limits = h1_limits(h);
    int64_t                   waited_ns = (now_ms - h->since_ms) * NS_PER_MS;
    bool                      has_begun = h->in.n > 0 || !h->is_used;

    if (c->sock.out.n > 0)
        h1_wait_begins(h); /* the client has something to read; conn_tick looks after those that do not */
    else if (h->state == H1_LINGER && waited_ns > LINGER_MS * NS_PER_MS)
        conn_close(c);
    else if (h->state == H1_HEAD && !has_begun && waited_ns > limits->idle_ns)
        conn_close(c);
    else if (h->state == H1_HEAD && has_begun && !h->is_held && waited_ns > limits->head_wait_ns)
        h1_refuse(h, (struct h1_wrong){ 408, "the request did not come in time" });
    else if (h->state == H1_BODY && c->sock.is_reading && waited_ns > limits->body_wait_ns)
        h1_refuse(h, (struct h1_wrong){ 408, "the rest of the request did not come in time" });
    if (h->state == H1_HEAD && h->in.n == 0) /* idle connections keep no buffers */
        buf_free(&h->in);
}

static void drain(struct conn *c)
{
    struct h1 *h = c->state;

    if (h->state == H1_HEAD && h->in.n == 0)
        h1_linger(h);
    h->is_last = true;
}

static void gone(struct conn *c) { h1_exchange_gone(c->state); }

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
