/*
 * Goal: whatever bytes come in whatever pieces, and however a client leaves, the server stays whole and every exchange
 * that began ends.  Method: from a seed, good conversations on HTTP/1.1 and HTTP/2 are cut, repeated and damaged, sent
 * in random pieces by several threads, and left by closing, half-closing, resetting or not reading.  The sanitizers
 * watch.
 */
#include "net/test_server.h"

enum { THREADS = 4, ROUNDS = 150, SEED = 1 };

#define LINE(text) { text, sizeof(text) - 1 }

static const struct slice h1_lines[] = {
    LINE("GET /query?a HTTP/1.1\r\nhost: x\r\n\r\n"),
    LINE("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"),
    LINE("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    LINE("POST /early HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc"),
    LINE("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n"),
    LINE("GET /abort HTTP/1.1\r\nhost: x\r\n\r\n"),
    LINE("GET /silent HTTP/1.1\r\nhost: x\r\n\r\n"),
    LINE("HEAD /stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"),
};

static const char *const h2_paths[] = { "/query?a", "/echo", "/early", "/stream", "/abort", "/silent", "/trailers" };

static unsigned pick(unsigned *seed, unsigned below) { return (unsigned)rand_r(seed) % below; }

static void h2_frame(struct buf *b, unsigned type, unsigned flags, unsigned id, const void *payload, size_t n)
{
    const uint8_t head[9] = { 0, (uint8_t)(n >> 8), (uint8_t)n, (uint8_t)type, (uint8_t)flags, 0, 0, (uint8_t)(id >> 8),
                              (uint8_t)id };

    buf_put(b, head, sizeof head);
    buf_put(b, payload, n);
}

static void h2_request(struct buf *b, unsigned id, const char *path, unsigned *seed)
{
    char  head[64] = "\x83\x86\x41\x01" "a\x04";
    char  data[100] = { 0 };
    size_t n = strlen(path);

    head[6] = (char)n;
    memcpy(head + 7, path, n);
    if (pick(seed, 2)) {
        h2_frame(b, 1, 5, id, head, n + 7);
        return;
    }
    h2_frame(b, 1, 4, id, head, n + 7);
    h2_frame(b, 0, pick(seed, 2), id, data, pick(seed, sizeof data));
    if (pick(seed, 4) == 0)
        h2_frame(b, 3, 0, id, "\0\0\0\x08", 4);
}

static struct buf conversation(unsigned *seed)
{
    struct buf b = { 0 };
    bool       is_h2 = pick(seed, 2);

    if (is_h2) {
        buf_text(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        h2_frame(&b, 4, 0, 0, NULL, 0);
        for (unsigned id = 1, n = 1 + pick(seed, 20); id < 2 * n; id += 2)
            h2_request(&b, id, h2_paths[pick(seed, sizeof h2_paths / sizeof *h2_paths)], seed);
    } else {
        for (unsigned n = 1 + pick(seed, 6); n > 0; n--)
            buf_slice(&b, h1_lines[pick(seed, sizeof h1_lines / sizeof *h1_lines)]);
    }
    for (unsigned n = pick(seed, 3); n > 0; n--) /* damage */
        b.p[pick(seed, (unsigned)b.n)] = (char)pick(seed, 256);
    if (pick(seed, 3) == 0)
        b.n = pick(seed, (unsigned)b.n) + 1;
    return b;
}

static void send_in_pieces(int fd, struct slice all, unsigned *seed)
{
    while (all.n > 0) {
        size_t  n = pick(seed, 2) ? all.n : 1 + pick(seed, (unsigned)all.n);
        ssize_t sent = send(fd, all.p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        all = slice_from(all, (size_t)sent);
        if (pick(seed, 4) == 0)
            usleep(pick(seed, 500));
    }
}

static void leave(int fd, unsigned *seed)
{
    struct linger reset = { .l_onoff = 1 };
    struct pollfd p = { .fd = fd, .events = POLLIN };
    static _Thread_local char bytes[65536];

    if (pick(seed, 3) == 0)
        shutdown(fd, SHUT_WR);
    for (unsigned n = pick(seed, 60); n > 0 && poll(&p, 1, 5) == 1; n--)
        if (recv(fd, bytes, sizeof bytes, 0) <= 0)
            break;
    if (pick(seed, 3) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

struct player {
    const struct server *server;
    unsigned             seed;
};

static void *play(void *arg)
{
    struct player *p = arg;

    for (int i = 0; i < ROUNDS; i++) {
        struct buf b = conversation(&p->seed);
        int        fd = dial(p->server);
        send_in_pieces(fd, buf_view(&b), &p->seed);
        leave(fd, &p->seed);
        buf_free(&b);
    }
    return NULL;
}

int main(void)
{
    struct http_limits limits = http_limits_default;
    struct player      players[THREADS];
    pthread_t          threads[THREADS];
    struct server      s;
    const char        *seed = getenv("CHAOS_SEED");

    limits.unsent_bytes_max = 600 << 10;
    limits.idle_ns = limits.head_wait_ns = limits.body_wait_ns = 500 * NS_PER_MS;
    server_start(&s, &limits);
    for (int i = 0; i < THREADS; i++) {
        players[i] = (struct player){ &s, (unsigned)((seed ? atoi(seed) : SEED) * THREADS + i) };
        pthread_create(&threads[i], NULL, play, &players[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    server_stop(&s);
    printf("chaos: ok, %d exchanges\n", atomic_load(&heads));
    return 0;
}
