#include "net/sock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_PIECE_BYTES = 16 << 10,
    IOV_N = 64,
    ROUNDS = 4,
    TURN_BYTES_FIRST = 4 << 10,
    TURN_BYTES_MAX = 64 << 10,
    WIRE_ENOUGH = 128 << 10 /* of TLS's own accord: nothing more is read that it might want to answer */
};

static_assert((int)TURN_BYTES_MAX <= (int)LOOP_SCRATCH_BYTES && (int)TURN_BYTES_MAX <= (int)LOOP_SEALED_BYTES, "room");

static void on_poll(uv_poll_t *poll, int status, int events);
static void run_turn(struct turn *t);

static struct outq *wire_of(struct sock *s) { return s->tls ? tls_session_wire(s->tls) : &s->out; }

static bool has_output(struct sock *s) { return s->out.n > 0 || wire_of(s)->n > 0; }

/* A sock that wants neither still asks for urgent data, so that a reset by the peer is seen. */
static void watch(struct sock *s)
{
    int events = 0;

    if (s->is_closing)
        return;
    if (s->is_reading && !s->is_connecting && (s->tls == NULL || wire_of(s)->n < WIRE_ENOUGH))
        events |= UV_READABLE;
    if (s->is_blocked || s->is_connecting)
        events |= UV_WRITABLE;
    if (events == 0)
        events = UV_PRIORITIZED;
    if (events != s->events)
        uv_poll_start(&s->poll, events, on_poll);
    s->events = events;
}

static void become_ready(struct sock *s)
{
    s->is_ready = true;
    s->ops->on_connected(s->owner);
}

/* A step of the handshake; false when it is not done. */
static bool shake(struct sock *s)
{
    enum tls_step step = tls_session_shake(s->tls);

    sock_touch(s);
    if (step == TLS_MORE)
        become_ready(s);
    else if (step == TLS_BROKEN)
        s->ops->on_broken(s->owner, tls_session_why(s->tls));
    else if (step == TLS_ENDED)
        s->ops->on_broken(s->owner, "closed during the TLS handshake");
    return s->is_ready && !s->is_closing;
}

static void on_connected(struct sock *s)
{
    int       error = 0;
    socklen_t n = sizeof error;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error != 0) {
        s->ops->on_broken(s->owner, strerror(error));
        return;
    }
    s->is_connecting = false;
    watch(s);
    if (s->tls != NULL)
        shake(s);
    else
        become_ready(s);
}

/* All that came is read before anything else may come (net/tls_session.h N1). */
static void take_sealed(struct sock *s, struct slice sealed)
{
    char         *scratch = loop_scratch(s->loop);
    enum tls_step step = TLS_MORE;
    size_t        n;

    tls_session_feed(s->tls, sealed);
    if (!s->is_ready && !shake(s))
        return;
    while (step == TLS_MORE && !s->is_closing) {
        step = tls_session_read(s->tls, scratch, LOOP_SCRATCH_BYTES, &n);
        if (step == TLS_MORE)
            s->ops->on_bytes(s->owner, slice_make(scratch, n));
    }
    if (s->is_closing)
        return;
    if (step == TLS_ENDED)
        s->ops->on_eof(s->owner);
    else if (step == TLS_BROKEN)
        s->ops->on_broken(s->owner, tls_session_why(s->tls));
    if (wire_of(s)->n > 0)
        sock_touch(s); /* TLS may have something to say of its own */
}

static void on_readable(struct sock *s)
{
    char   *into = s->tls ? loop_sealed(s->loop) : loop_scratch(s->loop);
    ssize_t n = recv(s->fd, into, (size_t)s->turn_bytes, 0);

    if (n == s->turn_bytes && n < TURN_BYTES_MAX)
        s->turn_bytes *= 2; /* who is new has little of a turn; whoever fills it has more of the next */
    if (n > 0 && s->tls != NULL)
        take_sealed(s, slice_make(into, (size_t)n));
    else if (n > 0)
        s->ops->on_bytes(s->owner, slice_make(into, (size_t)n));
    else if (n == 0 && s->is_ready)
        s->ops->on_eof(s->owner);
    else if (n == 0)
        s->ops->on_broken(s->owner, "closed during the TLS handshake");
    else if (errno != EAGAIN && errno != EINTR)
        s->ops->on_broken(s->owner, strerror(errno));
}

/* An alert that waits to be read tells more than that the socket broke. */
static void broke(struct sock *s, int error)
{
    if (s->tls != NULL)
        on_readable(s);
    if (!s->is_closing)
        s->ops->on_broken(s->owner, strerror(error));
}

static int pending_error(const struct sock *s)
{
    int       error = 0;
    socklen_t n = sizeof error;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    return error ? error : ECONNRESET;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;

    if (status < 0) {
        s->events = 0;
        broke(s, pending_error(s));
        return;
    }
    if (s->is_connecting) {
        on_connected(s);
        return;
    }
    if (events & UV_WRITABLE) {
        s->is_blocked = false;
        sock_touch(s);
    }
    if ((events & UV_READABLE) && s->is_reading)
        on_readable(s);
    if (s->turn.link != NULL) { /* answers leave while they are still in the cache */
        turn_forget(&s->turn);
        run_turn(&s->turn);
    }
}

static void left(struct sock *s, struct outq *wire, size_t n)
{
    outq_drop(wire, n);
    if (s->tls != NULL && wire->n == 0) { /* S3 */
        outq_drop(&s->out, s->n_sealed);
        s->n_sealed = 0;
    }
}

/* Most answers are one piece, for which send has less to look at. */
static ssize_t send_pieces(int fd, struct iovec *iov, int n)
{
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };

    return n == 1 ? send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL) : sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* False when nothing more can go now: the socket is full, broken or closed. */
static bool send_some(struct sock *s)
{
    struct outq *wire = wire_of(s);
    struct iovec iov[IOV_N];

    if (s->tls != NULL && wire->n == 0 && !tls_session_seal(s->tls, &s->out, &s->n_sealed)) {
        s->ops->on_broken(s->owner, tls_session_why(s->tls));
        return false;
    }
    ssize_t n = send_pieces(s->fd, iov, outq_view(wire, iov, IOV_N));
    if (n < 0) {
        s->is_blocked = errno == EAGAIN || errno == EINTR;
        if (!s->is_blocked)
            broke(s, errno);
        return false;
    }
    left(s, wire, (size_t)n);
    return true;
}

static void run_turn(struct turn *t)
{
    struct sock *s = (struct sock *)((char *)t - offsetof(struct sock, turn));

    if (s->is_connecting)
        return;
    for (int round = 0;; round++) {
        if (s->is_ready)
            s->ops->on_turn(s->owner);
        if (s->is_closing || !has_output(s) || s->is_blocked)
            break;
        if (round == ROUNDS) {
            sock_touch(s); /* others have their turn first */
            break;
        }
        if (!send_some(s))
            break;
    }
    if (s->is_closing)
        return;
    if (s->is_shutting && !has_output(s)) {
        shutdown(s->fd, SHUT_WR);
        s->is_shutting = false;
    }
    watch(s);
    if (s->is_ready)
        s->ops->on_sent(s->owner);
}

void sock_open(struct sock *s, struct loop *l, int fd, bool is_connecting, struct tls_session *tls,
               const struct sock_ops *ops, void *owner)
{
    assert(loop_is_mine(l));
    *s = (struct sock){ .loop = l, .ops = ops, .owner = owner, .fd = fd, .tls = tls, .is_connecting = is_connecting };
    s->turn_bytes = TURN_BYTES_FIRST;
    s->is_ready = !is_connecting && tls == NULL;
    s->out.piece_bytes = OUT_PIECE_BYTES;
    s->turn.run = run_turn;
    s->poll.data = s;
    if (uv_poll_init(loop_uv(l), &s->poll, fd) != 0)
        abort(); /* not a socket */
    s->is_reading = true;
    watch(s);
}

void sock_read(struct sock *s, bool on)
{
    if (s->is_reading == on)
        return;
    s->is_reading = on;
    watch(s);
}

void sock_touch(struct sock *s)
{
    if (!s->is_closing)
        loop_at_turn_end(s->loop, &s->turn);
}

void sock_shut(struct sock *s)
{
    if (s->tls != NULL)
        tls_session_bye(s->tls);
    s->is_shutting = true;
    sock_touch(s);
}

void sock_trim(struct sock *s)
{
    outq_trim(&s->out);
    if (s->tls != NULL)
        outq_trim(wire_of(s));
}

static void on_poll_closed(uv_handle_t *h)
{
    struct sock *s = h->data;

    close(s->fd);
    tls_session_free(s->tls);
    outq_free(&s->out);
    s->ops->on_closed(s->owner);
}

/* An alert tells why, and close_notify that nothing is missing: as far as the socket takes them at once. */
static void say_goodbye(struct sock *s)
{
    struct iovec iov[IOV_N];

    if (s->tls == NULL || s->is_connecting || s->is_blocked)
        return;
    if (s->out.n == 0)
        tls_session_bye(s->tls);
    int n = outq_view(wire_of(s), iov, IOV_N);
    if (n > 0)
        (void)send_pieces(s->fd, iov, n);
}

void sock_close(struct sock *s)
{
    if (s->is_closing)
        return;
    s->is_closing = true;
    say_goodbye(s);
    turn_forget(&s->turn);
    uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}
