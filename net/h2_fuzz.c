/*
 * An HTTP/2 connection that hears any bytes behind the preface: it answers or ends, and every exchange that began has
 * ended when it is gone.  The first byte cuts the input in two turns of the loop.  A listener whose loop runs here.
 */
#include <uv.h>

#include "net/loop_priv.h"
#include "net/test_server.h"

enum { BYTES_MAX = 32 << 10, TURNS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct server server;

static void start(void)
{
    struct fault why;

    server.loops[0] = loop_new(0);
    enum code code = listener_new("127.0.0.1:0", server.loops, 1, &app, &http_limits_default, NULL, &server.listener, &why);
    assert(code == CODE_OK);
    server.port = atoi(strrchr(listener_address(server.listener), ':') + 1);
}

static void turn(void) { uv_run(loop_uv(server.loops[0]), UV_RUN_NOWAIT); }

static void hear_some(int fd)
{
    static char bytes[1 << 20];

    for (int i = 0; i < TURNS; i++) {
        turn();
        while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            ;
    }
}

/* It may be closed already. */
static void tell(int fd, struct slice s)
{
    if (s.n > 0)
        (void)!send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct linger reset = { .l_onoff = 1 };

    if (n < 1 || n > BYTES_MAX)
        return 0;
    if (server.listener == NULL)
        start();
    struct slice in = slice_make(data + 1, n - 1);
    size_t       cut = in.n * data[0] / 256;
    int          fd = dial(&server);
    tell(fd, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    tell(fd, slice_make(in.p, cut));
    hear_some(fd);
    tell(fd, slice_from(in, cut));
    hear_some(fd);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    for (int i = 0; listener_connections(server.listener) > 0; i++) {
        assert(i < 100000);
        turn();
    }
    assert(atomic_load(&heads) == atomic_load(&gones));
    return 0;
}
