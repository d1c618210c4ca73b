#include <assert.h>

#include "base/mem.h"
#include "net/h1_head.h"
#include "net/h2_priv.h"

enum {
    SPARE_MAX = 32, /* streams kept for reuse, with an arena of at most ARENA_KEPT_MAX */
    ARENA_KEPT_MAX = 16 << 10,
    FIELDS_FIRST = 24
};

static const struct carrier h2_carrier;

static struct h2_stream *stream_of(const struct exchange *x) { return (struct h2_stream *)(uintptr_t)x; }

static void stream_touch(struct h2_stream *s)
{
    if (!s->is_touched) {
        s->is_touched = true;
        s->next_touched = s->h->touched;
        s->h->touched = s;
    }
    sock_touch(&s->h->c->sock);
}

struct h2_stream *h2_stream_new(struct h2 *h, int32_t id)
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
    *s = (struct h2_stream){ .h = h, .id = id, .body = s->body, .since_ms = h2_now_ms(h) };
    pace_begin(&s->request, s->since_ms);
    pace_begin(&s->answer, s->since_ms);
    s->x = (struct carried){ .by = &h2_carrier };
    s->x.pub.arena = a;
    conn_describe(h->c, &s->x.pub);
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

void h2_stream_free(struct h2_stream *s)
{
    outq_free(&s->body);
    arena_free(s->x.pub.arena);
    free(s);
}

void h2_stream_stop(struct h2_stream *s)
{
    s->early_ms = 0;
    nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    sock_touch(&s->h->c->sock);
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

void h2_stream_end(struct h2_stream *s)
{
    struct h2 *h = s->h;

    if (s->is_open)
        h2_app(h)->on_gone(&s->x.pub);
    touched_forget(s);
    h->held -= s->body.n;
    h->heads -= s->kept_bytes;
    outq_drop(&s->body, s->body.n);
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    if (--h->n_streams == 0)
        h->since_ms = h2_now_ms(h);
    if (h->n_spare == SPARE_MAX || arena_bytes(s->x.pub.arena) > ARENA_KEPT_MAX) {
        h2_stream_free(s);
        return;
    }
    arena_reset(s->x.pub.arena);
    s->next = h->spare;
    h->spare = s;
    h->n_spare++;
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

/* Windows may be of any size, but not make us send very many frames of nearly nothing. */
static void charge_window(struct h2 *h, size_t n, bool is_cut)
{
    guard_earn(&h->c->guard, ABUSE_TINY_WINDOWS, (int64_t)(n / WINDOW_BYTES) + (is_cut ? 0 : 2));
    h2_charge(h, ABUSE_TINY_WINDOWS, is_cut);
}

int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *arg)
{
    struct h2        *h = arg;
    struct h2_stream *s = source->ptr;

    (void)session;
    assert(frame->data.padlen == 0);
    outq_copy(&h->c->sock.out, head, 9);
    outq_move_n(&h->c->sock.out, &s->body, n);
    h->held -= n;
    pace_moved(&s->answer, n, h2_now_ms(h));
    conn_moved(h->c, n);
    charge_window(h, n, s->body.n > 0);
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
static size_t put_fields(struct h2_stream *s, nghttp2_nv *to, size_t n, const struct http_field *fields,
                         size_t n_fields)
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

/* Answers that a stalled connection holds already are enough: this one is not kept. */
static bool is_unwanted(struct h2_stream *s)
{
    if (!s->is_aborted && s->h->held > h2_limits(s->h)->held_bytes_max && conn_is_stalled(s->h->c)) {
        abuse_count(ABUSE_SLOW_READ);
        h2_reset(s, NGHTTP2_CANCEL);
    }
    return s->is_aborted;
}

static void h2_write(struct exchange *x, struct slice bytes)
{
    struct h2_stream *s = stream_of(x);

    assert(s->has_head && !s->is_finished);
    if (s->is_head_method || is_unwanted(s))
        return;
    outq_copy(&s->body, bytes.p, bytes.n);
    wrote(s, bytes.n);
}

static void h2_give(struct exchange *x, void *bytes, size_t n)
{
    struct h2_stream *s = stream_of(x);

    assert(s->has_head && !s->is_finished);
    if (s->is_head_method || is_unwanted(s)) {
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

void h2_reset(struct h2_stream *s, uint32_t error)
{
    if (s->is_aborted)
        return;
    s->is_aborted = true;
    nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, error);
    sock_touch(&s->h->c->sock);
}

static void h2_abort(struct exchange *x) { h2_reset(stream_of(x), NGHTTP2_INTERNAL_ERROR); }

static void h2_consume(struct exchange *x, size_t n)
{
    struct h2_stream *s = stream_of(x);

    assert(n <= s->unconsumed);
    s->unconsumed -= n;
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

void h2_submit_touched(struct h2 *h)
{
    while (h->touched != NULL) {
        struct h2_stream *s = h->touched;
        h->touched = s->next_touched;
        s->is_touched = false;
        submit(s);
    }
}

void h2_answer(struct h2_stream *s, int status, struct slice text)
{
    h2_head(&s->x.pub, status, NULL, 0);
    h2_write(&s->x.pub, text);
    h2_finish(&s->x.pub, NULL, 0);
}

void h2_tell_writable(struct h2 *h)
{
    for (struct h2_stream *s = h->streams, *next; s != NULL; s = next) {
        next = s->next;
        if (!s->is_writable_due || s->is_finished || s->body.n >= h2_limits(h)->unsent_bytes_max / 2)
            continue;
        s->is_writable_due = s->body.n > 0;
        if (s->is_open && h2_app(h)->on_writable != NULL)
            h2_app(h)->on_writable(&s->x.pub);
    }
}
