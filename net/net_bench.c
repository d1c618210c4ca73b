/*
 * What one small request costs the server in CPU: an echo server to be driven from outside.
 *
 *     net_bench [HOST:PORT] [LOOPS] [CERT KEY]
 *
 * prints its address; h2load -c 10 -m 10 -n 1000000 -d body http://ADDRESS/echo (https:// with the two PEM files).  It
 * prints the CPU time used at each line of its standard input.  No arguments: a free port of the loopback, one loop.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/listen.h"
#include "net/loop.h"

enum { LOOPS_MAX = 64, PEM_MAX = 16 << 10 };

static void on_head(struct exchange *x, void *arg)
{
    (void)arg;
    x->user = arena_zalloc(x->arena, sizeof(struct buf));
}

static void on_body(struct exchange *x, struct slice piece)
{
    buf_slice(x->user, piece);
    exchange_consume(x, piece.n);
}

static void on_end(struct exchange *x)
{
    static const struct http_field type = { SLICE("content-type"), SLICE("application/octet-stream") };
    struct buf                    *b = x->user;

    exchange_head(x, 200, &type, 1);
    if (b->n > 0)
        exchange_write(x, buf_view(b));
    else
        exchange_write(x, SLICE("hello\n"));
    exchange_finish(x, NULL, 0);
}

static void on_gone(struct exchange *x) { buf_free(x->user); }

static struct slice pem_of(const char *path)
{
    char  *text = mem_alloc(PEM_MAX);
    FILE  *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, PEM_MAX, file) : 0;

    if (file != NULL)
        fclose(file);
    return slice_make(text, n);
}

static struct tls *tls_of(const char *cert, const char *key)
{
    struct tls_config config = { .cert = pem_of(cert), .key = pem_of(key), .cert_name = cert, .key_name = key };
    struct tls       *tls;
    struct fault      why;

    if (tls_server_new(&config, &tls, &why) == CODE_OK)
        return tls;
    fprintf(stderr, "%s\n", why.text);
    exit(1);
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

int main(int argc, char **argv)
{
    struct http_app  app = { .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_gone = on_gone };
    struct loop     *loops[LOOPS_MAX];
    struct listener *listener;
    struct tls      *tls = argc > 4 ? tls_of(argv[3], argv[4]) : NULL;
    struct fault     why;
    size_t           n = argc > 2 ? (size_t)atoi(argv[2]) : 1;
    char             c;

    if (n < 1 || n > LOOPS_MAX)
        return 2;
    for (size_t i = 0; i < n; i++) {
        loops[i] = loop_new((int)i);
        loop_start(loops[i]);
    }
    if (listener_new(argc > 1 ? argv[1] : "127.0.0.1:0", loops, n, &app, &http_limits_default, tls, &listener, &why) !=
        CODE_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    printf("%s\n", listener_address(listener));
    fflush(stdout);
    while (read(STDIN_FILENO, &c, 1) > 0)
        printf("cpu %.3f s\n", cpu_s()), fflush(stdout);
    listener_free(listener);
    for (size_t i = 0; i < n; i++) {
        loop_stop(loops[i]);
        loop_free(loops[i]);
    }
    return 0;
}
