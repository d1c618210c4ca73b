/*
 * Goal: the HTTP/2 client and the server of this room understand each other, in clear text and over TLS, and every
 * request ends exactly once, whatever becomes of it.  Method: our own client on a loop of its own against the app of
 * test_server.h, first without and then with certificates on both sides; a peer that vanishes is a plain socket that
 * takes what comes and closes.
 */
#include <signal.h>

#include "net/client.h"
#include "net/test_pem.h"
#include "net/test_server.h"

struct heard {
    enum code code;
    bool      was_sent;
    int       status;
    size_t    n_body, n_trailers;
    char      start[64], text[200];
    sem_t    *done;
};

struct side {
    struct loop        *loop;
    struct http_client *client;
};

static struct tls *client_tls; /* of clients that start; NULL: clear text */

struct order {
    struct task          task;
    struct side         *side;
    struct http_send     send;
    struct heard        *heard;
    struct http_request *request;
    struct order        *of; /* to be cancelled */
};

static void on_reply(void *arg, const struct http_reply *r)
{
    struct heard *h = arg;
    size_t        n = r->body.n < sizeof h->start - 1 ? r->body.n : sizeof h->start - 1;

    h->code = r->code;
    h->was_sent = r->was_sent;
    h->status = r->status;
    h->n_body = r->body.n;
    h->n_trailers = r->n_trailers;
    if (n > 0)
        memcpy(h->start, r->body.p, n);
    snprintf(h->text, sizeof h->text, "%.*s", SLICE_ARGS(r->text));
    sem_post(h->done);
}

static void run_order(struct task *t)
{
    struct order *o = (struct order *)t;

    o->request = http_client_send(o->side->client, &o->send);
}

static void run_cancel(struct task *t)
{
    struct order *o = (struct order *)t;

    http_client_cancel(o->of->request);
}

static void order_init(struct order *o, struct side *side, const char *address, const char *path, struct slice body,
                       struct heard *heard)
{
    *o = (struct order){ .task.run = run_order, .side = side, .heard = heard };
    o->send = (struct http_send){ .address = address,
                                  .method = SLICE("POST"),
                                  .path = slice_of(path),
                                  .body = body,
                                  .body_bytes_max = 64 << 20,
                                  .on_done = on_reply,
                                  .arg = heard };
}

static void fetch(struct side *side, const char *address, const char *path, struct slice body, struct heard *h)
{
    struct order o;
    sem_t        done;

    sem_init(&done, 0, 0);
    *h = (struct heard){ .done = &done };
    order_init(&o, side, address, path, body, h);
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    sem_destroy(&done);
}

static void run_new(struct task *t)
{
    struct order *o = (struct order *)t;

    o->side->client = http_client_new(o->side->loop, client_tls);
    sem_post(o->heard->done);
}

static void run_free(struct task *t)
{
    struct order *o = (struct order *)t;

    http_client_free(o->side->client);
    sem_post(o->heard->done);
}

static void on_side(struct side *side, task_fn *fn)
{
    sem_t        done;
    struct heard h = { .done = &done };
    struct order o = { .task.run = fn, .side = side, .heard = &h };

    sem_init(&done, 0, 0);
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    sem_destroy(&done);
}

static void side_start(struct side *side)
{
    side->loop = loop_new(9);
    loop_start(side->loop);
    on_side(side, run_new);
}

static void side_stop(struct side *side)
{
    on_side(side, run_free);
    loop_stop(side->loop);
    loop_free(side->loop);
}

static void h2_unary(struct server *s, struct side *side)
{
    struct heard h;
    static char  much[5000000];

    fetch(side, s->address, "/echo", SLICE("hello"), &h);
    assert(h.code == CODE_OK && h.status == 200 && h.n_body == 5 && h.n_trailers == 1 && strcmp(h.start, "hello") == 0);
    fetch(side, s->address, "/trailers", SLICE(""), &h);
    assert(h.code == CODE_OK && h.status == 200 && h.n_body == 0 && h.n_trailers == 1);
    fetch(side, s->address, "/bare", SLICE(""), &h);
    assert(h.code == CODE_OK && h.status == 204 && h.n_body == 0);
    fetch(side, s->address, "/echo", slice_make(much, sizeof much), &h);
    assert(h.code == CODE_OK && h.n_body == sizeof much);
    fetch(side, s->address, "/early", slice_make(much, sizeof much), &h);
    assert(h.code == CODE_OK && h.status == 413);
    fetch(side, s->address, "/stream", SLICE(""), &h);
    assert(h.code == CODE_OK && h.n_body == 20000000);
    fetch(side, s->address, "/abort", SLICE(""), &h);
    assert(h.code == CODE_INTERNAL && h.was_sent);
    fetch(side, "127.0.0.1:1", "/", SLICE(""), &h);
    assert(h.code == CODE_UNAVAILABLE && !h.was_sent && strstr(h.text, "127.0.0.1:1") != NULL);
    fetch(side, "no-such-host.invalid:1", "/", SLICE(""), &h);
    assert(h.code == CODE_UNAVAILABLE && strstr(h.text, "no-such-host.invalid") != NULL);
    fetch(side, "nonsense", "/", SLICE(""), &h);
    assert(h.code == CODE_UNAVAILABLE && strstr(h.text, "HOST:PORT") != NULL);
}

static void h2_deadline_and_cancel(struct server *s, struct side *side)
{
    struct heard h;
    struct order o, cancel;
    sem_t        done;

    sem_init(&done, 0, 0);
    h = (struct heard){ .done = &done };
    order_init(&o, side, s->address, "/silent", SLICE("x"), &h);
    int64_t begun = clock_mono_ns();
    o.send.deadline_ns = begun + 50 * NS_PER_MS;
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    assert(h.code == CODE_DEADLINE_EXCEEDED && h.was_sent && clock_mono_ns() - begun >= 50 * NS_PER_MS);
    h = (struct heard){ .done = &done };
    order_init(&o, side, s->address, "/silent", SLICE("x"), &h);
    loop_post(side->loop, &o.task);
    usleep(20000);
    cancel = (struct order){ .task.run = run_cancel, .of = &o };
    loop_post(side->loop, &cancel.task);
    sem_wait(&done);
    assert(h.code == CODE_CANCELED);
    sem_destroy(&done);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

enum { MANY = 2000 };

/* More requests than the peer takes at a time: the others wait, all are answered. */
static void h2_many(struct server *s, struct side *side)
{
    struct order *o = mem_zalloc(MANY * sizeof *o);
    struct heard *h = mem_zalloc(MANY * sizeof *h);
    sem_t         done;

    sem_init(&done, 0, 0);
    for (int i = 0; i < MANY; i++) {
        h[i].done = &done;
        order_init(&o[i], side, s->address, "/echo", SLICE("0123456789"), &h[i]);
        loop_post(side->loop, &o[i].task);
    }
    for (int i = 0; i < MANY; i++)
        sem_wait(&done);
    for (int i = 0; i < MANY; i++)
        assert(h[i].code == CODE_OK && h[i].n_body == 10);
    assert(listener_connections(s->listener) <= 4);
    free(o);
    free(h);
    sem_destroy(&done);
}

static void h2_bounds_answers(struct server *s, struct side *side)
{
    struct heard h;
    struct order o;
    sem_t        done;

    sem_init(&done, 0, 0);
    h = (struct heard){ .done = &done };
    order_init(&o, side, s->address, "/stream", SLICE(""), &h);
    o.send.body_bytes_max = 1000000;
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    assert(h.code == CODE_RESOURCE_EXHAUSTED && h.was_sent);
    sem_destroy(&done);
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

static size_t held_bytes(void)
{
    struct exchange *x = atomic_load(&held_exchange);

    return x == NULL ? 0 : atomic_load(&((struct echo *)x->user)->n);
}

/* A body that nobody consumes stops its stream at the window, and no other stream of the connection. */
static void h2_slows_its_sender(struct server *s, struct side *side)
{
    static char  much[5000000];
    struct heard h, other;
    struct order o;
    sem_t        done;

    sem_init(&done, 0, 0);
    h = (struct heard){ .done = &done };
    order_init(&o, side, s->address, "/hold", slice_make(much, sizeof much), &h);
    loop_post(side->loop, &o.task);
    assert(soon(is_held, NULL));
    for (size_t before = 0; held_bytes() == 0 || held_bytes() != before; usleep(50000))
        before = held_bytes();
    assert(held_bytes() == 1 << 20);
    fetch(side, s->address, "/echo", slice_make(much, 100000), &other);
    assert(other.code == CODE_OK && other.n_body == 100000);
    release();
    sem_wait(&done);
    assert(h.code == CODE_OK && h.status == 200);
    sem_destroy(&done);
}

static bool has_silent(void *arg) { return atomic_load(&silent) > *(int *)arg; }

/* A client that goes away: its exchanges end. */
static void h2_client_vanishes(struct server *s)
{
    struct side  side;
    struct heard h;
    struct order o;
    sem_t        done;
    int          before = atomic_load(&silent);

    side_start(&side);
    sem_init(&done, 0, 0);
    h = (struct heard){ .done = &done };
    order_init(&o, &side, s->address, "/silent", SLICE("x"), &h);
    loop_post(side.loop, &o.task);
    assert(soon(has_silent, &before));
    side_stop(&side);
    sem_wait(&done);
    assert(h.code == CODE_CANCELED && h.was_sent);
    sem_destroy(&done);
}

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
    struct server s;
    struct side   side;

    server_start(&s, &http_limits_default);
    side_start(&side);
    h2_unary(&s, &side);
    h2_deadline_and_cancel(&s, &side);
    h2_many(&s, &side);
    h2_bounds_answers(&s, &side);
    h2_slows_its_sender(&s, &side);
    h2_client_vanishes(&s);
    h2_peer_vanishes(&side);
    h2_peer_talks_nonsense(&side);
    h2_peer_comes_back(&side);
    side_stop(&side);
    assert(soon(none_open, &s));
    server_stop(&s);
    side_start(&side);
    h2_drains(&side);
    h2_changes_servers(&side);
    side_stop(&side);
}

/* --- whom a client trusts ----------------------------------------------------------------------------------------- */

enum { YEAR_S = 365 * 86400 };

static struct tls *tls_as(const struct test_pem *own, const struct test_pem *trusted, bool is_server)
{
    struct tls_config config = { .clients = TLS_CLIENTS_REQUIRED };
    struct tls       *tls;
    struct fault      why;

    if (own != NULL)
        config.cert = buf_view(&own->cert_pem), config.key = buf_view(&own->key_pem);
    config.ca = buf_view(&trusted->cert_pem);
    enum code code = is_server ? tls_server_new(&config, &tls, &why) : tls_client_new(&config, &tls, &why);
    assert(code == CODE_OK);
    return tls;
}

/* A client with this context is refused, or refuses, in these words. */
static void expect_refusal(const struct server *s, struct tls *tls, const char *host, const char *words)
{
    struct side  side;
    struct heard h;
    char         address[64];

    client_tls = tls;
    side_start(&side);
    snprintf(address, sizeof address, "%s:%d", host, s->port);
    fetch(&side, address, "/echo", SLICE("x"), &h);
    if (h.code != CODE_UNAVAILABLE || strstr(h.text, words) == NULL || strstr(h.text, address) == NULL) {
        fprintf(stderr, "wanted \"%s\", got %d %s\n", words, h.code, h.text);
        abort();
    }
    side_stop(&side);
    tls_unref(tls);
}

static void certificates(const struct test_pem *ca, const struct test_pem *own)
{
    struct test_pem other = pem_new("other CA", NULL, NULL, -60, YEAR_S);
    struct test_pem late = pem_new("late", "DNS:localhost", ca, -7200, -3600);
    struct server   s;

    server_start_at(&s, "0.0.0.0:0", &http_limits_default);
    expect_refusal(&s, tls_as(own, &other, false), "127.0.0.1", "unable to get local issuer certificate");
    expect_refusal(&s, tls_as(own, ca, false), "127.0.0.2", "IP address mismatch");
    expect_refusal(&s, tls_as(NULL, ca, false), "127.0.0.1", "certificate required");
    expect_refusal(&s, tls_as(&late, ca, false), "localhost", "certificate expired");
    server_stop(&s);
    pem_free(&other);
    pem_free(&late);
}

int main(void)
{
    struct test_pem ca = pem_new("test CA", NULL, NULL, -60, YEAR_S);
    struct test_pem own = pem_new("both", "DNS:localhost,IP:127.0.0.1", &ca, -60, YEAR_S);

    signal(SIGPIPE, SIG_IGN);
    all();
    struct tls *as_server = server_tls = tls_as(&own, &ca, true);
    struct tls *as_client = client_tls = tls_as(&own, &ca, false);
    all();
    certificates(&ca, &own);
    tls_unref(as_server);
    tls_unref(as_client);
    pem_free(&ca);
    pem_free(&own);
    printf("client: ok\n");
    return 0;
}
