/*
 * Goal: no HTTP/2 client can make the server work without end, hold its memory, or leave an exchange behind.  Method:
 * frames written by hand over a raw socket, one abuse after the other, each with what a server may answer; the app of
 * test_server.h counts that every exchange ended.
 */
#include "net/test_server.h"

enum {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8,
    CONTINUATION = 9
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { NO_ERROR = 0, PROTOCOL_ERROR = 1, INTERNAL_ERROR = 2, CANCEL = 8, ENHANCE_YOUR_CALM = 11, NEVER = -1 };

static void put_frame(struct buf *b, int type, int flags, uint32_t id, struct slice payload)
{
    const uint8_t head[9] = {
        (uint8_t)(payload.n >> 16), (uint8_t)(payload.n >> 8), (uint8_t)payload.n, (uint8_t)type, (uint8_t)flags,
        (uint8_t)(id >> 24),        (uint8_t)(id >> 16),       (uint8_t)(id >> 8), (uint8_t)id
    };

    buf_put(b, head, sizeof head);
    buf_slice(b, payload);
}

static void put_literal(struct buf *b, const char *name, struct slice value)
{
    buf_byte(b, 0); /* without indexing, new name */
    buf_byte(b, (uint8_t)strlen(name));
    buf_text(b, name);
    assert(value.n < 127);
    buf_byte(b, (uint8_t)value.n);
    buf_slice(b, value);
}

/* :method POST, :scheme http, :authority a and the path. */
static void put_head(struct buf *b, const char *path)
{
    buf_put(b, "\x83\x86\x41\x01" "a\x04", 6);
    buf_byte(b, (uint8_t)strlen(path));
    buf_text(b, path);
}

static void put_request(struct buf *b, uint32_t id, const char *path, int flags)
{
    struct buf head = { 0 };

    put_head(&head, path);
    put_frame(b, HEADERS, flags, id, buf_view(&head));
    buf_free(&head);
}

/* The preface, and settings with the windows of our streams. */
static struct buf hello(uint32_t window)
{
    const uint8_t set[6] = {
        0, 4, (uint8_t)(window >> 24), (uint8_t)(window >> 16), (uint8_t)(window >> 8), (uint8_t)window
    };
    struct buf    b = { 0 };

    buf_text(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_frame(&b, SETTINGS, 0, 0, slice_make(set, sizeof set));
    return b;
}

struct seen {
    int  goaway; /* the last error code, NEVER: none */
    int  n_goaway, n_resets, n_heads, n_data, reset_code;
    bool is_closed;
};

static void look(struct seen *s, int type, const uint8_t *payload)
{
    if (type == GOAWAY) {
        s->goaway = payload[7];
        s->n_goaway++;
    }
    if (type == RST_STREAM) {
        s->n_resets++;
        s->reset_code = payload[3];
    }
    s->n_heads += type == HEADERS;
    s->n_data += type == DATA;
}

/* Everything the server says until it closes or has been silent for `quiet_ms`. */
static struct seen listen_to(int fd, int quiet_ms)
{
    struct seen   s = { .goaway = NEVER };
    struct buf    b = { 0 };
    struct pollfd p = { .fd = fd, .events = POLLIN };

    while (poll(&p, 1, quiet_ms) == 1) {
        ssize_t n = recv(fd, buf_reserve(&b, 65536), 65536, 0);
        s.is_closed = n <= 0;
        if (n <= 0)
            break;
        b.n += (size_t)n;
        size_t at = 0;
        while (b.n - at >= 9) {
            const uint8_t *f = (const uint8_t *)b.p + at;
            size_t         len = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
            if (b.n - at < 9 + len)
                break;
            look(&s, f[3], f + 9);
            at += 9 + len;
        }
        memmove(b.p, b.p + at, b.n - at);
        b.n -= at;
    }
    buf_free(&b);
    return s;
}

/* Sends what it can; the server may close in the middle. */
static struct seen abuse(const struct server *server, struct buf *frames, int quiet_ms)
{
    int         fd = dial(server);
    struct seen s;

    for (size_t at = 0; at < frames->n;) {
        ssize_t n = send(fd, frames->p + at, frames->n - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    s = listen_to(fd, quiet_ms);
    close(fd);
    buf_free(frames);
    return s;
}

static void plain_request(const struct server *server)
{
    struct buf b = hello(65535);

    put_request(&b, 1, "/query?abc", END_STREAM | END_HEADERS);
    struct seen s = abuse(server, &b, 200);
    assert(s.n_heads == 1 && s.n_data == 1 && s.n_resets == 0 && s.goaway == NEVER && !s.is_closed);
}

static void rapid_reset(const struct server *server)
{
    struct buf b = hello(65535);

    for (uint32_t id = 1; id < 4000; id += 2) {
        put_request(&b, id, "/silent", END_HEADERS);
        put_frame(&b, RST_STREAM, 0, id, slice_make("\0\0\0\x08", 4));
    }
    struct seen s = abuse(server, &b, 1000);
    assert(s.is_closed);
}

/* Resets that the server must send for our faults (CVE-2025-8671). */
static void provoked_resets(const struct server *server)
{
    struct buf b = hello(65535);

    for (uint32_t id = 1; id < 4000; id += 2) {
        put_request(&b, id, "/silent", END_HEADERS);
        put_frame(&b, WINDOW_UPDATE, 0, id, slice_make("\x7f\xff\xff\xff", 4));
    }
    struct seen s = abuse(server, &b, 1000);
    assert(s.is_closed && s.n_resets < 400);
}

static void bad_heads(const struct server *server)
{
    struct buf b = hello(65535), head = { 0 };

    put_head(&head, "/silent");
    put_literal(&head, "Upper", SLICE("x"));
    for (uint32_t id = 1; id < 4000; id += 2)
        put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, buf_view(&head));
    struct seen s = abuse(server, &b, 1000);
    assert(s.is_closed && s.n_resets < 400);
    buf_free(&head);
}

static void floods(const struct server *server)
{
    static const int types[] = { PING, PRIORITY, DATA };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct buf b = hello(65535);
        put_request(&b, 1, "/silent", END_HEADERS);
        for (int k = 0; k < 40000; k++) {
            if (types[i] == PING)
                put_frame(&b, PING, 0, 0, SLICE("12345678"));
            else if (types[i] == PRIORITY)
                put_frame(&b, PRIORITY, 0, 1, slice_make("\0\0\0\0\1", 5));
            else
                put_frame(&b, DATA, 0, 1, SLICE(""));
        }
        struct seen s = abuse(server, &b, 1000);
        assert(s.is_closed);
    }
}

/* Too many fields: 431, once.  Very long lists: the end of the connection. */
static void long_heads(const struct server *server)
{
    struct buf b = hello(65535), head = { 0 };
    char       name[16], value[100];

    memset(value, 'v', sizeof value);
    put_head(&head, "/silent");
    for (int i = 0; i < 130; i++) {
        snprintf(name, sizeof name, "x-%d", i);
        put_literal(&head, name, slice_make("v", 1));
    }
    put_frame(&b, HEADERS, END_HEADERS | END_STREAM, 1, buf_view(&head));
    struct seen s = abuse(server, &b, 200);
    assert(s.n_heads == 1 && s.n_data == 1 && !s.is_closed);
    buf_free(&head);

    b = hello(65535);
    put_head(&head, "/silent");
    buf_byte(&head, 0x40); /* one field goes into the table, then is repeated by one byte each */
    buf_byte(&head, 1);
    buf_text(&head, "x");
    buf_byte(&head, 100);
    buf_put(&head, value, sizeof value);
    for (int i = 0; i < 15000; i++)
        buf_byte(&head, 0x80 | 62);
    put_frame(&b, HEADERS, END_HEADERS | END_STREAM, 1, buf_view(&head));
    s = abuse(server, &b, 1000);
    assert(s.is_closed && s.n_heads == 0);
    buf_free(&head);
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
    rapid_reset(&s);
    provoked_resets(&s);
    bad_heads(&s);
    floods(&s);
    long_heads(&s);
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
