/*
 * For tests of HTTP/2: frames made by hand, and what a server says to them.
 */
#pragma once

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

static __attribute__((unused)) void put_frame(struct buf *b, int type, int flags, uint32_t id, struct slice payload)
{
    const uint8_t head[9] = {
        (uint8_t)(payload.n >> 16), (uint8_t)(payload.n >> 8), (uint8_t)payload.n, (uint8_t)type, (uint8_t)flags,
        (uint8_t)(id >> 24),        (uint8_t)(id >> 16),       (uint8_t)(id >> 8), (uint8_t)id
    };

    buf_put(b, head, sizeof head);
    buf_slice(b, payload);
}

static __attribute__((unused)) void put_literal(struct buf *b, const char *name, struct slice value)
{
    buf_byte(b, 0); /* without indexing, new name */
    buf_byte(b, (uint8_t)strlen(name));
    buf_text(b, name);
    assert(value.n < 127);
    buf_byte(b, (uint8_t)value.n);
    buf_slice(b, value);
}

/* :method POST, :scheme http, :authority a and the path. */
static __attribute__((unused)) void put_head(struct buf *b, const char *path)
{
    buf_put(b, "\x83\x86\x41\x01" "a\x04", 6);
    buf_byte(b, (uint8_t)strlen(path));
    buf_text(b, path);
}

static __attribute__((unused)) void put_request(struct buf *b, uint32_t id, const char *path, int flags)
{
    struct buf head = { 0 };

    put_head(&head, path);
    put_frame(b, HEADERS, flags, id, buf_view(&head));
    buf_free(&head);
}

/* The preface, and settings with the windows of our streams. */
static __attribute__((unused)) struct buf hello(uint32_t window)
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

static __attribute__((unused)) void look(struct seen *s, int type, const uint8_t *payload)
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
static __attribute__((unused)) struct seen listen_to(int fd, int quiet_ms)
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
static __attribute__((unused)) struct seen abuse(const struct server *server, struct buf *frames, int quiet_ms)
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
