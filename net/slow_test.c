/*
 * Goal: who is slow, on purpose or not, is given up after a time that the limits say, whatever phase it is in; who is
 * only patient is not taken for slow; who has gone is noticed.  Method: real sockets and small limits; each case says
 * how its connection ends and which counter moves.
 */
#include "net/test_frames.h"

enum { WAIT_MS = 200, RATE = 1000 /* so that 200 bytes have to move in a wait */ };

static struct http_limits limits_small(void)
{
    struct http_limits l = http_limits_default;

    l.head_wait_ns = l.body_wait_ns = l.answer_wait_ns = WAIT_MS * NS_PER_MS;
    l.rate_min = RATE;
    return l;
}

/* Sends `piece` every `every_ms` until the peer closes or `n` were sent; returns how many were. */
static int drip(int fd, struct slice piece, int every_ms, int n)
{
    for (int i = 0; i < n; i++) {
        struct pollfd p = { .fd = fd, .events = POLLRDHUP };
        if (send(fd, piece.p, piece.n, MSG_NOSIGNAL) < 0 || poll(&p, 1, every_ms) == 1)
            return i;
    }
    return n;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void slow_heads(const struct server *s)
{
    static const char *const beginnings[] = { "", "PRI * HT", "GET / HT" };
    int64_t                  before = counted("slow_head");
    struct buf               b = { 0 };

    for (int i = 0; i < 3; i++) {
        struct buf answer = ask(s, slice_of(beginnings[i]));
        assert(i < 2 ? answer.n == 0 : has(&answer, "HTTP/1.1 408 "));
        buf_free(&answer);
    }
    int fd = dial(s); /* a byte now and then does not help */
    say(fd, SLICE("GET / HTTP/1.1\r\nhost: x\r\nx: "));
    assert(drip(fd, SLICE("v"), 30, 100) < 30);
    close(fd);
    buf_text(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); /* no settings */
    assert(abuse(s, &b, 2000).is_closed);
    b = hello(65535);
    put_request(&b, 1, "/silent", END_STREAM); /* no END_HEADERS, no CONTINUATION */
    assert(abuse(s, &b, 2000).is_closed);
    assert(counted("slow_head") == before + 6);
}

static void h1_slow_bodies(const struct server *s)
{
    int64_t    before = counted("slow_body");
    struct buf b = ask(s, SLICE("POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe"));

    assert(has(&b, "HTTP/1.1 408 "));
    buf_free(&b);
    int fd = dial(s);
    say(fd, SLICE("POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"));
    assert(drip(fd, SLICE("x"), 30, 100) < 40);
    close(fd);
    assert(counted("slow_body") == before + 2);
    fd = dial(s); /* fast enough, for longer than a wait */
    say(fd, SLICE("POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 3000\r\n\r\n"));
    assert(drip(fd,
                SLICE("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
                      "456789"),
                25, 30) == 30);
    b = hear(fd, "\r\n\r\n3000", 1);
    buf_free(&b);
    close(fd);
    fd = dial(s);
    say(fd, SLICE("POST /patient HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nx"));
    usleep(3 * WAIT_MS * 1000);
    say(fd, SLICE("y"));
    b = hear(fd, "\r\n\r\n2", 1);
    buf_free(&b);
    close(fd);
    assert(counted("slow_body") == before + 2);
}

static void h2_slow_bodies(const struct server *s)
{
    int64_t    before = counted("slow_body");
    struct buf b = hello(65535), one = { 0 };

    put_request(&b, 1, "/count", END_HEADERS);
    put_request(&b, 3, "/patient", END_HEADERS);
    put_frame(&one, DATA, 0, 1, slice_make("x", 1));
    int fd = dial(s);
    say(fd, buf_view(&b));
    assert(drip(fd, buf_view(&one), 30, 30) == 30); /* the connection lives on */
    b.n = 0;
    put_frame(&b, DATA, END_STREAM, 3, slice_make("x", 1));
    say(fd, buf_view(&b));
    struct seen seen = listen_to(fd, 200);
    assert(seen.n_resets == 1 && seen.reset_code == CANCEL && seen.n_heads == 1 && !seen.is_closed);
    assert(counted("slow_body") == before + 1);
    close(fd);
    buf_free(&b);
    buf_free(&one);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void slow_reads(const struct server *s)
{
    int64_t before = counted("slow_read");
    int     fd = dial(s);

    say(fd, SLICE("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n"));
    for (int64_t until = clock_mono_ns() + 3 * NS_PER_S; clock_mono_ns() < until && counted("slow_read") == before;) {
        char some[10];
        recv(fd, some, sizeof some, 0);
        usleep(20000);
    }
    assert(counted("slow_read") == before + 1);
    close(fd);

    struct buf b = hello(0), one = { 0 };
    put_request(&b, 1, "/stream", END_STREAM | END_HEADERS);
    put_request(&b, 3, "/big", END_STREAM | END_HEADERS);
    put_frame(&one, WINDOW_UPDATE, 0, 3, slice_make("\0\0\0\1", 4));
    fd = dial(s);
    say(fd, buf_view(&b));
    drip(fd, buf_view(&one), 20, 40);
    b.n = 0;
    put_request(&b, 5, "/bare", END_STREAM | END_HEADERS);
    say(fd, buf_view(&b));
    struct seen seen = listen_to(fd, 200);
    assert(seen.n_resets == 2 && seen.reset_code == CANCEL && seen.n_heads == 3 && !seen.is_closed);
    assert(counted("slow_read") == before + 3);
    close(fd);
    buf_free(&b);
    buf_free(&one);
}

/* --- half-closed -------------------------------------------------------------------------------------------------- */

/* One that has gone is noticed and its call ends; one that only will not ask more is answered. */
static void half_closed(const struct server *s)
{
    int fd = dial(s);

    say(fd, SLICE("GET /silent HTTP/1.1\r\nhost: x\r\n\r\n"));
    close(fd);
    assert(soon(all_gone, NULL));
    fd = dial(s);
    say(fd, SLICE("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    struct buf b = hear(fd, "100 Continue\r\n\r\n", 1);
    buf_free(&b);
    release();
    b = hear(fd, NULL, 0);
    assert(has(&b, "HTTP/1.1 200 OK\r\n"));
    buf_free(&b);
    close(fd);
}

int main(void)
{
    struct http_limits limits = limits_small();
    struct server      s;

    server_start(&s, &limits);
    slow_heads(&s);
    h1_slow_bodies(&s);
    h2_slow_bodies(&s);
    slow_reads(&s);
    half_closed(&s);
    assert(soon(none_open, &s));
    server_stop(&s);
    printf("slow: ok\n");
    return 0;
}
