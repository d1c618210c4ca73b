/*
 * Goal: nobody's slowness costs more than a bounded amount of memory, and none of it a worker; who goes away ends exactly his own call,
 * and the method hears of it.
 * Method: the toys of test_streams.h, asked through a plain HTTP/1.1 socket whose every byte is ours to hold back.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "rpc/test_streams.h"

static int connected(void)
{
    const char        *address = listener_address(listener);
    int                fd = socket(AF_INET, SOCK_STREAM, 0), small = 32 << 10;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1)) };

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

static void write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        assert(n > 0);
        bytes = slice_from(bytes, (size_t)n);
    }
}

static void head_write(int fd, const char *method)
{
    char text[512];
    int  n = snprintf(text, sizeof text,
                      "POST " SERVICE "%s HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+proto\r\n"
                      "transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
                      method);

    write_all(fd, slice_make(text, (size_t)n));
}

static void chunk_write(int fd, struct slice bytes)
{
    char size[24];

    write_all(fd, slice_make(size, (size_t)snprintf(size, sizeof size, "%zx\r\n", bytes.n)));
    write_all(fd, bytes);
    write_all(fd, SLICE("\r\n"));
}

static size_t read_to_end(int fd)
{
    static char bytes[1 << 16];
    size_t      all = 0;
    ssize_t     n;

    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        all += (size_t)n;
    return all;
}

/* 64 MiB for a client that does not read: the method is stopped early, and goes on when it does. */
static void test_slow_reader(void)
{
    enum { N = 1024 };
    int fd = connected(), before;

    n_sent = 0;
    head_write(fd, "ServerStream");
    chunk_write(fd, questions(2, FIELDS("1024 65536"), NULL));
    write_all(fd, SLICE("0\r\n\r\n"));
    do {
        before = n_sent;
        usleep(100000);
    } while (before != n_sent || n_sent == 0);
    assert(n_sent < N / 8); /* our mark and the kernel's buffers: a few MiB */
    assert(read_to_end(fd) > (size_t)N * 65536 && n_sent == N);
    close(fd);
    wait_for_none();
}

/* The method holds: its client cannot push more than a window and the kernel's buffers into us. */
static void test_slow_method(void)
{
    enum { N = 512, LEAST = 64 };
    int        fd = connected(), n = 0;
    struct buf message = { 0 };

    question_put(&message, 2, slice_make(filler, sizeof filler), NULL);
    head_write(fd, "ClientStream");
    chunk_write(fd, questions(2, FIELDS("hold"), NULL));
    sem_wait(&is_held);
    struct timeval patience = { .tv_usec = 200000 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    char   size[24];
    size_t n_size = (size_t)snprintf(size, sizeof size, "%zx\r\n", message.n), left = 0;
    struct buf wire = { 0 };
    buf_put(&wire, size, n_size);
    buf_slice(&wire, buf_view(&message));
    buf_put(&wire, "\r\n", 2);
    for (; n < N && left == 0; n++)
        for (left = wire.n; left > 0;) {
            ssize_t wrote = write(fd, wire.p + wire.n - left, left);
            if (wrote <= 0)
                break;
            left -= (size_t)wrote;
        }
    assert(n < N / 2 && left > 0); /* it blocked */
    call_next(atomic_exchange(&held, NULL));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ 0 }, sizeof patience);
    write_all(fd, slice_make(wire.p + wire.n - left, left));
    for (; n < LEAST; n++)
        write_all(fd, buf_view(&wire));
    write_all(fd, SLICE("0\r\n\r\n"));
    char answer[2048] = "", want[64];
    for (size_t got = 0; got < sizeof answer - 1;) {
        ssize_t more = read(fd, answer + got, sizeof answer - 1 - got);
        if (more <= 0)
            break;
        got += (size_t)more;
    }
    snprintf(want, sizeof want, "%d %d", n + 1, n * 65536 + 4);
    bool is_there = false;
    for (size_t i = 0; i < sizeof answer - strlen(want); i++)
        is_there |= memcmp(answer + i, want, strlen(want)) == 0;
    assert(is_there);
    close(fd);
    buf_free(&message);
    buf_free(&wire);
    wait_for_none();
}

/* Clients that vanish: while the method waits for a message, for room, for a time. */
static void test_vanishing(void)
{
    static const struct {
        const char *method, *text;
        int         number;
    } cases[] = { { "ClientStream", "x", 2 }, { "ServerStream", "100000 65536", 2 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = connected(), cancelled = n_cancelled;
        head_write(fd, cases[i].method);
        chunk_write(fd, questions(cases[i].number, FIELDS(cases[i].text), NULL));
        if (cases[i].method[0] == 'S')
            write_all(fd, SLICE("0\r\n\r\n"));
        while (n_running == 0)
            usleep(1000);
        struct linger hard = { 1, 0 };
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fd);
        wait_for_none();
        assert(n_cancelled == cancelled + 1);
    }
}

int main(void)
{
    static const enum lane lanes[] = { LANE_INLINE, LANE_QUERY };

    sem_init(&is_held, 0, 0);
    for (size_t l = 0; l < 2; l++) {
        world_begin(lanes[l]);
        test_slow_reader();
        test_slow_method();
        test_vanishing();
        world_end();
    }
    return 0;
}
