/*
 * Goal: whatever becomes of a peer, every request to it ends exactly once and says whether it may be sent again: a peer that
 * vanishes, talks nonsense, drains, comes back, or is replaced.  Method: the client of test_client.h, in clear text and over TLS,
 * against servers that stop under way, and plain sockets that take what comes and close.
 */
#include "net/test_client.h"

/* A peer that takes the request and closes, then one that is gone. */
static void h2_peer_vanishes(struct side *side)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t          n = sizeof at;
    int                door = socket(AF_INET, SOCK_STREAM, 0);
    char               address[64], bytes[4096];
    struct heard       h;
    struct order       o;
    sem_t              done;

    assert(bind(door, (struct sockaddr *)&at, n) == 0 && listen(door, 4) == 0);
    getsockname(door, (struct sockaddr *)&at, &n);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    sem_init(&done, 0, 0);
    h = (struct heard){ .done = &done };
    order_init(&o, side, address, "/echo", SLICE("x"), &h);
    loop_post(side->loop, &o.task);
    int fd = accept(door, NULL, NULL);
    assert(recv(fd, bytes, sizeof bytes, 0) > 0);
    close(fd);
    close(door);
    sem_wait(&done);
    assert(h.code == CODE_UNAVAILABLE && h.was_sent == (client_tls == NULL) && strstr(h.text, address) != NULL);
    for (int i = 0; i < 5; i++) {
        fetch(side, address, "/echo", SLICE("x"), &h);
        assert(h.code == CODE_UNAVAILABLE && !h.was_sent && strstr(h.text, address) != NULL);
    }
    sem_destroy(&done);
}

#define WORD(text) { text, sizeof(text) - 1 }
#define SETTINGS "\0\0\0\4\0\0\0\0\0"

/* Peers that do not speak HTTP/2, or break it; nor TLS, where it is wanted. */
static void h2_peer_talks_nonsense(struct side *side)
{
    static const struct slice words[] = {
        WORD("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        WORD(SETTINGS "\0\0\4\3\0\0\0\0\1\0\0\0\0"),                 /* the stream is reset without an answer */
        WORD(SETTINGS "\0\0\3\1\4\0\0\0\1\xff\xff\xff"),             /* a header block that is none */
        WORD(SETTINGS "\0\0\1\0\0\0\0\0\1x"),                        /* data before headers */
        WORD(SETTINGS "\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\0"),        /* GOAWAY: nothing was taken */
        WORD(SETTINGS "\0\0\1\1\5\0\0\0\1\x88" "\0\0\0\0\1\0\0\0\3"), /* an answer, then data of a stream never opened */
    };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t          n = sizeof at;
    int                door = socket(AF_INET, SOCK_STREAM, 0);
    char               address[64], bytes[4096];
    sem_t              done;

    assert(bind(door, (struct sockaddr *)&at, n) == 0 && listen(door, 4) == 0);
    getsockname(door, (struct sockaddr *)&at, &n);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    sem_init(&done, 0, 0);
    for (size_t i = 0; i < (client_tls ? 1 : sizeof words / sizeof *words); i++) { /* all are alike to TLS */
        struct heard h = { .done = &done };
        struct order o;
        order_init(&o, side, address, "/echo", SLICE("x"), &h);
        loop_post(side->loop, &o.task);
        int fd = accept(door, NULL, NULL);
        assert(recv(fd, bytes, sizeof bytes, 0) > 0);
        say(fd, words[i]);
        usleep(20000);
        close(fd);
        sem_wait(&done);
        if (client_tls != NULL)
            assert(h.code == CODE_UNAVAILABLE && !h.was_sent && strstr(h.text, address) != NULL);
        else if (i == 5)
            assert(h.code == CODE_OK && h.status == 200);
        else
            assert(h.code != CODE_OK && h.text[0] != '\0' && h.was_sent == (i != 4));
    }
    close(door);
    sem_destroy(&done);
}

/* A server that closes and opens again on the same port: the next request after the backoff finds it. */
static void h2_peer_comes_back(struct side *side)
{
    struct server s;
    struct heard  h;
    char          address[64];

    server_start(&s, &http_limits_default);
    snprintf(address, sizeof address, "%s", s.address);
    fetch(side, address, "/echo", SLICE("x"), &h);
    assert(h.code == CODE_OK);
    server_stop(&s);
    fetch(side, address, "/echo", SLICE("x"), &h);
    assert(h.code == CODE_UNAVAILABLE);
    server_start_at(&s, address, &http_limits_default);
    for (int i = 0; i < 100 && h.code != CODE_OK; i++) {
        usleep(10000);
        fetch(side, address, "/echo", SLICE("x"), &h);
    }
    assert(h.code == CODE_OK);
    server_stop(&s);
}

/* A draining server answers what it has; the client then knows that it must connect again, and says that it cannot. */
static void h2_drains(struct side *side)
{
    struct server s;
    struct heard  h;
    struct order  o;
    sem_t         done;

    server_start(&s, &http_limits_default);
    sem_init(&done, 0, 0);
    h = (struct heard){ .done = &done };
    order_init(&o, side, s.address, "/hold", SLICE("x"), &h);
    loop_post(side->loop, &o.task);
    assert(soon(is_held, NULL));
    listener_drain(s.listener);
    usleep(50000);
    assert(listener_connections(s.listener) == 1);
    release();
    sem_wait(&done);
    assert(h.code == CODE_OK && h.status == 200);
    assert(soon(none_open, &s));
    fetch(side, s.address, "/echo", SLICE("x"), &h);
    assert(h.code == CODE_UNAVAILABLE && !h.was_sent);
    sem_destroy(&done);
    server_stop(&s);
}

enum { WAVES = 40, A_WAVE = 25 };

/* One server takes over from another on the same port: no request is lost, or it may safely be sent again. */
static void h2_changes_servers(struct side *side)
{
    struct server old, new;
    struct order  o[A_WAVE];
    struct heard  h[A_WAVE];
    sem_t         done;
    int           again = 0;

    server_start(&old, &http_limits_default);
    sem_init(&done, 0, 0);
    for (int w = 0; w < WAVES; w++) {
        for (int i = 0; i < A_WAVE; i++) {
            h[i] = (struct heard){ .done = &done };
            order_init(&o[i], side, old.address, "/echo", SLICE("hello"), &h[i]);
            loop_post(side->loop, &o[i].task);
        }
        if (w == WAVES / 2) {
            listener_drain(old.listener);
            server_start_at(&new, old.address, &http_limits_default);
        }
        for (int i = 0; i < A_WAVE; i++)
            sem_wait(&done);
        for (int i = 0; i < A_WAVE; i++) {
            assert(h[i].code == CODE_OK || (h[i].code == CODE_UNAVAILABLE && !h[i].was_sent));
            again += h[i].code != CODE_OK;
        }
        usleep(h[0].code != CODE_OK ? 20000 : 0);
    }
    assert(soon(none_open, &old) && again < WAVES * A_WAVE / 4);
    sem_destroy(&done);
    server_stop(&new);
    server_stop(&old);
}
static void all(void)
{
    struct side side;

    side_start(&side);
    h2_peer_vanishes(&side);
    h2_peer_talks_nonsense(&side);
    h2_peer_comes_back(&side);
    side_stop(&side);
    side_start(&side);
    h2_drains(&side);
    h2_changes_servers(&side);
    side_stop(&side);
}

int main(void)
{
    both_ways(all, NULL);
    printf("client and peers: ok\n");
    return 0;
}
