/*
 * One connection: from a name to a socket, its pulse, its end.
 */
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
    SILENCE_MS = 10000,     /* TCP_USER_TIMEOUT: bytes not acknowledged that long break the connection */
    STREAM_BYTES = 1 << 20, /* window: what an answer may hold that nobody has consumed */
    LINK_BYTES = 16 << 20,
    HEAD_BYTES_MAX = 64 << 10,
    HOST_MAX = 256
};

/* ---- beginning and end ---- */

static void link_free_maybe(struct link *l)
{
    if (!l->is_dead || l->has_sock || l->is_dns_busy)
        return;
    if (l->link != NULL) {
        *l->link = l->next;
        if (l->next != NULL)
            l->next->link = l->link;
    }
    if (l->addresses != NULL)
        freeaddrinfo(l->addresses);
    nghttp2_session_del(l->session);
    free(l);
}

static void stop_taking(struct link *l)
{
    if (!l->is_leaving)
        l->peer->n_links--;
    l->is_leaving = true;
}

void link_leave(struct link *l)
{
    if (l->is_leaving)
        return;
    stop_taking(l);
    peer_serve(l->peer);
}

void link_die(struct link *l, enum code code, const char *why)
{
    if (l->is_dead)
        return;
    stop_taking(l);
    l->is_dead = true;
    loop_timer_free(l->timer);
    while (l->running != NULL)
        request_over(l->running, code, "%s", why);
    if (l->has_sock)
        sock_close(&l->sock);
    if (l->is_dns_busy)
        uv_cancel((uv_req_t *)&l->dns);
}

static void link_fail(struct link *l)
{
    struct peer *p = l->peer;

    snprintf(p->why, sizeof p->why, "cannot reach %.60s: %.150s", p->address, l->why);
    link_die(l, CODE_UNAVAILABLE, p->why);
    peer_unreachable(p);
}

void link_broke(struct link *l, const char *why)
{
    struct peer *p = l->peer;
    bool         was_useful = l->has_answered || l->is_leaving;
    char         text[240];

    if (l->is_dead)
        return;
    snprintf(text, sizeof text, "the connection to %.80s broke: %.120s", p->address, why);
    link_die(l, CODE_UNAVAILABLE, text);
    if (was_useful) {
        peer_serve(p); /* nobody has seen those that wait */
    } else {
        snprintf(p->why, sizeof p->why, "%s", text);
        peer_unreachable(p);
    }
}

/* ---- connecting ---- */

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
    struct tls *tls = l->peer->client->tls;
    char        host[HOST_MAX];

    if (tls == NULL || cut_host(l->peer->address, host, sizeof host) == NULL)
        return NULL;
    return tls_session_new(tls, host);
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
            sock_open(&l->sock, l->peer->client->loop, fd, true, new_session(l), &link_ops, l);
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
        snprintf(l->why, sizeof l->why, "no answer within %lld ms", (long long)l->peer->client->patience.connect_ms);
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
    l->is_dns_busy = uv_getaddrinfo(loop_uv(l->peer->client->loop), &l->dns, on_dns, host, port, &hints) == 0;
    return l->is_dns_busy;
}

struct link *link_new(struct peer *p)
{
    struct link *l = mem_zalloc(sizeof *l);

    l->peer = p;
    l->next = p->links;
    l->link = &p->links;
    if (l->next != NULL)
        l->next->link = &l->next;
    p->links = l;
    p->n_links++;
    l->timer = loop_timer_new(p->client->loop, on_patience_ends, l);
    loop_timer_arm(l->timer, link_resolve(l, p->address) ? p->client->patience.connect_ms * NS_PER_MS : 0);
    return l;
}

/* ---- the pulse ---- */

static void ping(struct link *l)
{
    l->is_pinged = true;
    nghttp2_submit_ping(l->session, NGHTTP2_FLAG_NONE, NULL);
    sock_touch(&l->sock);
}

/* GOAWAY, after which on_sent finds that nothing is left to say. */
static void say_goodbye(struct link *l)
{
    link_leave(l);
    nghttp2_session_terminate_session(l->session, NGHTTP2_NO_ERROR);
    sock_touch(&l->sock);
}

static void on_pulse(void *arg)
{
    struct link                *l = arg;
    const struct http_patience *patience = &l->peer->client->patience;
    int64_t                     now_ms = loop_now_ms(l->peer->client->loop), silent_ms = now_ms - l->heard_ms;

    loop_timer_arm(l->timer, patience->ping_wait_ms * NS_PER_MS);
    if (l->n_running == 0 && now_ms - l->used_ms >= patience->idle_ms)
        say_goodbye(l);
    else if (l->n_running > 0 && l->is_pinged)
        link_broke(l, "no answer to PING");
    else if (l->n_running > 0 && silent_ms >= patience->ping_after_ms)
        ping(l);
}

/* ---- the socket's events ---- */

static void on_connected(void *owner)
{
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_BYTES_MAX },
    };
    struct link        *l = owner;
    struct http_client *c = l->peer->client;

    loop_timer_free(l->timer);
    l->timer = loop_timer_new(c->loop, on_pulse, l);
    loop_timer_arm(l->timer, c->patience.ping_wait_ms * NS_PER_MS);
    l->heard_ms = l->used_ms = loop_now_ms(c->loop);
    l->is_ready = true;
    if (nghttp2_session_client_new2(&l->session, c->callbacks, l, c->option) != 0)
        abort(); /* out of memory */
    nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
    nghttp2_session_set_local_window_size(l->session, NGHTTP2_FLAG_NONE, 0, LINK_BYTES);
    sock_touch(&l->sock);
}

static void on_bytes(void *owner, struct slice bytes)
{
    struct link *l = owner;

    l->heard_ms = loop_now_ms(l->peer->client->loop);
    l->is_pinged = false;
    ssize_t n = nghttp2_session_mem_recv(l->session, (const uint8_t *)bytes.p, bytes.n);
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

size_t link_room(const struct link *l)
{
    if (!l->is_ready || l->is_leaving)
        return 0;
    uint32_t most = nghttp2_session_get_remote_settings(l->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return most > l->n_running ? most - l->n_running : 0;
}

static void take_waiting(struct link *l)
{
    struct peer *p = l->peer;

    if (nghttp2_session_check_request_allowed(l->session) == 0)
        link_leave(l); /* GOAWAY, or the stream ids are used up */
    while (p->waiting != NULL && link_room(l) > 0) {
        struct http_request *r = p->waiting;
        peer_remove(p, r);
        link_submit(l, r);
    }
    peer_serve(p);
}

static void on_turn(void *owner)
{
    struct link   *l = owner;
    const uint8_t *bytes;
    ssize_t        n = 0;

    take_waiting(l);
    while (l->sock.out.n < SOCK_OUT_ENOUGH && (n = nghttp2_session_mem_send(l->session, &bytes)) > 0)
        outq_copy(&l->sock.out, bytes, (size_t)n);
    if (n < 0)
        link_broke(l, nghttp2_strerror((int)n));
    else
        link_tell_writable(l);
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
