/*
 * Goal: bodies that come in pieces, both ways, are held back by whoever is slow; a connection is given up when its peer is
 * silent, and closed when nobody uses it.
 * Method: our client on a loop of its own against the app of test_server.h; a peer that says nothing is a plain socket.
 */
#include "net/client.h"
#include "net/test_server.h"

enum { PIECE = 64 << 10, PIECES = 300 };

static struct loop        *the_loop;
static struct http_client *client;

/* One request; all but `n` and the semaphore is the loop's. */
struct flow {
    struct task          task, later;
    struct http_send     send;
    struct http_request *request;
    int                  pieces_left;
    size_t               most_unsent;
    bool                 is_hungry;
    atomic_size_t        n; /* of the answer */
    size_t               unconsumed;
    int                  status, heads;
    char                 start[32], text[200];
    enum code            code;
    bool                 was_sent;
    sem_t                done;
};

static void on_head(void *arg, int status, const struct http_field *fields, size_t n)
{
    struct flow *f = arg;

    assert(n > 0 && fields[0].name.n > 0 && atomic_load(&f->n) == 0);
    f->status = status;
    f->heads++;
}

static void on_body(void *arg, struct slice piece)
{
    struct flow *f = arg;

    if (f->n == 0)
        snprintf(f->start, sizeof f->start, "%.*s", piece.n < 30 ? (int)piece.n : 30, piece.p);
    f->unconsumed += piece.n;
    if (f->is_hungry) {
        http_request_consume(f->request, f->unconsumed);
        f->unconsumed = 0;
    }
    atomic_fetch_add(&f->n, piece.n);
}

static void on_writable(void *arg)
{
    struct flow *f = arg;

    while (f->pieces_left > 0 && http_request_unsent(f->request) < HTTP_UNSENT_MARK) {
        http_request_give(f->request, mem_zalloc(PIECE), PIECE);
        if (http_request_unsent(f->request) > f->most_unsent)
            f->most_unsent = http_request_unsent(f->request);
        if (--f->pieces_left == 0)
            http_request_finish(f->request);
    }
}

static const struct http_events events = { on_head, on_body, on_writable };

static void on_done(void *arg, const struct http_reply *r)
{
    struct flow *f = arg;

    f->code = r->code;
    f->was_sent = r->was_sent;
    snprintf(f->text, sizeof f->text, "%.*s", SLICE_ARGS(r->text));
    sem_post(&f->done);
}

static void run_send(struct task *t)
{
    struct flow *f = (struct flow *)t;

    f->request = http_client_send(client, &f->send);
    if (f->send.is_open)
        on_writable(f);
}

static struct flow *flow_of(struct task *later)
{
    return (struct flow *)((char *)later - offsetof(struct flow, later));
}

static void run_hungry(struct task *later)
{
    struct flow *f = flow_of(later);

    f->is_hungry = true;
    http_request_consume(f->request, f->unconsumed);
    f->unconsumed = 0;
}

static void run_cancel(struct task *later) { http_client_cancel(flow_of(later)->request); }

static void on_loop(struct flow *f, task_fn *run)
{
    f->task.run = run;
    loop_post(the_loop, &f->task);
}

/* Of a request that is under way. */
static void on_loop_later(struct flow *f, task_fn *run)
{
    f->later.run = run;
    loop_post(the_loop, &f->later);
}

static void flow_init(struct flow *f, const char *address, const char *path)
{
    *f = (struct flow){ .send = { .address = address,
                                  .method = SLICE("POST"),
                                  .path = slice_of(path),
                                  .events = &events,
                                  .on_done = on_done,
                                  .arg = f } };
    sem_init(&f->done, 0, 0);
}

static void flow_end(struct flow *f)
{
    sem_wait(&f->done);
    sem_destroy(&f->done);
}

/* ---- pieces ---- */

static void test_request(const struct server *s)
{
    struct flow f;

    flow_init(&f, s->address, "/count");
    f.send.is_open = f.is_hungry = true;
    f.pieces_left = PIECES;
    on_loop(&f, run_send);
    flow_end(&f);
    assert(f.code == CODE_OK && f.status == 200 && f.heads == 1 && atoi(f.start) == PIECE * PIECES);
    assert(f.most_unsent <= HTTP_UNSENT_MARK + PIECE);
}

static void test_answer(const struct server *s)
{
    struct flow f;

    flow_init(&f, s->address, "/stream");
    on_loop(&f, run_send);
    for (size_t before = 0; f.n == 0 || f.n != before; usleep(50000))
        before = f.n;
    assert(f.n == 1 << 20); /* the window */
    on_loop_later(&f, run_hungry);
    flow_end(&f);
    assert(f.code == CODE_OK && f.n == 20000000);
}

/* The answer needs no more of the request: the rest of it is not sent, and what is given afterwards goes nowhere. */
static void test_early_answer(const struct server *s)
{
    struct flow f;

    flow_init(&f, s->address, "/early");
    f.send.is_open = f.is_hungry = true;
    f.pieces_left = 2;
    f.send.body = SLICE("beginning");
    on_loop(&f, run_send);
    flow_end(&f);
    assert(f.code == CODE_OK && f.status == 413);
}

/* ---- the pulse ---- */

static void test_silent_peer(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t          n = sizeof at;
    int                door = socket(AF_INET, SOCK_STREAM, 0);
    char               address[64];
    struct flow        f;

    assert(bind(door, (struct sockaddr *)&at, n) == 0 && listen(door, 4) == 0);
    getsockname(door, (struct sockaddr *)&at, &n);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    flow_init(&f, address, "/");
    on_loop(&f, run_send);
    int fd = accept(door, NULL, NULL);
    flow_end(&f);
    assert(f.code == CODE_UNAVAILABLE && f.was_sent && strstr(f.text, "PING") != NULL);
    close(fd);
    close(door);
}

/* A peer that takes its time, but is there. */
static void test_slow_peer(const struct server *s)
{
    struct flow f;

    flow_init(&f, s->address, "/silent");
    on_loop(&f, run_send);
    usleep(1500000); /* several PINGs */
    assert(sem_trywait(&f.done) != 0);
    on_loop_later(&f, run_cancel);
    flow_end(&f);
    assert(f.code == CODE_CANCELED);
}

/* ---- beginning and end ---- */

static void run_new(struct task *t)
{
    struct http_patience patience = { .connect_ms = 3000, .ping_after_ms = 200, .ping_wait_ms = 300, .idle_ms = 200 };

    client = http_client_new(the_loop, NULL);
    http_client_set_patience(client, &patience);
    sem_post(&((struct flow *)t)->done);
}

static void run_free(struct task *t)
{
    http_client_free(client);
    sem_post(&((struct flow *)t)->done);
}

int main(void)
{
    struct server s;
    struct flow   f;

    server_start(&s, &http_limits_default);
    the_loop = loop_new(9);
    loop_start(the_loop);
    flow_init(&f, "", "");
    on_loop(&f, run_new);
    flow_end(&f);
    test_request(&s);
    test_answer(&s);
    test_early_answer(&s);
    test_slow_peer(&s);
    assert(soon(none_open, &s)); /* nobody uses the connection */
    test_silent_peer();
    flow_init(&f, "", "");
    on_loop(&f, run_free);
    flow_end(&f);
    loop_stop(the_loop);
    loop_free(the_loop);
    server_stop(&s);
    return 0;
}
