#include "net/client_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

const struct http_patience http_patience_default = {
    .connect_ms = 3000,
    .ping_after_ms = 10000,
    .ping_wait_ms = 5000,
    .idle_ms = 120000,
};

/* ---- the end of requests ---- */

static void run_over(struct turn *t)
{
    struct http_client  *c = (struct http_client *)((char *)t - offsetof(struct http_client, turn));
    struct http_request *r = c->over;

    c->over = NULL;
    c->over_last = &c->over;
    while (r != NULL) {
        struct http_request *next = r->next;
        struct http_reply    reply = {
            .code = r->code,
            .text = r->text,
            .was_sent = r->was_sent,
            .status = r->status,
            .fields = r->fields,
            .trailers = r->trailers,
            .n_fields = r->n_fields,
            .n_trailers = r->n_trailers,
            .body = buf_view(&r->answer),
        };
        r->on_done(r->arg, &reply);
        buf_free(&r->answer);
        outq_free(&r->unsent);
        arena_free(r->arena); /* r lives there */
        r = next;
    }
}

static void unlink_running(struct http_request *r)
{
    struct link *l = r->on;

    *r->link = r->next;
    if (r->next != NULL)
        r->next->link = r->link;
    l->n_running--;
    l->used_ms = loop_now_ms(r->client->loop);
    nghttp2_session_set_stream_user_data(l->session, r->id, NULL);
    sock_touch(&l->sock); /* there is room for another */
}

void request_over(struct http_request *r, enum code code, const char *format, ...)
{
    struct http_client *c = r->client;
    va_list             ap;
    char                text[480];

    assert(r->state != REQUEST_OVER);
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (r->state == REQUEST_RUNNING)
        unlink_running(r);
    else if (r->peer != NULL)
        peer_remove(r->peer, r);
    loop_timer_free(r->timer);
    r->state = REQUEST_OVER;
    r->code = code;
    r->text = arena_copy(r->arena, slice_of(text));
    r->next = NULL;
    *c->over_last = r;
    c->over_last = &r->next;
    loop_at_turn_end(c->loop, &c->turn);
}

static void break_off(struct http_request *r, enum code code, const char *why)
{
    if (r->state == REQUEST_RUNNING)
        link_cancel(r->on, r);
    request_over(r, code, "%s", why);
}

static void on_deadline(void *arg)
{
    struct http_request *r = arg;

    break_off(r, CODE_DEADLINE_EXCEEDED, "the deadline has passed");
}

/* ---- the client ---- */

struct http_client *http_client_new(struct loop *l, struct tls *tls)
{
    struct http_client *c = mem_zalloc(sizeof *c);

    assert(loop_is_mine(l));
    c->loop = l;
    c->tls = tls_ref(tls);
    c->patience = http_patience_default;
    c->over_last = &c->over;
    c->turn.run = run_over;
    c->callbacks = link_callbacks();
    if (nghttp2_option_new(&c->option) != 0)
        abort(); /* out of memory */
    nghttp2_option_set_no_auto_window_update(c->option, 1);
    return c;
}

void http_client_set_tls(struct http_client *c, struct tls *tls)
{
    assert(loop_is_mine(c->loop));
    tls_ref(tls);
    tls_unref(c->tls);
    c->tls = tls;
}

void http_client_set_patience(struct http_client *c, const struct http_patience *p)
{
    assert(loop_is_mine(c->loop) && c->peers == NULL);
    c->patience = *p;
}

void http_client_free(struct http_client *c)
{
    assert(loop_is_mine(c->loop));
    c->is_closing = true;
    for (struct peer *p = c->peers; p != NULL; p = p->next) {
        peer_fail(p, CODE_CANCELED, "the client is closed");
        for (struct link *l = p->links; l != NULL; l = l->next)
            link_die(l, CODE_CANCELED, "the client is closed");
    }
    while (c->over != NULL)
        run_over(&c->turn);
    turn_forget(&c->turn);
    while (c->peers != NULL) {
        struct peer *p = c->peers;
        c->peers = p->next;
        peer_free(p);
    }
    nghttp2_session_callbacks_del(c->callbacks);
    nghttp2_option_del(c->option);
    tls_unref(c->tls);
    free(c);
}

/* ---- requests ---- */

static nghttp2_nv nv_of(struct arena *a, struct slice name, struct slice value)
{
    struct slice n = arena_copy(a, name), v = arena_copy(a, value);

    return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)n.p,
                         .namelen = n.n,
                         .value = (uint8_t *)(uintptr_t)v.p,
                         .valuelen = v.n,
                         .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE };
}

static struct http_request *request_new(struct http_client *c, const struct http_send *s)
{
    struct arena        *a = arena_new(0);
    struct http_request *r = arena_zalloc(a, sizeof *r);

    *r = (struct http_request){ .client = c,
                                .arena = a,
                                .is_whole = !s->is_open,
                                .events = s->events,
                                .answer_max = s->body_bytes_max,
                                .deadline_ns = s->deadline_ns,
                                .on_done = s->on_done,
                                .arg = s->arg };
    r->nv = arena_array(a, s->n_fields + 4, sizeof *r->nv);
    r->nv[r->n_nv++] = nv_of(a, SLICE(":method"), s->method);
    r->nv[r->n_nv++] = nv_of(a, SLICE(":scheme"), c->tls ? SLICE("https") : SLICE("http"));
    r->nv[r->n_nv++] = nv_of(a, SLICE(":authority"), slice_of(s->address));
    r->nv[r->n_nv++] = nv_of(a, SLICE(":path"), s->path);
    for (size_t i = 0; i < s->n_fields; i++)
        r->nv[r->n_nv++] = nv_of(a, s->fields[i].name, s->fields[i].value);
    r->unsent.piece_bytes = 1; /* no more than the body: the rest is given */
    if (s->is_given)
        outq_give(&r->unsent, (char *)s->body.p, s->body.n);
    else
        outq_copy(&r->unsent, s->body.p, s->body.n);
    return r;
}

struct http_request *http_client_send(struct http_client *c, const struct http_send *s)
{
    assert(loop_is_mine(c->loop));
    struct http_request *r = request_new(c, s);
    int64_t              left_ns = s->deadline_ns ? s->deadline_ns - clock_mono_ns() : INT64_MAX;

    if (c->is_closing) {
        request_over(r, CODE_CANCELED, "the client is closed");
        return r;
    }
    if (left_ns <= 0) {
        request_over(r, CODE_DEADLINE_EXCEEDED, "the deadline has passed");
        return r;
    }
    if (s->deadline_ns) {
        r->timer = loop_timer_new(c->loop, on_deadline, r);
        loop_timer_arm(r->timer, left_ns);
    }
    peer_add(peer_at(c, s->address), r);
    return r;
}

void http_client_cancel(struct http_request *r)
{
    assert(loop_is_mine(r->client->loop));
    if (r->state != REQUEST_OVER)
        break_off(r, CODE_CANCELED, "canceled");
}

static void more(struct http_request *r)
{
    if (r->state == REQUEST_RUNNING)
        link_resume(r->on, r);
}

void http_request_give(struct http_request *r, void *bytes, size_t n)
{
    assert(loop_is_mine(r->client->loop) && !r->is_whole);
    if (r->state == REQUEST_OVER) {
        free(bytes);
        return;
    }
    outq_give(&r->unsent, bytes, n);
    r->is_writable_due = true;
    more(r);
}

void http_request_finish(struct http_request *r)
{
    assert(loop_is_mine(r->client->loop));
    r->is_whole = true;
    more(r);
}

size_t http_request_unsent(const struct http_request *r) { return r->state == REQUEST_OVER ? 0 : r->unsent.n; }

void http_request_consume(struct http_request *r, size_t n)
{
    assert(loop_is_mine(r->client->loop));
    if (r->state == REQUEST_RUNNING && n > 0)
        link_consume(r->on, r, n);
}
