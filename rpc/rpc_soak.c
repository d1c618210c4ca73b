/*
 * Goal: any number of calls, many of them given up, late, cut short, half-closed or nonsense, leave nothing behind: no
 * leak, no race, no call and no byte still counted; and who behaves is always answered rightly.
 * Method: a server and its clients in one process, all from one seed; the sanitizers watch.
 *
 *     gentle   good calls and bad questions, each with its one right answer
 *     rude     the same, but cancelled or timed out at any moment
 *     wild     raw sockets: conversations damaged, cut, sent in pieces, and left by every door
 *
 *     rpc_soak [CALLS [SEED]]      ./dev soak runs it at length
 */
#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/client.h"
#include "net/listen.h"
#include "net/loop.h"
#include "rpc/server_priv.h"
#include "rpc/soak_question.h"
#include "rpc/soak_service.h"
#include "tests/conformance/descriptors.h"

enum { CALLS = 50000, LOOPS = 2, INFLIGHT_BYTES_MAX = 64 << 20 };

static struct listener *listener;

/* --- gentle and rude ---------------------------------------------------------------------------------------------- */

enum { SLOTS = 24 };

struct slot { /* one call at a time, then the next */
    struct player       *player;
    struct http_request *request;
    struct loop_timer   *timer; /* gives the call up */
    struct question      question;
};

struct player {
    struct task         start, stop; /* on its loop, which has the rest until `done` is posted */
    struct loop        *loop;
    struct http_client *client;
    bool                is_rude;
    unsigned            seed;
    long                calls, answered; /* to do; of those done */
    unsigned            n_busy;
    struct slot         slots[SLOTS];
    sem_t               done;
};

static http_reply_fn on_done;

static void give_up(void *arg)
{
    struct slot *s = arg;

    http_client_cancel(s->request);
}

static void slot_ask(struct slot *s)
{
    struct player   *p = s->player;
    struct question *q = &s->question;

    if (p->calls == 0) {
        if (--p->n_busy == 0)
            sem_post(&p->done);
        return;
    }
    p->calls--;
    *q = question_make(&p->seed);
    struct http_send send = { .address = listener_address(listener),
                              .method = SLICE("POST"),
                              .path = slice_of(q->aim->path),
                              .fields = q->fields,
                              .n_fields = q->n_fields,
                              .body = buf_view(&q->body),
                              .body_bytes_max = 1 << 20,
                              .on_done = on_done,
                              .arg = s };
    if (p->is_rude && one_in(&p->seed, 4))
        send.deadline_ns = clock_mono_ns() + pick(&p->seed, 2000) * (NS_PER_MS / 1000);
    s->request = http_client_send(p->client, &send);
    buf_free(&q->body);
    if (p->is_rude && one_in(&p->seed, 8))
        http_client_cancel(s->request);
    else if (p->is_rude && one_in(&p->seed, 3))
        loop_timer_arm(s->timer, pick(&p->seed, 3000) * (NS_PER_MS / 1000));
}

static void on_done(void *arg, const struct http_reply *r)
{
    struct slot   *s = arg;
    struct player *p = s->player;

    loop_timer_stop(s->timer);
    if (!p->is_rude && !is_right(&s->question, r)) {
        fprintf(stderr, "%s, %s: code %d wanted; %d %.*s, status %d, grpc-status %.*s, %zu bytes\n",
                s->question.aim->path, s->question.tongue->type, s->question.want, r->code, SLICE_ARGS(r->text),
                r->status, SLICE_ARGS(field_of(r, "grpc-status")), r->body.n);
        abort();
    }
    p->answered += r->code == CODE_OK;
    slot_ask(s);
}

static void player_start(struct task *t)
{
    struct player *p = (struct player *)((char *)t - offsetof(struct player, start));

    p->client = http_client_new(p->loop, NULL);
    p->n_busy = SLOTS;
    for (int i = 0; i < SLOTS; i++) {
        p->slots[i].player = p;
        p->slots[i].timer = loop_timer_new(p->loop, give_up, &p->slots[i]);
        slot_ask(&p->slots[i]);
    }
}

static void player_stop(struct task *t)
{
    struct player *p = (struct player *)((char *)t - offsetof(struct player, stop));

    for (int i = 0; i < SLOTS; i++)
        loop_timer_free(p->slots[i].timer);
    http_client_free(p->client);
    sem_post(&p->done);
}

static void player_begin(struct player *p, bool is_rude, long calls, unsigned seed)
{
    *p = (struct player){
        .start.run = player_start, .stop.run = player_stop, .is_rude = is_rude, .calls = calls, .seed = seed
    };
    sem_init(&p->done, 0, 0);
    p->loop = loop_new(0);
    loop_start(p->loop);
    loop_post(p->loop, &p->start);
}

static void player_end(struct player *p)
{
    sem_wait(&p->done);
    loop_post(p->loop, &p->stop);
    sem_wait(&p->done);
    loop_stop(p->loop);
    loop_free(p->loop);
    sem_destroy(&p->done);
}

/* --- wild --------------------------------------------------------------------------------------------------------- */

struct wild {
    pthread_t thread;
    unsigned  seed;
    long      calls;
};

static void h2_frame(struct buf *b, uint8_t type, uint8_t flags, unsigned id, struct slice content)
{
    const uint8_t head[] = { 0, (uint8_t)(content.n >> 8), (uint8_t)content.n, type, flags, 0,
                             0, (uint8_t)(id >> 8),        (uint8_t)id };

    buf_put(b, head, sizeof head);
    buf_slice(b, content);
}

static void h2_literal(struct buf *b, struct slice value)
{
    buf_byte(b, (uint8_t)value.n);
    buf_slice(b, value);
}

/* Ended, half-closed, or reset by its client. */
static void h2_ask(struct buf *b, unsigned id, const struct question *q, unsigned *seed)
{
    enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, END_STREAM = 1, END_HEADERS = 4 };
    struct buf head = { 0 };

    buf_put(&head,
            "\x83\x86\x41\x01"
            "a\x04",
            6); /* POST, http, :authority a, :path */
    h2_literal(&head, slice_of(q->aim->path));
    buf_put(&head, "\x0f\x10", 2); /* content-type */
    h2_literal(&head, slice_of(q->tongue->type));
    h2_frame(b, HEADERS, END_HEADERS, id, buf_view(&head));
    h2_frame(b, DATA, one_in(seed, 8) ? 0 : END_STREAM, id, buf_view(&q->body));
    if (one_in(seed, 8))
        h2_frame(b, RST_STREAM, 0, id, slice_make("\0\0\0\x08", 4));
    buf_free(&head);
}

static void h1_ask(struct buf *b, const struct question *q)
{
    buf_printf(b, "POST %s HTTP/1.1\r\nhost: a\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n", q->aim->path,
               q->tongue->type, q->body.n);
    buf_slice(b, buf_view(&q->body));
}

static unsigned conversation(struct buf *b, unsigned *seed)
{
    unsigned n = 1 + pick(seed, 40);
    bool     is_h2 = !one_in(seed, 3);

    if (is_h2) {
        buf_text(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        h2_frame(b, 4, 0, 0, (struct slice){ 0 });
    }
    for (unsigned i = 0; i < n; i++) {
        struct question q = question_make(seed);
        if (is_h2)
            h2_ask(b, 2 * i + 1, &q, seed);
        else
            h1_ask(b, &q);
        buf_free(&q.body);
    }
    for (unsigned damages = pick(seed, 3); damages > 0; damages--)
        b->p[pick(seed, (unsigned)b->n)] = (char)pick(seed, 256);
    if (one_in(seed, 3))
        b->n = 1 + pick(seed, (unsigned)b->n);
    return n;
}

static int dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

    to.sin_port = htons((uint16_t)atoi(strrchr(listener_address(listener), ':') + 1));
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
            return fd;
        close(fd);
        usleep(10000); /* the ports of those before are not free yet */
    }
}

static void send_in_pieces(int fd, struct slice all, unsigned *seed)
{
    while (all.n > 0) {
        size_t  n = one_in(seed, 2) ? all.n : 1 + pick(seed, (unsigned)all.n);
        ssize_t sent = send(fd, all.p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        all = slice_from(all, (size_t)sent);
    }
}

static void leave(int fd, unsigned *seed)
{
    struct linger reset = { .l_onoff = 1 };
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char          bytes[4096];

    if (one_in(seed, 3))
        shutdown(fd, SHUT_WR);
    for (unsigned n = pick(seed, 10); n > 0 && poll(&p, 1, 2) == 1; n--)
        if (recv(fd, bytes, sizeof bytes, 0) <= 0)
            break;
    if (one_in(seed, 3))
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

static void *wild_main(void *arg)
{
    struct wild *w = arg;

    while (w->calls > 0) {
        struct buf b = { 0 };
        int        fd = dial();
        w->calls -= conversation(&b, &w->seed);
        send_in_pieces(fd, buf_view(&b), &w->seed);
        leave(fd, &w->seed);
        buf_free(&b);
    }
    return NULL;
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static struct rpc_server *server_start(struct loop *loops[LOOPS])
{
    struct fault       why;
    struct rpc_server *s;
    size_t             n;
    const uint8_t     *set = conformance_proto_descriptors(&n);
    struct rpc_config  config = { .methods = methods,
                                  .n_methods = sizeof methods / sizeof methods[0],
                                  .descriptors = slice_make(set, n),
                                  .authorize = authorize,
                                  .decode_workers = 1,
                                  .query_workers = 2,
                                  .request_bytes_max = MESSAGE_BYTES_MAX,
                                  .inflight_bytes_max = INFLIGHT_BYTES_MAX };
    enum code          code = rpc_server_new(&config, &s, &why);

    assert(code == CODE_OK);
    s->config.app = s;
    struct http_app app = rpc_server_app(s, RPC_FACES_ALL);
    for (int i = 0; i < LOOPS; i++) {
        loops[i] = loop_new(i);
        loop_start(loops[i]);
    }
    code = listener_new("127.0.0.1:0", loops, LOOPS, &app, &http_limits_default, NULL, &listener, &why);
    assert(code == CODE_OK);
    return s;
}

/* What the clients left behind is cleared away without anybody's help. */
static void expect_nothing_left(const struct rpc_server *s)
{
    int64_t until = clock_mono_ns() + 20 * NS_PER_S;

    while (rpc_server_inflight(s) > 0 || s->inflight_bytes > 0 || listener_connections(listener) > 0) {
        assert(clock_mono_ns() < until);
        usleep(1000);
    }
}

static void server_stop(struct rpc_server *s, struct loop *loops[LOOPS])
{
    listener_free(listener);
    for (int i = 0; i < LOOPS; i++)
        loop_stop(loops[i]);
    rpc_server_free(s);
    for (int i = 0; i < LOOPS; i++)
        loop_free(loops[i]);
}

int main(int argc, char **argv)
{
    enum { PLAYERS = 3 };
    long               calls = argc > 1 ? atol(argv[1]) : CALLS;
    unsigned           seed = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    struct loop       *loops[LOOPS];
    struct rpc_server *server = server_start(loops);
    struct player      players[PLAYERS];
    struct wild        wild = { .seed = seed, .calls = calls / 4 };
    long               answered = 0;

    for (unsigned i = 0; i < PLAYERS; i++)
        player_begin(&players[i], i > 0, calls / 4, seed + 1 + i);
    pthread_create(&wild.thread, NULL, wild_main, &wild);
    for (unsigned i = 0; i < PLAYERS; i++) {
        player_end(&players[i]);
        answered += players[i].answered;
    }
    pthread_join(wild.thread, NULL);
    expect_nothing_left(server);
    server_stop(server, loops);
    printf("soak: ok, %ld calls, %ld of %ld answered to those who can tell\n", calls, answered, calls / 4 * PLAYERS);
    return 0;
}
