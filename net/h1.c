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

enum {
    LINGER_BYTES_MAX = 1 << 20,
    LINGER_MS = 2000,
    ARENA_KEPT_MAX = 64 << 10,
    EARLY_A_TURN = 4,     /* pipelined requests; then others have their turn */
    PROBE_FIRST_MS = 500, /* see probe() */
    PROBE_MS = 5000
};

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
    pace_begin(&h->pace, h1_now_ms(h));
    conn_request_begins(h->c);
    h1_app(h)->on_head(x, h1_app(h)->arg);
    if (!x->has_body)
        body_ends(h);
    sock_touch(&h->c->sock);
}

/* Some are mere wishes that we do not grant (505, 417); others are too long, or could be understood in two ways. */
static void refuse_head(struct h1 *h, struct h1_wrong w)
{
    if (w.status == 414 || w.status == 431)
        abuse_count(ABUSE_HEADER_BOMB);
    else if (w.status == 400 || w.status == H1_NOT_HTTP)
        abuse_count(ABUSE_MALFORMED);
    h1_refuse(h, w);
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
        refuse_head(h, wrong);
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
        refuse_head(h, wrong);
        return 0;
    }
    request_begins(h, &head, fields);
    return blank + n;
}

static void give_piece(struct h1 *h, struct slice piece)
{
    h->unconsumed += piece.n;
    h->expects_continue = false;
    pace_moved(&h->pace, piece.n, h1_now_ms(h));
    h->c->moved_ms = h1_now_ms(h);
    h1_app(h)->on_body(&h->x.pub, piece);
}

/* Chunks of next to nothing: each costs us as much as a large one. */
static bool is_dribbling(struct h1 *h, size_t n)
{
    guard_earn(&h->c->guard, ABUSE_DRIBBLE, (int64_t)(n / DRIBBLE_BYTES));
    return !guard_charge(&h->c->guard, ABUSE_DRIBBLE, 1, h1_now_ms(h));
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
    while ((piece = h1_chunk_next(&h->chunk, &rest)).n > 0) {
        give_piece(h, piece);
        if (is_dribbling(h, piece.n)) {
            h1_refuse_abuse(h, ABUSE_DRIBBLE, (struct h1_wrong){ 429, "the chunks of the body are too small" });
            return in.n;
        }
    }
    if (h->chunk.state == H1_CHUNK_BAD)
        h1_refuse_abuse(h, ABUSE_MALFORMED, (struct h1_wrong){ 400, h->chunk.wrong });
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
    h->is_held = h->c->sock.out.n > h1_early_max(h);
    if (h->is_held || h->in.n == 0)
        return;
    size_t used = take_all(h, buf_view(&h->in));
    memmove(h->in.p, h->in.p + used, h->in.n - used);
    h->in.n -= used;
}

/* Between two looks nothing but sending makes the unsent less; what the app adds is marked at the next one. */
static void see_what_left(struct h1 *h)
{
    size_t unsent = h1_unsent(h);

    if (unsent < h->marked)
        conn_moved(h->c, h->marked - unsent);
    h->marked = unsent;
}

static void on_turn(struct conn *c)
{
    struct h1 *h = c->state;

    see_what_left(h);
    if (h->is_held && h->state == H1_HEAD)
        take_early(h);
    for (int n = 0; h->is_open && !c->sock.is_closing; n++) {
        h1_answer_more(h);
        if (h->is_open || h->state != H1_HEAD)
            break;
        if (n == EARLY_A_TURN && h->in.n > 0) {
            h->is_held = true;
            sock_touch(&c->sock);
            break;
        }
        take_early(h);
    }
    if (h->in.n == 0 && h->in.cap > LOOP_SCRATCH_BYTES)
        buf_free(&h->in);
    if (h->state == H1_HEAD && h->is_eof && !h->is_held)
        h1_linger(h);
    h->marked = h1_unsent(h);
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

    see_what_left(h);
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
    if (h->is_held && c->sock.out.n <= h1_early_max(h))
        sock_touch(&c->sock);
    h1_set_reading(h);
}

/* A client may shut down its side and still read: what was asked wholly is answered, unless probe() finds it gone. */
static void on_eof(struct conn *c)
{
    struct h1 *h = c->state;

    h->is_eof = true;
    h1_wait_begins(h);
    if (h->state == H1_BODY || (h->state == H1_LINGER && h->is_shut))
        h1_close_now(h);
    sock_touch(&c->sock);
    h1_set_reading(h);
}

/*
 * The client has shut down its side in the middle of a call: has it gone, or does it still read?  Only bytes that are
 * sent can tell (a reset comes back), and the only ones that mean nothing are an interim answer.
 */
static void probe(struct h1 *h)
{
    outq_copy(&h->c->sock.out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    h->is_probed = true;
    h1_wait_begins(h);
    sock_touch(&h->c->sock);
}

static bool is_probe_due(const struct h1 *h, int64_t waited_ns)
{
    return h->is_eof && h->state == H1_ANSWER && !h->has_head && h->minor == 1 &&
           waited_ns > (h->is_probed ? PROBE_MS : PROBE_FIRST_MS) * NS_PER_MS;
}

/* The client owes us bytes, and we would take them. */
static bool is_body_late(struct h1 *h, int64_t now_ms)
{
    if (!h->c->sock.is_reading || h->c->sock.out.n > 0 || h->x.pub.is_patient) {
        pace_begin(&h->pace, now_ms);
        return false;
    }
    return pace_is_slow(&h->pace, h1_limits(h)->body_wait_ns, h1_limits(h)->rate_min, now_ms);
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
        h1_refuse_abuse(h, ABUSE_SLOW_HEAD, (struct h1_wrong){ 408, "the request did not come in time" });
    else if (h->state == H1_BODY && is_body_late(h, now_ms))
        h1_refuse_abuse(h, ABUSE_SLOW_BODY, (struct h1_wrong){ 408, "the rest of the request did not come in time" });
    else if (is_probe_due(h, waited_ns))
        probe(h);
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

/* The next answer says so: a request may be on its way. */
static void part(struct conn *c) { (void)c; }

static size_t held(const struct conn *c)
{
    const struct h1 *h = c->state;

    return h1_unsent(h) + (h->is_open ? EXCHANGE_BYTES : 0);
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
    .part = part,
    .held = held,
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
