/*
 * A listener has one door in each loop: a socket of its own on the shared port, and the connections that came through
 * it. Each part of a door is its loop's; the listener's owner reaches it by posted tasks.
 */
#include "net/listen.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/admit.h"
#include "net/bind.h"
#include "net/conn.h"

enum { ACCEPTS_A_TURN = 64, TICK_MS_MAX = 1000, TICK_MS_MIN = 10, ACCEPT_PAUSE_MS = 100 };

struct entry {
    struct door        door; /* first */
    struct task        open, drain, stop, close;
    uv_poll_t          poll;
    struct loop_timer *tick;
    int                fd; /* -1: closed */
    bool               is_paused, is_poll_closed, is_closing;
};

struct listener {
    struct http_app    app;
    struct http_limits limits;
    struct h2_shared  *h2;
    struct admit      *admit;
    struct metric     *n_accepted;
    char               address[96];
    atomic_bool        is_drained;
    sem_t              ended; /* each door, at each of the two steps of listener_free */
    size_t             n;
    struct entry       entries[];
};

/* --- a door ------------------------------------------------------------------------------------------------------- */

/* A connection on its way to another loop. */
struct handover {
    struct task     task;
    struct entry   *to;
    int             fd;
    struct admitted admitted;
    char            peer[sizeof ((struct conn *)0)->peer];
};

static void run_handover(struct task *t)
{
    struct handover *h = (struct handover *)t;

    conn_new(&h->to->door, h->fd, h->peer, h->admitted);
    if (h->to->is_closing)
        conn_close(h->to->door.conns);
    free(h);
}

/*
 * The kernel spreads connections by their hash, so that the few long-lived ones of RPC clients may all meet in one:
 * who has more than another gives the new one away.
 */
static struct entry *least_busy(struct entry *mine)
{
    struct listener *l = mine->door.listener;
    struct entry    *best = mine;
    size_t           least = atomic_load_explicit(&mine->door.n_conns, memory_order_relaxed);

    for (size_t i = 0; i < l->n; i++) {
        size_t n = atomic_load_explicit(&l->entries[i].door.n_conns, memory_order_relaxed);
        if (n < least) {
            best = &l->entries[i];
            least = n;
        }
    }
    return best;
}

static void accepted(struct entry *e, int fd, const struct sockaddr_storage *from)
{
    struct entry   *to = least_busy(e);
    struct admitted admitted;
    int             yes = 1, lowat = SOCK_OUT_ENOUGH;
    char            peer[sizeof ((struct conn *)0)->peer];

    if (!admit_enter(e->door.listener->admit, address_of(from), &admitted)) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat,
               sizeof lowat); /* the kernel would hold megabytes uncounted */
    address_print(from, peer, sizeof peer);
    atomic_fetch_add_explicit(&to->door.n_conns, 1, memory_order_relaxed);
    metric_add(e->door.listener->n_accepted, 1);
    if (to == e) {
        conn_new(&e->door, fd, peer, admitted);
        return;
    }
    struct handover *h = mem_alloc(sizeof *h);
    *h = (struct handover){ .task.run = run_handover, .to = to, .fd = fd, .admitted = admitted };
    memcpy(h->peer, peer, sizeof peer);
    loop_post(to->door.loop, &h->task);
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

    least = least < l->body_wait_ns ? least : l->body_wait_ns;
    least = least < l->age_max_ns ? least : l->age_max_ns;
    least = (least < l->answer_wait_ns ? least : l->answer_wait_ns) / 4;
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
    e->poll.data = e;
    uv_poll_start(&e->poll, UV_READABLE, on_connection);
    e->tick = loop_timer_new(e->door.loop, on_tick, e);
    loop_timer_arm(e->tick, tick_ns(e->door.limits));
}

static void closed_maybe(struct entry *e)
{
    if (!e->is_closing || !e->is_poll_closed || atomic_load_explicit(&e->door.n_conns, memory_order_relaxed) > 0)
        return;
    loop_timer_free(e->tick);
    sem_post(&e->door.listener->ended);
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

static void run_stop(struct task *t)
{
    struct entry *e = (struct entry *)((char *)t - offsetof(struct entry, stop));

    stop_accepting(e);
    sem_post(&e->door.listener->ended);
}

static void run_close(struct task *t)
{
    struct entry *e = (struct entry *)((char *)t - offsetof(struct entry, close));

    e->is_closing = true;
    for (struct conn *c = e->door.conns; c != NULL; c = c->next)
        conn_close(c);
    closed_maybe(e);
}

void door_conn_gone(struct door *d, struct admitted a)
{
    atomic_fetch_sub_explicit(&d->n_conns, 1, memory_order_relaxed);
    admit_leave(d->listener->admit, a);
    closed_maybe((struct entry *)d);
}

/* --- the listener ------------------------------------------------------------------------------------------------- */

static void listener_drop(struct listener *l)
{
    for (size_t i = 0; i < l->n; i++)
        tls_unref(l->entries[i].door.tls);
    h2_shared_free(l->h2);
    admit_free(l->admit);
    sem_destroy(&l->ended);
    free(l);
}

static void entry_init(struct entry *e, struct listener *l, struct loop *loop, struct tls *tls)
{
    e->door = (struct door){
        .listener = l, .loop = loop, .app = &l->app, .limits = &l->limits, .h2 = l->h2, .tls = tls_ref(tls)
    };
    e->door.held_shown = metric_gauge("hearth_net_held_bytes",
                                      "Memory of open exchanges and of answers that wait for their clients.", "");
    e->door.held_max = l->limits.held_total_bytes_max / l->n;
    e->open.run = run_open;
    e->drain.run = run_drain;
    e->stop.run = run_stop;
    e->close.run = run_close;
}

enum code listener_new(const char *address, struct loop *const *loops, size_t n_loops, const struct http_app *app,
                       const struct http_limits *limits, struct tls *tls, struct listener **out, struct fault *why)
{
    struct listener        *l = mem_zalloc(sizeof *l + n_loops * sizeof *l->entries);
    int                    *fds = mem_alloc(n_loops * sizeof *fds);
    struct sockaddr_storage at;
    enum code               code;

    assert(n_loops > 0 && app->on_head && app->on_body && app->on_end && app->on_gone);
    l->app = *app;
    l->limits = *limits;
    l->n = n_loops;
    l->h2 = h2_shared_new();
    l->admit = admit_new(&l->limits);
    abuse_init();
    l->n_accepted = metric_counter("hearth_net_connections_total", "Connections accepted.", "");
    sem_init(&l->ended, 0, 0);
    for (size_t i = 0; i < n_loops; i++)
        entry_init(&l->entries[i], l, loops[i], tls);
    code = bind_shared(address, fds, n_loops, &at, why);
    if (code != CODE_OK) {
        free(fds);
        listener_drop(l);
        return code;
    }
    address_print(&at, l->address, sizeof l->address);
    for (size_t i = 0; i < n_loops; i++)
        l->entries[i].fd = fds[i];
    free(fds);
    for (size_t i = 0; i < n_loops; i++)
        loop_post(loops[i], &l->entries[i].open);
    *out = l;
    return CODE_OK;
}

const char *listener_address(const struct listener *l) { return l->address; }

/* A context on its way to a door. */
struct renewal {
    struct task   task;
    struct entry *to;
    struct tls   *tls;
};

static void run_renewal(struct task *t)
{
    struct renewal *r = (struct renewal *)t;

    tls_unref(r->to->door.tls);
    r->to->door.tls = r->tls;
    free(r);
}

void listener_set_tls(struct listener *l, struct tls *tls)
{
    for (size_t i = 0; i < l->n; i++) {
        struct renewal *r = mem_alloc(sizeof *r);
        *r = (struct renewal){ .task.run = run_renewal, .to = &l->entries[i], .tls = tls_ref(tls) };
        loop_post(l->entries[i].door.loop, &r->task);
    }
}

void listener_drain(struct listener *l)
{
    if (atomic_exchange(&l->is_drained, true))
        return;
    for (size_t i = 0; i < l->n; i++)
        loop_post(l->entries[i].door.loop, &l->entries[i].drain);
}

int64_t listener_connections(const struct listener *l) { return admit_count(l->admit); }

static void wait_for_all(struct listener *l)
{
    for (size_t i = 0; i < l->n; i++)
        while (sem_wait(&l->ended) != 0)
            ;
}

/* First nobody accepts any more, so that what was handed over is before the closing in every loop's queue. */
void listener_free(struct listener *l)
{
    for (size_t i = 0; i < l->n; i++) {
        assert(!loop_is_mine(l->entries[i].door.loop)); /* it would wait for itself */
        loop_post(l->entries[i].door.loop, &l->entries[i].stop);
    }
    wait_for_all(l);
    for (size_t i = 0; i < l->n; i++)
        loop_post(l->entries[i].door.loop, &l->entries[i].close);
    wait_for_all(l);
    listener_drop(l);
}
