/*
 * Goal: what HTTP/1 must not be understood in two ways is answered with its status and the end of the connection, and
 * nothing behind it is ever taken for a request.  Method: every head and chunked body of test_heads.h that is to be
 * refused goes over a real socket with a second request behind it, at once and byte by byte.
 */
#include <netinet/tcp.h>

#include "net/test_heads.h"
#include "net/test_server.h"

#define BEHIND "GET /query?behind HTTP/1.1\r\nhost: a\r\n\r\n"

static void say_in_pieces(int fd, struct slice s, size_t piece)
{
    for (size_t at = 0, n; at < s.n; at += n) {
        n = s.n - at < piece ? s.n - at : piece;
        if (send(fd, s.p + at, n, MSG_NOSIGNAL) < 0)
            return; /* refused already */
    }
}

static struct buf answer_to(const struct server *s, const struct buf *request, size_t piece)
{
    int        fd = dial(s), yes = 1;
    struct buf b;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    say_in_pieces(fd, buf_view(request), piece);
    b = hear(fd, NULL, 0);
    close(fd);
    return b;
}

static int answers(const struct buf *b)
{
    struct slice rest = buf_view(b), mark = SLICE("\r\ndate: ");
    int          n = 0;

    for (size_t at; (at = slice_find(rest, mark)) < rest.n; n++)
        rest = slice_from(rest, at + mark.n);
    return n;
}

static void check(const struct server *s, struct slice head, struct slice body, int status, size_t piece)
{
    struct buf request = { 0 };
    char       line[32];

    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    buf_slice(&request, head);
    buf_slice(&request, body);
    buf_text(&request, BEHIND);
    struct buf b = answer_to(s, &request, piece);
    bool is_right = slice_starts(buf_view(&b), slice_of(line)) && has(&b, "connection: close\r\n") && answers(&b) == 1;
    if (status == H1_NOT_HTTP)
        is_right = b.n == 0;
    if (!is_right) {
        fprintf(stderr, "%.*s%.*s--> %.*s\nwanted %d\n", SLICE_ARGS(head), SLICE_ARGS(body), SLICE_ARGS(buf_view(&b)),
                status);
        abort();
    }
    buf_free(&request);
    buf_free(&b);
}

int main(void)
{
    static const size_t pieces[] = { SIZE_MAX, 1 };
    struct http_limits  limits = http_limits_default;
    struct server       s;
    int                 n = 0;

    limits.head_bytes_max = BYTES_MAX;
    limits.fields_max = FIELDS_MAX;
    server_start(&s, &limits);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (wanted[i].status != 0) {
                check(&s, wanted[i].head, SLICE(""), wanted[i].status, pieces[round]);
                n++;
            }
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
            if (chunks[i].data == NULL) {
                check(&s, SLICE("POST /count HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"), chunks[i].in,
                      400, pieces[round]);
                n++;
            }
    }
    assert(n >= 2 * 60 && counted("malformed_request") > n / 2);
    assert(soon(none_open, &s));
    server_stop(&s);
    printf("h1_refusals: ok, %d refused\n", n / 2);
    return 0;
}
