/*
 * Goal: no HTTP/2 client can hold a server's memory or leave an exchange behind.  Method: frames written by hand over a
 * raw socket, each with what a server may answer; the app of test_server.h counts that every exchange ended.  What
 * makes a server work is in abuse_test.c.
 */
#include "net/test_frames.h"

static void plain_request(const struct server *server)
{
    struct buf b = hello(65535);

    put_request(&b, 1, "/query?abc", END_STREAM | END_HEADERS);
    struct seen s = abuse(server, &b, 200);
    assert(s.n_heads == 1 && s.n_data == 1 && s.n_resets == 0 && s.goaway == NEVER && !s.is_closed);
}

static void skipped_ids(const struct server *server)
{
    struct buf b = hello(65535);

    put_request(&b, 5, "/query?a", END_STREAM | END_HEADERS);
    put_request(&b, 3, "/query?a", END_STREAM | END_HEADERS);
    struct seen s = abuse(server, &b, 1000);
    assert(s.is_closed && s.goaway == PROTOCOL_ERROR);
}

/* No window for answers: the app may write as much as it likes to see unsent, and nothing else is held up. */
static void no_window(const struct server *server)
{
    struct buf b = hello(0);

    put_request(&b, 1, "/stream", END_STREAM | END_HEADERS);
    put_request(&b, 3, "/bare", END_STREAM | END_HEADERS);
    struct seen s = abuse(server, &b, 300);
    assert(s.n_heads == 2 && s.n_data == 0 && !s.is_closed);
}

/* Answers that the peer has no window for are held up to a bound; above it, streams are refused. */
static void held_answers(const struct server *server)
{
    static char zeros[16384];
    struct buf  b = hello(0);

    for (uint32_t id = 1; id < 60; id += 2) {
        put_request(&b, id, "/echo", END_HEADERS);
        for (int i = 0; i < 60; i++)
            put_frame(&b, DATA, i == 59 ? END_STREAM : 0, id, slice_make(zeros, sizeof zeros));
    }
    struct seen s = abuse(server, &b, 1000);
    assert(s.n_resets > 0 && s.n_resets < 30 && s.reset_code == 7 && !s.is_closed);
}

static void late_parts(void)
{
    struct http_limits limits = http_limits_default;
    struct server      server;

    limits.head_wait_ns = limits.body_wait_ns = 100 * NS_PER_MS;
    server_start(&server, &limits);
    struct buf b = hello(65535);
    put_request(&b, 1, "/silent", END_STREAM); /* no END_HEADERS, no CONTINUATION */
    struct seen s = abuse(&server, &b, 2000);
    assert(s.is_closed);
    b = hello(65535);
    put_request(&b, 1, "/silent", END_HEADERS); /* no body */
    s = abuse(&server, &b, 500);
    assert(s.n_resets == 1 && s.reset_code == CANCEL && !s.is_closed);
    assert(soon(none_open, &server));
    server_stop(&server);
}

static void idle(void)
{
    struct http_limits limits = http_limits_default;
    struct server      server;

    limits.idle_ns = 100 * NS_PER_MS;
    server_start(&server, &limits);
    struct buf b = hello(65535);
    put_request(&b, 1, "/query?a", END_STREAM | END_HEADERS);
    struct seen s = abuse(&server, &b, 3000);
    assert(s.is_closed && s.n_heads == 1 && s.goaway == NO_ERROR && s.n_goaway == 2); /* a notice, then the real one */
    server_stop(&server);
}

int main(void)
{
    struct server s;

    server_start(&s, &http_limits_default);
    plain_request(&s);
    skipped_ids(&s);
    no_window(&s);
    held_answers(&s);
    assert(soon(none_open, &s));
    server_stop(&s);
    late_parts();
    idle();
    printf("h2: ok\n");
    return 0;
}
