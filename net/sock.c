#include "net/sock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_PIECE_BYTES = 16 << 10, IOV_N = 64, ROUNDS = 4 };

static void on_poll(uv_poll_t *poll, int status, int events);

/* A sock that wants neither still asks for urgent data, so that a reset by the peer is seen. */
static void watch(struct sock *s)
{
    int events = 0;

    if (s->is_closing)
        return;
    if (s->is_reading && !s->is_connecting)
        events |= UV_READABLE;
    if (s->is_blocked || s->is_connecting)
        events |= UV_WRITABLE;
    if (events == 0)
        events = UV_PRIORITIZED;
    if (events != s->events)
        uv_poll_start(&s->poll, events, on_poll);
    s->events = events;
}

static void on_connected(struct sock *s)
{
    int       error = 0;
    socklen_t n = sizeof error;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error != 0) {
        s->ops->on_broken(s->owner, error);
        return;
    }
    s->is_connecting = false;
    watch(s);
    s->ops->on_connected(s->owner);
}

static void on_readable(struct sock *s)
{
    char   *scratch = loop_scratch(s->loop);
    ssize_t n = recv(s->fd, scratch, LOOP_SCRATCH_BYTES, 0);

    if (n > 0)
        s->ops->on_bytes(s->owner, slice_make(scratch, (size_t)n));
    else if (n == 0)
        s->ops->on_eof(s->owner);
    else if (errno != EAGAIN && errno != EINTR)
        s->ops->on_broken(s->owner, errno);
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
        s->ops->on_broken(s->owner, pending_error(s));
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
}

/* False when nothing more can go now: the socket is full, broken or closed. */
static bool send_some(struct sock *s)
{
    struct iovec  iov[IOV_N];
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)outq_view(&s->out, iov, IOV_N) };
    ssize_t       n = sendmsg(s->fd, &msg, MSG_NOSIGNAL);

    if (n < 0) {
        s->is_blocked = errno == EAGAIN || errno == EINTR;
        if (!s->is_blocked)
            s->ops->on_broken(s->owner, errno);
        return false;
    }
    outq_drop(&s->out, (size_t)n);
    return true;
}

static void run_turn(struct turn *t)
{
    struct sock *s = (struct sock *)((char *)t - offsetof(struct sock, turn));

    if (s->is_connecting)
        return;
    for (int round = 0;; round++) {
        s->ops->on_turn(s->owner);
        if (s->is_closing || s->out.n == 0 || s->is_blocked)
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
    watch(s);
    s->ops->on_sent(s->owner);
}

void sock_open(struct sock *s, struct loop *l, int fd, bool is_connecting, const struct sock_ops *ops, void *owner)
{
    assert(loop_is_mine(l));
    *s = (struct sock){ .loop = l, .ops = ops, .owner = owner, .fd = fd, .is_connecting = is_connecting };
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

static void on_poll_closed(uv_handle_t *h)
{
    struct sock *s = h->data;

    close(s->fd);
    outq_free(&s->out);
    s->ops->on_closed(s->owner);
}

void sock_close(struct sock *s)
{
    if (s->is_closing)
        return;
    s->is_closing = true;
    turn_forget(&s->turn);
    uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}
