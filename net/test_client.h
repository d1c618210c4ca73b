/*
 * For tests of the HTTP/2 client: one on a loop of its own, ordered from the test's thread, in clear text or, with certificates on
 * both sides, over TLS.
 */
#pragma once

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

static inline void on_reply(void *arg, const struct http_reply *r)
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

static inline void run_order(struct task *t)
{
    struct order *o = (struct order *)t;

    o->request = http_client_send(o->side->client, &o->send);
}

static inline void run_cancel(struct task *t)
{
    struct order *o = (struct order *)t;

    http_client_cancel(o->of->request);
}

static inline void order_init(struct order *o, struct side *side, const char *address, const char *path,
                              struct slice body, struct heard *heard)
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

static inline void fetch(struct side *side, const char *address, const char *path, struct slice body, struct heard *h)
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

static inline void run_new(struct task *t)
{
    struct order *o = (struct order *)t;

    o->side->client = http_client_new(o->side->loop, client_tls);
    sem_post(o->heard->done);
}

static inline void run_free(struct task *t)
{
    struct order *o = (struct order *)t;

    http_client_free(o->side->client);
    sem_post(o->heard->done);
}

static inline void on_side(struct side *side, task_fn *fn)
{
    sem_t        done;
    struct heard h = { .done = &done };
    struct order o = { .task.run = fn, .side = side, .heard = &h };

    sem_init(&done, 0, 0);
    loop_post(side->loop, &o.task);
    sem_wait(&done);
    sem_destroy(&done);
}

static inline void side_start(struct side *side)
{
    side->loop = loop_new(9);
    loop_start(side->loop);
    on_side(side, run_new);
}

static inline void side_stop(struct side *side)
{
    on_side(side, run_free);
    loop_stop(side->loop);
    loop_free(side->loop);
}

enum { YEAR_S = 365 * 86400 };

static inline struct tls *tls_as(const struct test_pem *own, const struct test_pem *trusted, bool is_server)
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

/* A thing that must be so in clear text and over TLS; then, still over TLS, `behind`, unless it is NULL. */
static inline void both_ways(void (*all)(void), void (*behind)(const struct test_pem *ca, const struct test_pem *own))
{
    struct test_pem ca = pem_new("test CA", NULL, NULL, -60, YEAR_S);
    struct test_pem own = pem_new("both", "DNS:localhost,IP:127.0.0.1", &ca, -60, YEAR_S);

    signal(SIGPIPE, SIG_IGN);
    all();
    struct tls *as_server = server_tls = tls_as(&own, &ca, true);
    struct tls *as_client = client_tls = tls_as(&own, &ca, false);
    all();
    if (behind != NULL)
        behind(&ca, &own);
    tls_unref(as_server);
    tls_unref(as_client);
    pem_free(&ca);
    pem_free(&own);
}
