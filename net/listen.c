/*
 * A listener has one door in each loop: a socket of its own on the shared port, and the connections that came through
 * it. Each part of a door is its loop's; the listener's owner reaches it by posted tasks.
 */
#include "net/listen.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/conn.h"

enum { BACKLOG = 1024, ACCEPTS_A_TURN = 64, TICK_MS_MAX = 1000, TICK_MS_MIN = 10, ACCEPT_PAUSE_MS = 100 };

struct entry {
    struct door        door; /* first */
    struct task        open, drain, close;
    uv_poll_t          poll;
    struct loop_timer *tick;
    int                fd; /* -1: closed */
    bool               is_open, is_paused, is_poll_closed, is_closing;
};

struct listener {
    struct http_app    app;
    struct http_limits limits;
    struct h2_shared  *h2;
    struct metric     *n_accepted;
    char               address[96];
    _Atomic int64_t    connections;
    atomic_bool        is_drained;
    sem_t              closed; /* once for each door */
    size_t             n;
    struct entry       entries[];
};

/* --- addresses --------------------------------------------------------------------------------------------------- */

/* "host:port" cut at the last colon, without the brackets of an IPv6 address. */
static bool split(const char *address, char *host, size_t n_host, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t      n;

    if (colon == NULL || colon[1] == '\0')
        return false;
    *port = colon + 1;
    n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        n -= 2;
    } else if (memchr(address, ':', n) != NULL) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (n >= n_host)
        return false;
    memcpy(host, address, n);
    host[n] = '\0';
    return true;
}

struct place {
    struct sockaddr_storage at;
    socklen_t               n;
};

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/*
 * The first address of the name, rather an IPv4 one ("localhost" is both, and most clients try that); for every address
 * an IPv6 one, which takes IPv4 too, where there is IPv6.
 */
static enum code resolve(const char *address, struct place *out, struct fault *why)
{
    struct addrinfo  hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found, *a;
    char             host[256];
    const char      *port;

    if (!split(address, host, sizeof host, &port))
        return fail(why, CODE_INVALID_ARGUMENT, "cannot listen on \"%s\": not HOST:PORT", address);
    if (host[0] == '\0')
        hints.ai_family = has_ipv6() ? AF_INET6 : AF_INET;
    int rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (rc != 0)
        return fail(why, CODE_UNAVAILABLE, "cannot listen on %s: %s", address, gai_strerror(rc));
    for (a = found; a->ai_next != NULL && a->ai_family != AF_INET;)
        a = a->ai_next;
    assert(a->ai_addrlen <= sizeof out->at);
    memcpy(&out->at, a->ai_addr, a->ai_addrlen);
    out->n = a->ai_addrlen;
    freeaddrinfo(found);
    return CODE_OK;
}

static int bind_one(const struct sockaddr *addr, socklen_t n, bool is_shared)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, no = 0;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (is_shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    if (addr->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, addr, n) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Sharing the port among loops would let a second server of this user share it too, and take half of the clients. */
static bool is_free(const struct sockaddr *addr, socklen_t n)
{
    int fd = bind_one(addr, n, false);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void print_address(const struct sockaddr_storage *a, char *out, size_t n)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, sizeof text);
            snprintf(out, n, "%s:%d", text, ntohs(in6->sin6_port));
            return;
        }
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
        snprintf(out, n, "[%s]:%d", text, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        snprintf(out, n, "%s:%d", text, ntohs(in->sin_port));
    }
}

/* The first socket takes the port (which the system may choose), the others join it. */
static enum code bind_all(struct listener *l, const char *address, struct fault *why)
{
    struct place     p;
    struct sockaddr *at = (struct sockaddr *)&p.at;
    enum code        code = resolve(address, &p, why);

    for (size_t i = 0; i < l->n; i++)
        l->entries[i].fd = -1;
    if (code != CODE_OK)
        return code;
    if (!is_free(at, p.n))
        return fail(why, CODE_UNAVAILABLE, "cannot listen on %s: %s", address, strerror(errno));
    for (size_t i = 0; i < l->n; i++) {
        l->entries[i].fd = bind_one(at, p.n, true);
        if (l->entries[i].fd < 0)
            return fail(why, CODE_UNAVAILABLE, "cannot listen on %s: %s", address, strerror(errno));
        p.n = sizeof p.at;
        getsockname(l->entries[i].fd, at, &p.n);
    }
    print_address(&p.at, l->address, sizeof l->address);
    return CODE_OK;
}

/* --- a door ------------------------------------------------------------------------------------------------------- */

static void accepted(struct entry *e, int fd, const struct sockaddr_storage *from)
{
    int  yes = 1;
    char peer[sizeof ((struct conn *)0)->peer];

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    print_address(from, peer, sizeof peer);
    atomic_fetch_add_explicit(&e->door.listener->connections, 1, memory_order_relaxed);
    metric_add(e->door.listener->n_accepted, 1);
    conn_new(&e->door, fd, peer);
}

/* Out of descriptors: looking again at once would only burn time; the tick opens the door again. */
static void pause_accepting(struct entry *e)
{
    log_warn("cannot accept a connection", log_str("reason", strerror(errno)));
    uv_poll_stop(&e->poll);
    e->is_paused = true;
}

static void accept_waiting(struct entry *e)
{
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t               n = sizeof from;
        int                     fd = accept4(e->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            accepted(e, fd, &from);
        else if (errno == EAGAIN)
            return;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(e);
            return;
        }
    }
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    accept_waiting(poll->data);
}

static int64_t tick_ns(const struct http_limits *l)
{
    int64_t least = l->idle_ns < l->head_wait_ns ? l->idle_ns : l->head_wait_ns;

    least = (least < l->body_wait_ns ? least : l->body_wait_ns) / 4;
    if (least > TICK_MS_MAX * NS_PER_MS)
        return TICK_MS_MAX * NS_PER_MS;
    return least < TICK_MS_MIN * NS_PER_MS ? TICK_MS_MIN * NS_PER_MS : least;
}

/* All that can take too long on a connection is looked at here: no timer per connection or request. */
static void on_tick(void *arg)
{
    struct entry *e = arg;
    int64_t       now = loop_now_ms(e->door.loop);

    for (struct conn *c = e->door.conns; c != NULL; c = c->next)
        conn_tick(c, now);
    if (e->is_paused && !e->door.is_draining) {
        e->is_paused = false;
        uv_poll_start(&e->poll, UV_READABLE, on_connection);
    }
    loop_timer_arm(e->tick, tick_ns(e->door.limits));
}

static void run_open(struct task *t)
{
    struct entry *e = (struct entry *)((char *)t - offsetof(struct entry, open));

    if (uv_poll_init(loop_uv(e->door.loop), &e->poll, e->fd) != 0)
        abort();
    e->is_open = true;
    e->poll.data = e;
    uv_poll_start(&e->poll, UV_READABLE, on_connection);
    e->tick = loop_timer_new(e->door.loop, on_tick, e);
    loop_timer_arm(e->tick, tick_ns(e->door.limits));
}

static void closed_maybe(struct entry *e)
{
    if (!e->is_closing || !e->is_poll_closed || e->door.n_conns > 0)
        return;
    loop_timer_free(e->tick);
    sem_post(&e->door.listener->closed);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct entry *e = h->data;

    close(e->fd);
    e->fd = -1;
    e->is_poll_closed = true;
    closed_maybe(e);
}

/* Those that wait to be accepted would be reset with the socket: they come in first. */
static void stop_accepting(struct entry *e)
{
    if (e->door.is_draining)
        return;
    accept_waiting(e);
    e->door.is_draining = true;
    uv_close((uv_handle_t *)&e->poll, on_poll_closed);
}

static void run_drain(struct task *t)
{
    struct entry *e = (struct entry *)((char *)t - offsetof(struct entry, drain));

    stop_accepting(e);
    for (struct conn *c = e->door.conns; c != NULL; c = c->next)
        conn_drain(c);
}

static void run_close(struct task *t)
{
    struct entry *e = (struct entry *)((char *)t - offsetof(struct entry, close));

    stop_accepting(e);
    e->is_closing = true;
    for (struct conn *c = e->door.conns; c != NULL; c = c->next)
        conn_close(c);
    closed_maybe(e);
}

void door_conn_gone(struct door *d)
{
    d->n_conns--;
    atomic_fetch_sub_explicit(&d->listener->connections, 1, memory_order_relaxed);
    closed_maybe((struct entry *)d);
}

/* --- the listener ------------------------------------------------------------------------------------------------- */

static void listener_drop(struct listener *l)
{
    h2_shared_free(l->h2);
    sem_destroy(&l->closed);
    free(l);
}

static void entry_init(struct entry *e, struct listener *l, struct loop *loop)
{
    e->door = (struct door){ .listener = l, .loop = loop, .app = &l->app, .limits = &l->limits, .h2 = l->h2 };
    e->open.run = run_open;
    e->drain.run = run_drain;
    e->close.run = run_close;
    e->fd = -1;
}

enum code listener_new(const char *address, struct loop *const *loops, size_t n_loops, const struct http_app *app,
                       const struct http_limits *limits, struct listener **out, struct fault *why)
{
    struct listener *l = mem_zalloc(sizeof *l + n_loops * sizeof *l->entries);
    enum code        code;

    assert(n_loops > 0 && app->on_head && app->on_body && app->on_end && app->on_gone);
    l->app = *app;
    l->limits = *limits;
    l->n = n_loops;
    l->h2 = h2_shared_new();
    l->n_accepted = metric_counter("hearth_net_connections_total", "Connections accepted.", "");
    sem_init(&l->closed, 0, 0);
    for (size_t i = 0; i < n_loops; i++)
        entry_init(&l->entries[i], l, loops[i]);
    code = bind_all(l, address, why);
    if (code != CODE_OK) {
        for (size_t i = 0; i < n_loops; i++)
            if (l->entries[i].fd >= 0)
                close(l->entries[i].fd);
        listener_drop(l);
        return code;
    }
    for (size_t i = 0; i < n_loops; i++)
        loop_post(loops[i], &l->entries[i].open);
    *out = l;
    return CODE_OK;
}

const char *listener_address(const struct listener *l) { return l->address; }

void listener_drain(struct listener *l)
{
    if (atomic_exchange(&l->is_drained, true))
        return;
    for (size_t i = 0; i < l->n; i++)
        loop_post(l->entries[i].door.loop, &l->entries[i].drain);
}

int64_t listener_connections(const struct listener *l)
{
    return atomic_load_explicit(&l->connections, memory_order_relaxed);
}

void listener_free(struct listener *l)
{
    for (size_t i = 0; i < l->n; i++) {
        assert(!loop_is_mine(l->entries[i].door.loop)); /* it would wait for itself */
        loop_post(l->entries[i].door.loop, &l->entries[i].close);
    }
    for (size_t i = 0; i < l->n; i++)
        while (sem_wait(&l->closed) != 0)
            ;
    listener_drop(l);
}
