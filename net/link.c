#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/client_priv.h"

enum {
    CONNECT_WAIT_MS = 3000, /* for the name and all its addresses together */
    SILENCE_MS = 10000,     /* TCP_USER_TIMEOUT: bytes not acknowledged that long break the connection */
    BACKOFF_MS_FIRST = 20,
    BACKOFF_MS_MAX = 250,
    STREAM_BYTES = 4 << 20, /* window; each answer is bounded by body_bytes_max besides */
    LINK_BYTES = 16 << 20,
    HEAD_BYTES_MAX = 64 << 10,
    FIELDS_MAX = 64,
    HOST_MAX = 256
};

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void link_free_maybe(struct link *l)
{
    if (!l->is_dead || l->has_sock || l->is_dns_busy)
        return;
    if (l->link != NULL)
        *l->link = l->next;
    if (l->next != NULL)
        l->next->link = l->link;
    if (l->addresses != NULL)
        freeaddrinfo(l->addresses);
    nghttp2_session_del(l->session);
    free(l);
}

/* No new requests here.  Those that wait go to the next link: nobody has seen them. */
static void link_leave(struct link *l)
{
    struct http_request *r = l->waiting;

    if (l->is_leaving)
        return;
    l->is_leaving = true;
    if (l->peer != NULL && l->peer->live == l)
        l->peer->live = NULL;
    l->waiting = NULL;
    l->waiting_last = &l->waiting;
    for (struct http_request *next; r != NULL; r = next) {
        next = r->next;
        if (l->peer->live == NULL)
            l->peer->live = link_new(l->peer);
        link_add(l->peer->live, r);
    }
}

void link_die(struct link *l, enum code code, const char *why)
{
    if (l->is_dead)
        return;
    l->is_dead = l->is_leaving = true;
    loop_timer_free(l->patience);
    l->patience = NULL;
    if (l->peer->live == l)
        l->peer->live = NULL;
    while (l->running != NULL)
        request_over(l->running, code, "%s", why);
    while (l->waiting != NULL)
        request_over(l->waiting, code, "%s", why);
    l->peer = NULL;
    if (l->has_sock)
        sock_close(&l->sock);
    if (l->is_dns_busy)
        uv_cancel((uv_req_t *)&l->dns);
}

/*
 * The peer cannot be reached: after the second time in a row requests fail at once for a moment, so that a dead peer
 * costs little, and one that only changed its process nothing.
 */
static void link_fail(struct link *l)
{
    struct peer *p = l->peer;

    p->retry_ms = loop_now_ms(l->client->loop) + p->backoff_ms;
    p->backoff_ms = p->backoff_ms ? p->backoff_ms * 2 : BACKOFF_MS_FIRST;
    if (p->backoff_ms > BACKOFF_MS_MAX)
        p->backoff_ms = BACKOFF_MS_MAX;
    snprintf(p->why, sizeof p->why, "cannot reach %.60s: %.120s", p->address, l->why);
    link_die(l, CODE_UNAVAILABLE, p->why);
}

static void link_broke(struct link *l, const char *why)
{
    char text[240];

    snprintf(text, sizeof text, "the connection to %.80s broke: %.120s", l->peer->address, why);
    link_die(l, CODE_UNAVAILABLE, text);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static const struct sock_ops link_ops;

static int connect_to(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, silence_ms = SILENCE_MS;

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The host of "host:port", without the brackets of an IPv6 address; the port is the answer.  NULL: it is not that. */
static const char *cut_host(const char *address, char *host, size_t room)
{
    const char *colon = strrchr(address, ':');
    size_t      n = colon ? (size_t)(colon - address) : 0;

    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    }
    if (n == 0 || n >= room)
        return NULL;
    memcpy(host, address, n);
    host[n] = '\0';
    return colon + 1;
}

static struct tls_session *new_session(const struct link *l)
{
    char host[HOST_MAX];

    if (l->client->tls == NULL || cut_host(l->peer->address, host, sizeof host) == NULL)
        return NULL;
    return tls_session_new(l->client->tls, host);
}

/* False when there is none left. */
static bool connect_next(struct link *l)
{
    while (l->at != NULL) {
        const struct addrinfo *a = l->at;
        int                    fd = connect_to(a);
        l->at = a->ai_next;
        if (fd >= 0) {
            l->has_sock = true;
            sock_open(&l->sock, l->client->loop, fd, true, new_session(l), &link_ops, l);
            return true;
        }
        snprintf(l->why, sizeof l->why, "%s", strerror(errno));
    }
    return false;
}

static void on_dns(uv_getaddrinfo_t *dns, int status, struct addrinfo *found)
{
    struct link *l = dns->data;

    l->is_dns_busy = false;
    l->addresses = l->at = found;
    if (!l->is_dead && (status != 0 || !connect_next(l))) {
        if (status != 0)
            snprintf(l->why, sizeof l->why, "%s", uv_strerror(status));
        link_fail(l);
    }
    link_free_maybe(l);
}

/* Also the way out for what failed while nobody could yet be told. */
static void on_patience_ends(void *arg)
{
    struct link *l = arg;

    if (l->why[0] == '\0')
        snprintf(l->why, sizeof l->why, "no answer within %d ms", CONNECT_WAIT_MS);
    link_fail(l);
    link_free_maybe(l);
}

/* Numbers are understood here, names by libuv's threads. */
static bool link_resolve(struct link *l, const char *address)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    char            host[HOST_MAX];
    const char     *port = cut_host(address, host, sizeof host);

    if (port == NULL) {
        snprintf(l->why, sizeof l->why, "not HOST:PORT");
        return false;
    }
    if (getaddrinfo(host, port, &hints, &l->addresses) == 0) {
        l->at = l->addresses;
        return connect_next(l);
    }
    l->addresses = NULL;
    hints.ai_flags = AI_NUMERICSERV;
    l->dns.data = l;
    l->is_dns_busy = uv_getaddrinfo(loop_uv(l->client->loop), &l->dns, on_dns, host, port, &hints) == 0;
    return l->is_dns_busy;
}

struct link *link_new(struct peer *p)
{
    struct link *l = mem_zalloc(sizeof *l);

    l->client = p->client;
    l->peer = p;
    l->waiting_last = &l->waiting;
    l->next = l->client->links;
    l->link = &l->client->links;
    if (l->next != NULL)
        l->next->link = &l->next;
    l->client->links = l;
    l->patience = loop_timer_new(l->client->loop, on_patience_ends, l);
    loop_timer_arm(l->patience, link_resolve(l, p->address) ? CONNECT_WAIT_MS * NS_PER_MS : 0);
    return l;
}

void link_add(struct link *l, struct http_request *r)
{
    r->state = REQUEST_WAITING;
    r->on = l;
    r->next = NULL;
    r->link = l->waiting_last;
    *l->waiting_last = r;
    l->waiting_last = &r->next;
    if (l->is_ready)
        sock_touch(&l->sock);
}

/* --- what nghttp2 tells ------------------------------------------------------------------------------------------- */

static struct http_request *request_at(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_request *r = request_at(session, frame->hd.stream_id);

    (void)arg;
    if (r == NULL)
        return 0;
    r->is_in_trailers = r->status >= 200;
    if (!r->is_in_trailers)
        r->n_fields = 0; /* of a 1xx before */
    return 0;
}

static void add_field(struct http_request *r, struct slice name, struct slice value)
{
    struct http_field **list = r->is_in_trailers ? &r->trailers : &r->fields;
    size_t             *n = r->is_in_trailers ? &r->n_trailers : &r->n_fields;

    if (*list == NULL)
        *list = arena_array(r->arena, FIELDS_MAX, sizeof **list);
    if (*n < FIELDS_MAX)
        (*list)[(*n)++] = (struct http_field){ arena_copy(r->arena, name), arena_copy(r->arena, value) };
}

static void give_up(struct link *l, struct http_request *r, enum code code, const char *why)
{
    nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, r->id, NGHTTP2_CANCEL);
    request_over(r, code, "%s", why);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                     const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
    struct http_request *r = request_at(session, frame->hd.stream_id);

    (void)flags;
    if (r == NULL)
        return 0;
    r->head_bytes += n_name + n_value + 32;
    if (r->head_bytes > HEAD_BYTES_MAX)
        give_up(arg, r, CODE_RESOURCE_EXHAUSTED, "the header fields of the answer are too long");
    else if (n_name == 7 && memcmp(name, ":status", 7) == 0)
        r->status =
            (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0'); /* nghttp2 checked three digits */
    else if (n_name > 0 && name[0] != ':')
        add_field(r, slice_make(name, n_name), slice_make(value, n_value));
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *arg)
{
    struct http_request *r = request_at(session, id);

    (void)flags;
    if (r == NULL)
        return 0;
    if (n > r->answer_max - r->answer.n)
        give_up(arg, r, CODE_RESOURCE_EXHAUSTED, "the answer is larger than allowed");
    else
        buf_put(&r->answer, bytes, n);
    return 0;
}

/* An answer that is whole before the request is needs no more of the request. */
static void answer_ends(struct link *l, struct http_request *r)
{
    if (r->body_sent < r->body.n)
        nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, r->id, NGHTTP2_CANCEL);
    request_over(r, CODE_OK, "%s", "");
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct link         *l = arg;
    struct http_request *r;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        link_leave(l);
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    r = request_at(session, frame->hd.stream_id);
    if (r != NULL)
        answer_ends(l, r);
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_request *r;

    (void)arg;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    r = request_at(session, frame->hd.stream_id);
    if (r != NULL)
        r->was_sent = true;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct http_request *r = request_at(session, id);
    const char          *name = nghttp2_http2_strerror(error);

    (void)arg;
    if (r == NULL)
        return 0;
    switch (error) {
    case NGHTTP2_REFUSED_STREAM:
        r->was_sent = false;
        request_over(r, CODE_UNAVAILABLE, "the peer took no more requests on this connection");
        break;
    case NGHTTP2_CANCEL: request_over(r, CODE_CANCELED, "the peer reset the stream: %s", name); break;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        request_over(r, CODE_RESOURCE_EXHAUSTED, "the peer reset the stream: %s", name);
        break;
    default: request_over(r, CODE_INTERNAL, "the peer reset the stream: %s", name); break;
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct http_request *r = request_at(session, id);

    (void)into;
    (void)source;
    (void)arg;
    if (r == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* it is over; its reset is on the way */
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (r->body.n - r->body_sent > n)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)(r->body.n - r->body_sent);
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *arg)
{
    struct link         *l = arg;
    struct http_request *r = request_at(session, frame->hd.stream_id);

    (void)source;
    assert(r != NULL && frame->data.padlen == 0);
    outq_copy(&l->sock.out, head, 9);
    outq_copy(&l->sock.out, r->body.p + r->body_sent, n);
    r->body_sent += n;
    return 0;
}

nghttp2_session_callbacks *link_callbacks(void)
{
    nghttp2_session_callbacks *c;

    if (nghttp2_session_callbacks_new(&c) != 0)
        abort(); /* out of memory */
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(c, send_data);
    return c;
}

/* --- the socket's events ------------------------------------------------------------------------------------------ */

static void on_connected(void *owner)
{
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_BYTES_MAX },
    };
    struct link *l = owner;

    loop_timer_free(l->patience);
    l->patience = NULL;
    l->peer->backoff_ms = 0;
    l->is_ready = true;
    if (nghttp2_session_client_new(&l->session, l->client->callbacks, l) != 0)
        abort(); /* out of memory */
    nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
    nghttp2_session_set_local_window_size(l->session, NGHTTP2_FLAG_NONE, 0, LINK_BYTES);
    sock_touch(&l->sock);
}

static void on_bytes(void *owner, struct slice bytes)
{
    struct link *l = owner;
    ssize_t      n = nghttp2_session_mem_recv(l->session, (const uint8_t *)bytes.p, bytes.n);

    if (n < 0)
        link_broke(l, nghttp2_strerror((int)n));
    else
        sock_touch(&l->sock);
}

static void on_eof(void *owner) { link_broke(owner, "closed by the peer"); }

static void on_broken(void *owner, const char *why)
{
    struct link *l = owner;

    if (l->is_ready) {
        link_broke(l, why);
        return;
    }
    snprintf(l->why, sizeof l->why, "%s", why);
    sock_close(&l->sock); /* on_closed goes on with the next address */
}

static void on_closed(void *owner)
{
    struct link *l = owner;

    l->has_sock = false;
    if (!l->is_dead && !connect_next(l))
        link_fail(l);
    link_free_maybe(l);
}

static void submit(struct link *l, struct http_request *r)
{
    nghttp2_data_provider provider = { .source = { .ptr = NULL }, .read_callback = read_body };
    int32_t id = nghttp2_submit_request(l->session, NULL, r->nv, r->n_nv, r->body.n > 0 ? &provider : NULL, r);

    l->waiting = r->next;
    if (l->waiting != NULL)
        l->waiting->link = &l->waiting;
    else
        l->waiting_last = &l->waiting;
    r->id = id;
    r->state = REQUEST_RUNNING;
    r->next = l->running;
    r->link = &l->running;
    if (r->next != NULL)
        r->next->link = &r->next;
    l->running = r;
    l->n_running++;
    if (id < 0)
        request_over(r, CODE_UNAVAILABLE, "the request cannot be sent: %s", nghttp2_strerror(id));
}

static void on_turn(void *owner)
{
    struct link   *l = owner;
    const uint8_t *bytes;
    ssize_t        n = 0;
    uint32_t       most = nghttp2_session_get_remote_settings(l->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

    if (nghttp2_session_check_request_allowed(l->session) == 0)
        link_leave(l); /* GOAWAY, or the stream ids are used up */
    while (l->waiting != NULL && l->n_running < most)
        submit(l, l->waiting);
    while (l->sock.out.n < SOCK_OUT_ENOUGH && (n = nghttp2_session_mem_send(l->session, &bytes)) > 0)
        outq_copy(&l->sock.out, bytes, (size_t)n);
    if (n < 0)
        link_broke(l, nghttp2_strerror((int)n));
}

static void on_sent(void *owner)
{
    struct link *l = owner;

    if (l->sock.out.n == 0 && !nghttp2_session_want_read(l->session) && !nghttp2_session_want_write(l->session))
        link_broke(l, "closed by the peer");
}

static const struct sock_ops link_ops = {
    .on_connected = on_connected,
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_broken = on_broken,
    .on_turn = on_turn,
    .on_sent = on_sent,
    .on_closed = on_closed,
};
