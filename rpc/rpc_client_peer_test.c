/*
 * Goal: what the client does about its peers: connections are shared and there are no more than are needed, calls are tried
 * again only where that is safe and not too often, who is not well gets no calls until it is, and who dies ends its calls.
 * Method: the toy methods of test_service.h, which count; a peer that dies in mid-stream is a plain socket.
 */
#include "rpc/test_service.h"

/* ---- connections ---- */

static void test_connections(void)
{
    enum { WAITING = 1500 };
    Connectrpc__Conformance__V1__UnaryRequest q = question("wait", 4);
    struct rpc_request r = { .path = SERVICE "Unary", .message = &q.base, .response = RESPONSE(unary) };
    struct talk       *waiting = mem_zalloc(WAITING * sizeof *waiting), t;

    for (int i = 0; i < 10; i++)
        ask(&t, "x", (struct rpc_request){ 0 });
    assert(connected(LOOPS)); /* one of each loop */
    for (int i = 0; i < WAITING; i++)
        talk_open(&waiting[i], &one, r);
    assert(soon(runs, WAITING)); /* 250 on each: each loop needs three, and has four at most */
    assert(listener_connections(listener) >= 3 * LOOPS && listener_connections(listener) <= 4 * LOOPS);
    for (int i = 0; i < WAITING; i++)
        rpc_stream_cancel(waiting[i].stream);
    for (int i = 0; i < WAITING; i++)
        talk_end(&waiting[i]);
    assert(soon(runs, 0));
    free(waiting);
}

/* ---- retries ---- */

static void test_retries(void)
{
    struct rpc_retry unsafe = { .attempts_max = 4, .backoff_ns = NS_PER_MS }, safe = unsafe;
    struct talk      t;
    int64_t          before = retries();

    safe.is_idempotent = true;
    atomic_store(&n_calls, 0);
    atomic_store(&n_busy, 1);
    ask(&t, "x", (struct rpc_request){ .retry = unsafe });
    assert(t.code == CODE_UNAVAILABLE && t.was_sent && atomic_load(&n_calls) == 1 && retries() == before);
    atomic_store(&n_busy, 2);
    ask(&t, "x", (struct rpc_request){ .retry = safe });
    assert(t.code == CODE_OK && atomic_load(&n_calls) == 4 && retries() == before + 2);
    ask(&t, "fail", (struct rpc_request){ .retry = safe });
    assert(t.code == CODE_ABORTED && retries() == before + 2);
    ask(&t, "x", (struct rpc_request){ .address = "127.0.0.1:1", .retry = unsafe }); /* never sent: always safe */
    assert(t.code == CODE_UNAVAILABLE && !t.was_sent && retries() == before + 5);
    safe.backoff_ns = NS_PER_S;
    atomic_store(&n_busy, 1);
    ask(&t, "x", (struct rpc_request){ .retry = safe, .deadline_ns = clock_mono_ns() + 200 * NS_PER_MS });
    assert(t.code == CODE_UNAVAILABLE && retries() == before + 5); /* there is no time for another */
    atomic_store(&n_busy, 0);
}

/* A peer that is busy for long is not asked twice as much because of it: ten in a row for each loop, then one in ten. */
static void test_budget(void)
{
    struct rpc_retry safe = { .attempts_max = 3, .backoff_ns = NS_PER_MS, .is_idempotent = true };
    struct talk      t;
    int64_t          before = retries();

    atomic_store(&n_busy, 1000000);
    for (int i = 0; i < 200; i++) {
        ask(&t, "x", (struct rpc_request){ .retry = safe });
        assert(t.code == CODE_UNAVAILABLE && t.was_sent);
    }
    atomic_store(&n_busy, 0);
    int64_t n = retries() - before;
    assert(n >= 20 && n <= 10 * LOOPS + 20);
}

/* ---- health ---- */

static void test_ejection(void)
{
    struct talk t;
    int         asked;

    rpc_server_set_ready(server, false);
    atomic_store(&n_busy, 1000000);
    int64_t until = clock_mono_ns() + 10 * NS_PER_S;
    do {
        ask(&t, "x", (struct rpc_request){ 0 });
        assert(t.code == CODE_UNAVAILABLE && clock_mono_ns() < until);
    } while (t.was_sent);
    assert(strstr(t.text, listener_address(listener)) != NULL && strstr(t.text, "not serving") != NULL);
    for (int i = 0; i < 20; i++)
        ask(&t, "x", (struct rpc_request){ 0 }); /* by now each loop has found out */
    asked = atomic_load(&n_calls);
    for (int i = 0; i < 100; i++) {
        ask(&t, "x", (struct rpc_request){ 0 });
        assert(t.code == CODE_UNAVAILABLE && !t.was_sent);
    }
    assert(atomic_load(&n_calls) == asked);
    atomic_store(&n_busy, 0);
    rpc_server_set_ready(server, true);
    int64_t began = clock_mono_ns();
    for (int well = 0; well < 2 * LOOPS; usleep(5000)) {
        ask(&t, "x", (struct rpc_request){ 0 });
        well = t.code == CODE_OK ? well + 1 : 0;
        assert(clock_mono_ns() - began < 2 * NS_PER_S);
    }
}

/* ---- the end of a peer ---- */

#define WORD(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

/* SETTINGS; HEADERS: 200, application/grpc; DATA: a whole message of no bytes, and the beginning of another. */
static const struct slice beginning = WORD("\0\0\0\4\0\0\0\0\0"
                                           "\0\0\23\1\4\0\0\0\1\x88\x5f\x10"
                                           "application/grpc"
                                           "\0\0\7\0\0\0\0\0\1\0\0\0\0\0\0\0");

static void test_death(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t          n = sizeof at;
    int                door = socket(AF_INET, SOCK_STREAM, 0);
    char               address[64], bytes[4096];
    struct talk        t;

    assert(bind(door, (struct sockaddr *)&at, n) == 0 && listen(door, 4) == 0);
    getsockname(door, (struct sockaddr *)&at, &n);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    struct rpc_request r = { .path = SERVICE "BidiStream", .address = address, .response = RESPONSE(bidi_stream) };
    talk_open(&t, &many, r);
    rpc_stream_next(t.stream);
    int fd = accept(door, NULL, NULL);
    assert(recv(fd, bytes, sizeof bytes, 0) > 0);
    assert(send(fd, beginning.p, beginning.n, MSG_NOSIGNAL) == (ssize_t)beginning.n);
    sem_wait(&t.came);
    close(fd);
    close(door);
    talk_end(&t);
    assert(t.code == CODE_UNAVAILABLE && t.was_sent && t.n == 1 && strstr(t.text, address) != NULL);
}

/* A server that is replaced: calls find the new one within a moment. */
static void test_restart(void)
{
    struct talk t;
    char        address[64];
    int64_t     began;

    snprintf(address, sizeof address, "%s", listener_address(listener));
    listener_drain(listener);
    listener_free(listener);
    do
        ask(&t, "x", (struct rpc_request){ .address = address });
    while (t.code == CODE_OK);
    assert(t.code == CODE_UNAVAILABLE);
    usleep(500000);
    listen_at(address, NULL);
    began = clock_mono_ns();
    do {
        ask(&t, "x", (struct rpc_request){ .address = address });
        usleep(1000);
        assert(clock_mono_ns() - began < NS_PER_S);
    } while (t.code != CODE_OK);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    world_begin(NULL, NULL);
    test_connections();
    test_retries();
    test_budget();
    test_ejection();
    test_death();
    test_restart();
    world_end();
    return 0;
}
