/*
 * Goal: the HTTP/2 client and the server of this room understand each other, in clear text and over TLS, every request ends
 * exactly once, and only whom a client trusts is spoken to.  Method: the client of test_client.h against the app of test_server.h.
 */
#include "net/test_client.h"

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
    side_stop(&side);
    assert(soon(none_open, &s));
    server_stop(&s);
}

/* --- whom a client trusts ----------------------------------------------------------------------------------------- */

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
    both_ways(all, certificates);
    printf("client: ok\n");
    return 0;
}
