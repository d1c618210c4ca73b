/*
 * Goal: many connections, or one that holds much, cost a bounded memory, and whoever takes nothing pays for it; there
 * are no more of them than may be; each ends by age or number without losing a request.  Method: real sockets, small
 * limits, and the gauge of what is held.
 */
#include "net/test_frames.h"

enum { AGE_MS = 300 };

static int64_t held(void) { return metric_read(metric_gauge("hearth_net_held_bytes", "", "")); }

/* One connection: what comes when it holds enough, and takes nothing, is not kept. */
static void holds_little(void)
{
    struct http_limits limits = http_limits_default;
    struct server      s;
    struct buf         b = hello(0);
    int64_t            before = counted("slow_read");

    limits.held_bytes_max = 2 * BIG_BYTES;
    server_start(&s, &limits);
    for (uint32_t id = 1; id < 20; id += 2)
        put_request(&b, id, "/big", END_HEADERS);
    for (uint32_t id = 1; id < 6; id += 2)
        put_frame(&b, DATA, END_STREAM, id, SLICE(""));
    int fd = dial(&s);
    say(fd, buf_view(&b));
    usleep(700000);
    b.n = 0;
    for (uint32_t id = 7; id < 20; id += 2)
        put_frame(&b, DATA, END_STREAM, id, SLICE(""));
    put_request(&b, 21, "/bare", END_STREAM | END_HEADERS);
    say(fd, buf_view(&b));
    struct seen seen = listen_to(fd, 200);
    assert(seen.n_resets == 8 && !seen.is_closed && counted("slow_read") == before + 8);
    assert(held() >= 3 * BIG_BYTES && held() < 4 * BIG_BYTES);
    close(fd);
    buf_free(&b);
    assert(soon(none_open, &s) && held() == 0);
    server_stop(&s);
}

static bool holds_at_most(void *arg) { return held() <= *(int64_t *)arg; }

static bool has_evicted(void *arg) { return counted("held_memory") >= *(int64_t *)arg; }

/* Many connections: those that take nothing go, and a neighbour who reads is answered. */
static void holds_little_in_all(void)
{
    enum { CONNECTIONS = 40 };
    struct http_limits limits = http_limits_default;
    struct server      s;
    int64_t            most = 8 * BIG_BYTES, evicted = counted("held_memory") + CONNECTIONS / 4;
    int                fds[CONNECTIONS];

    limits.held_total_bytes_max = (size_t)most;
    server_start(&s, &limits);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct buf b = hello(0);
        put_request(&b, 1, "/big", END_STREAM | END_HEADERS);
        fds[i] = dial(&s);
        if (i % 2) {
            say(fds[i], buf_view(&b));
        } else {
            int small = 4096;
            setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
            say(fds[i], SLICE("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n"));
        }
        buf_free(&b);
    }
    struct buf answer = ask(&s, SLICE("GET /big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(answer.n > BIG_BYTES);
    buf_free(&answer);
    assert(soon(has_evicted, &evicted) && soon(holds_at_most, &most));
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    assert(soon(none_open, &s) && held() == 0);
    server_stop(&s);
}

/* Over a tick or two nobody is slow. */
static void reads_later(void)
{
    struct server s;

    server_start(&s, &http_limits_default);
    int fd = dial(&s);
    say(fd, SLICE("GET /stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    usleep(1500000);
    struct buf b = hear(fd, NULL, 0);
    assert(b.n > 20000000);
    buf_free(&b);
    close(fd);
    server_stop(&s);
}

/* --- age and number ----------------------------------------------------------------------------------------------- */

static void old_age(void)
{
    struct http_limits limits = http_limits_default;
    struct server      s;
    struct buf         b = hello(65535);
    int64_t            since = clock_mono_ns();
    int                n = 0, h1;

    limits.age_max_ns = AGE_MS * NS_PER_MS;
    server_start(&s, &limits);
    int h2 = dial(&s);
    put_request(&b, 1, "/hold", END_HEADERS | END_STREAM);
    say(h2, buf_view(&b));
    buf_free(&b);
    h1 = dial(&s);
    for (bool is_last = false; !is_last; n++) {
        say(h1, SLICE("GET /query?q HTTP/1.1\r\nhost: x\r\n\r\n"));
        b = hear(h1, "\r\n\r\nq", 1);
        is_last = has(&b, "connection: close");
        buf_free(&b);
        usleep(10000);
    }
    assert(n > 5 && clock_mono_ns() - since > AGE_MS * 9 / 10 * NS_PER_MS);
    b = hear(h1, NULL, 0);
    assert(b.n == 0);
    buf_free(&b);
    struct seen seen = listen_to(h2, 500);
    assert(seen.n_goaway >= 1 && seen.goaway == NO_ERROR && !seen.is_closed && soon(is_held, NULL));
    release();
    seen = listen_to(h2, 2000);
    assert(seen.n_heads == 1 && seen.is_closed);
    close(h1);
    close(h2);
    assert(soon(none_open, &s));
    server_stop(&s);
}

static void last_requests(void)
{
    struct http_limits limits = http_limits_default;
    struct server      s;
    struct buf         b = hello(65535), answer;

    limits.requests_max = 3;
    server_start(&s, &limits);
    for (uint32_t id = 1; id < 8; id += 2)
        put_request(&b, id, "/query?q", END_HEADERS | END_STREAM);
    struct seen seen = abuse(&s, &b, 2000);
    assert(seen.n_heads == 4 && seen.goaway == NO_ERROR && seen.is_closed); /* the fourth was on its way */
    answer = ask(&s, SLICE("GET /query?q HTTP/1.1\r\nhost: x\r\n\r\nGET /query?q HTTP/1.1\r\nhost: x\r\n\r\n"
                           "GET /query?q HTTP/1.1\r\nhost: x\r\n\r\nGET /query?r HTTP/1.1\r\nhost: x\r\n\r\n"));
    assert(has(&answer, "connection: close\r\n\r\nq") && !has(&answer, "\r\n\r\nr"));
    buf_free(&answer);
    assert(soon(none_open, &s));
    server_stop(&s);
}

static void crowds(bool is_by_address)
{
    struct http_limits limits = http_limits_default;
    const char *class = is_by_address ? "address_connections" : "connections";
    int64_t       before = counted(class);
    struct server s;
    int           fds[3];

    *(is_by_address ? &limits.address_connections_max : &limits.connections_max) = 3;
    server_start(&s, &limits);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(&s);
        say(fds[i], SLICE("GET /query?q HTTP/1.1\r\nhost: x\r\n\r\n"));
        struct buf b = hear(fds[i], "\r\n\r\nq", 1);
        buf_free(&b);
    }
    struct buf none = ask(&s, SLICE(""));
    buf_free(&none);
    assert(none.n == 0 && counted(class) == before + 1 && listener_connections(s.listener) == 3);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    assert(soon(none_open, &s));
    struct buf b = ask(&s, SLICE("GET /query?q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(has(&b, "\r\n\r\nq"));
    buf_free(&b);
    server_stop(&s);
}

int main(void)
{
    holds_little();
    holds_little_in_all();
    reads_later();
    old_age();
    last_requests();
    crowds(false);
    crowds(true);
    printf("crowd: ok\n");
    return 0;
}
