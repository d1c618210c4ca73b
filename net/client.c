#include "net/client_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"

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
        arena_free(r->arena); /* r lives there */
        r = next;
    }
}

struct http_client *http_client_new(struct loop *l, struct tls *tls)
{
    struct http_client *c = mem_zalloc(sizeof *c);

    assert(loop_is_mine(l));
    c->loop = l;
    c->tls = tls_ref(tls);
    c->over_last = &c->over;
    c->turn.run = run_over;
    c->callbacks = link_callbacks();
    return c;
}

void http_client_set_tls(struct http_client *c, struct tls *tls)
{
    assert(loop_is_mine(c->loop));
    tls_ref(tls);
    tls_unref(c->tls);
    c->tls = tls;
}

void http_client_free(struct http_client *c)
{
    assert(loop_is_mine(c->loop));
    c->is_closing = true;
    for (struct link *l = c->links, *next; l != NULL; l = next) {
        next = l->next;
        link_die(l, CODE_CANCELED, "the client is closed");
    }
    while (c->over != NULL)
        run_over(&c->turn);
    turn_forget(&c->turn);
    for (struct link *l = c->links; l != NULL; l = l->next)
        l->client = NULL; /* they live until libuv has closed their sockets */
    if (c->links != NULL)
        c->links->link = NULL;
    while (c->peers != NULL) {
        struct peer *p = c->peers;
        c->peers = p->next;
        free(p);
    }
    nghttp2_session_callbacks_del(c->callbacks);
    tls_unref(c->tls);
    free(c);
}

static struct peer *peer_at(struct http_client *c, const char *address)
{
    for (struct peer *p = c->peers; p != NULL; p = p->next)
        if (strcmp(p->address, address) == 0)
            return p;
    size_t       n = strlen(address) + 1;
    struct peer *p = mem_zalloc(sizeof *p + n);
    memcpy(p->address, address, n);
    p->client = c;
    p->next = c->peers;
    c->peers = p;
    return p;
}

static void unlink_request(struct http_request *r)
{
    struct link *l = r->on;

    *r->link = r->next;
    if (r->next != NULL)
        r->next->link = r->link;
    if (r->state == REQUEST_WAITING && l->waiting_last == &r->next)
        l->waiting_last = r->link;
    if (r->state == REQUEST_RUNNING) {
        l->n_running--;
        nghttp2_session_set_stream_user_data(l->session, r->id, NULL);
    }
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
    if (r->on != NULL)
        unlink_request(r);
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
    struct link *l = r->on;

    if (r->state == REQUEST_RUNNING) {
        nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, r->id, NGHTTP2_CANCEL);
        sock_touch(&l->sock);
    }
    request_over(r, code, "%s", why);
}

static void on_deadline(void *arg)
{
    struct http_request *r = arg;

    break_off(r, CODE_DEADLINE_EXCEEDED, "the deadline has passed");
}

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
    r->body = arena_copy(a, s->body);
    return r;
}

/* The link that takes new requests for this address; NULL right after a failure, for as long as the backoff says. */
static struct link *peer_link(struct peer *p)
{
    if (p->live == NULL && loop_now_ms(p->client->loop) >= p->retry_ms)
        p->live = link_new(p);
    return p->live;
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
    struct peer *p = peer_at(c, s->address);
    struct link *l = peer_link(p);
    if (l == NULL) {
        request_over(r, CODE_UNAVAILABLE, "%s", p->why);
        return r;
    }
    if (s->deadline_ns) {
        r->timer = loop_timer_new(c->loop, on_deadline, r);
        loop_timer_arm(r->timer, left_ns);
    }
    link_add(l, r);
    return r;
}

void http_client_cancel(struct http_request *r)
{
    assert(loop_is_mine(r->client->loop));
    if (r->state != REQUEST_OVER)
        break_off(r, CODE_CANCELED, "canceled");
}
