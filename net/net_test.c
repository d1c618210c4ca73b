/*
 * Goal: real sockets, real threads: whatever an HTTP/1.1 client does, the app sees whole exchanges, the client sees
 * whole answers, and both ends come to rest; what is posted to a loop runs there in order.  Method: raw sockets against
 * the app of test_server.h.
 */
#include "net/test_server.h"

static void h1_keeps_alive_and_pipelines(const struct server *s)
{
    int        fd = dial(s);
    struct buf b;

    for (int i = 0; i < 3; i++) {
        say(fd, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe"));
        usleep(2000);
        say(fd, SLICE("llo"));
        b = hear(fd, "hello", 1);
        assert(has(&b, "HTTP/1.1 200 OK\r\n") && has(&b, "content-length: 5\r\n") && has(&b, "x-mark: m\r\n"));
        buf_free(&b);
    }
    for (int i = 0; i < 50; i++)
        say(fd,
            SLICE("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
                  "t: v\r\n\r\nGET /query?a=b%20c HTTP/1.1\r\nhost: x\r\n\r\n"));
    b = hear(fd, "a=b%20c", 50);
    struct slice rest = buf_view(&b);
    for (int i = 0; i < 50; i++) {
        size_t at = slice_find(rest, SLICE("abcde"));
        assert(at < rest.n && at < slice_find(rest, SLICE("a=b%20c")));
        rest = slice_from(rest, slice_find(rest, SLICE("a=b%20c")) + 7);
    }
    buf_free(&b);
    close(fd);
}

static void h1_versions_and_methods(const struct server *s)
{
    struct buf b = ask(s, SLICE("GET /query?q HTTP/1.0\r\n\r\n"));
    assert(has(&b, "content-length: 1\r\nconnection: close\r\n\r\nq"));
    buf_free(&b);
    b = ask(s, SLICE("HEAD /query?q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(has(&b, "content-length: 1\r\n") && slice_starts(slice_from(buf_view(&b), b.n - 4), SLICE("\r\n\r\n")));
    buf_free(&b);
    b = ask(s, SLICE("GET /bare HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(has(&b, "HTTP/1.1 204 No Content") && !has(&b, "content-length") && !has(&b, "chunked"));
    buf_free(&b);
    b = ask(s, SLICE("GET http://y/query?z HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(has(&b, "\r\n\r\nz"));
    buf_free(&b);
    b = ask(s, SLICE("GET /stream HTTP/1.0\r\n\r\n"));
    assert(b.n > 20000000 && !has(&b, "chunked"));
    buf_free(&b);
    b = ask(s, SLICE("GET /stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert(b.n > 20000000 && has(&b, "transfer-encoding: chunked\r\n"));
    assert(slice_starts(slice_from(buf_view(&b), b.n - 7), SLICE("\r\n0\r\n\r\n")));
    buf_free(&b);
}

static void h1_refuses(const struct server *s)
{
    struct buf b = ask(s, SLICE("GET / HTTP/1.1\nhost: x\n\n"));
    assert(has(&b, "HTTP/1.1 400 ") && has(&b, "CR LF"));
    buf_free(&b);
    b = ask(s, SLICE("GET / HTTP/3.0\r\nhost: x\r\n\r\n"));
    assert(has(&b, "HTTP/1.1 505 "));
    buf_free(&b);
    b = ask(s, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"));
    assert(has(&b, "HTTP/1.1 400 ") && has(&b, "connection: close"));
    buf_free(&b);
    b = ask(s, SLICE("GET /abort HTTP/1.1\r\nhost: x\r\n\r\n"));
    assert(b.n == 0);
    buf_free(&b);
}

static void h1_answers_early_and_continues(const struct server *s)
{
    int          fd = dial(s);
    struct buf   b;
    static char  much[400000];
    struct slice all = slice_make(much, sizeof much);

    say(fd, SLICE("POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n"));
    say(fd, all);
    b = hear(fd, NULL, 0);
    assert(has(&b, "HTTP/1.1 413 ") && has(&b, "connection: close") && has(&b, "too large"));
    buf_free(&b);
    close(fd);
    fd = dial(s);
    say(fd, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"));
    b = hear(fd, "100 Continue\r\n\r\n", 1);
    buf_free(&b);
    say(fd, SLICE("ok"));
    b = hear(fd, "\r\n\r\nok", 1);
    buf_free(&b);
    say(fd, SLICE("GET /query?half HTTP/1.1\r\nhost: x\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    b = hear(fd, NULL, 0);
    assert(has(&b, "\r\n\r\nhalf"));
    buf_free(&b);
    close(fd);
}

#define SILENT "GET /silent HTTP/1.1\r\nhost: x\r\n\r\n"

static bool has_silent(void *arg) { return atomic_load(&silent) > *(int *)arg; }

/* A reset ends the exchange at once, also while nothing is being read because a second request waits. */
static void h1_sees_resets(struct server *s)
{
    static const struct slice asked[] = { { SILENT, sizeof SILENT - 1 }, { SILENT SILENT, 2 * (sizeof SILENT - 1) } };

    for (int i = 0; i < 2; i++) {
        int           before = atomic_load(&silent), fd = dial(s);
        struct linger reset = { .l_onoff = 1 };
        say(fd, asked[i]);
        assert(soon(has_silent, &before));
        usleep(10000);
        assert(!all_gone(NULL));
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        assert(soon(all_gone, NULL) && soon(none_open, s));
    }
}

/* A body that nobody consumes stops its sender: the loop reads a window's worth and no more. */
static void h1_slows_its_sender(const struct server *s)
{
    int         fd = dial(s);
    size_t      sent = 0;
    static char zeros[65536];

    say(fd, SLICE("POST /hold HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n"));
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        if (poll(&p, 1, 300) == 0)
            break;
        ssize_t n = send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
        assert(n > 0);
        sent += (size_t)n;
        assert(sent < 100000000);
    }
    assert(sent > 1000000 && soon(is_held, NULL));
    release();
    struct buf b = hear(fd, "HTTP/1.1 200 OK", 1);
    buf_free(&b);
    close(fd);
}

/* --- posting ------------------------------------------------------------------------------------------------------ */

enum { POSTERS = 4, POSTS = 20000 };

struct ticket {
    struct task task;
    int         poster, number;
};

static struct loop *post_loop;
static int          last_of[POSTERS], n_run; /* the loop's thread only */

static void run_ticket(struct task *t)
{
    struct ticket *k = (struct ticket *)t;

    assert(loop_is_mine(post_loop) && last_of[k->poster] == k->number - 1);
    last_of[k->poster] = k->number;
    n_run++;
    free(k);
}

static void *post_many(void *arg)
{
    for (int i = 1; i <= POSTS; i++) {
        struct ticket *k = mem_zalloc(sizeof *k);
        *k = (struct ticket){ .task.run = run_ticket, .poster = (int)(intptr_t)arg, .number = i };
        loop_post(post_loop, &k->task);
    }
    return NULL;
}

static void posts_keep_their_order(void)
{
    pthread_t threads[POSTERS];

    post_loop = loop_new(3);
    loop_start(post_loop);
    for (intptr_t i = 0; i < POSTERS; i++)
        pthread_create(&threads[i], NULL, post_many, (void *)i);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    loop_stop(post_loop);
    assert(n_run == POSTERS * POSTS);
    loop_free(post_loop);
}

/* Connections that stay are shared out among the loops, however the kernel hashed them. */
static void loops_share(void)
{
    enum { CONNECTIONS = 20 };
    struct server s;
    int           fds[CONNECTIONS], before[2] = { atomic_load(&heads_of[0]), atomic_load(&heads_of[1]) };

    server_start(&s, &http_limits_default);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = dial(&s);
        say(fds[i], SLICE("GET /query?q HTTP/1.1\r\nhost: x\r\n\r\n"));
        struct buf b = hear(fds[i], "\r\n\r\nq", 1);
        buf_free(&b);
    }
    for (int i = 0; i < 2; i++)
        assert(atomic_load(&heads_of[i]) - before[i] == CONNECTIONS / 2);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    assert(soon(none_open, &s));
    server_stop(&s);
}

/* --- time, drain, addresses --------------------------------------------------------------------------------------- */

static void h1_waits_no_longer_than_told(void)
{
    struct http_limits limits = http_limits_default;
    struct server      s;
    struct buf         b;

    limits.idle_ns = limits.head_wait_ns = limits.body_wait_ns = 100 * NS_PER_MS;
    server_start(&s, &limits);
    b = ask(&s, SLICE(""));
    assert(b.n == 0);
    buf_free(&b);
    b = ask(&s, SLICE("PRI * HT"));
    assert(b.n == 0);
    buf_free(&b);
    b = ask(&s, SLICE("GET / HT"));
    assert(has(&b, "HTTP/1.1 408 "));
    buf_free(&b);
    b = ask(&s, SLICE("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe"));
    assert(has(&b, "HTTP/1.1 408 "));
    buf_free(&b);
    b = ask(&s, SLICE("GET /query?q HTTP/1.1\r\nhost: x\r\n\r\n")); /* answered, then idle */
    assert(has(&b, "\r\n\r\nq") && !has(&b, "408"));
    buf_free(&b);
    assert(soon(none_open, &s));
    server_stop(&s);
}

/* An idle connection is closed, a busy one answers first and says that it closes. */
static void h1_drains(void)
{
    struct server s;
    struct buf    b;

    server_start(&s, &http_limits_default);
    int idle = dial(&s), busy = dial(&s);
    say(idle, SLICE("GET /query?q HTTP/1.1\r\nhost: x\r\n\r\n"));
    b = hear(idle, "\r\n\r\nq", 1);
    buf_free(&b);
    say(busy, SLICE("POST /hold HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx"));
    assert(soon(is_held, NULL));
    listener_drain(s.listener);
    b = hear(idle, NULL, 0);
    assert(b.n == 0);
    buf_free(&b);
    release();
    b = hear(busy, NULL, 0);
    assert(has(&b, "HTTP/1.1 200 OK") && has(&b, "connection: close"));
    buf_free(&b);
    close(idle);
    close(busy);
    assert(soon(none_open, &s));
    server_stop(&s);
}

static void addresses(void)
{
    static const char *const good[] = { ":0", "[::1]:0", "localhost:0", "0.0.0.0:0" };
    static const char *const wrong[] = { "127.0.0.1", "127.0.0.1:", "::1:0", "no-such-host.invalid:0", "192.0.2.1:0" };
    struct loop     *l = loop_new(0);
    struct listener *out, *twice;
    struct fault     why;

    loop_start(l);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        enum code code = listener_new(good[i], &l, 1, &app, &http_limits_default, NULL, &out, &why);
        if (code != CODE_OK && i == 1)
            continue; /* no IPv6 here */
        assert(code == CODE_OK && strrchr(listener_address(out), ':')[1] != '0');
        listener_free(out);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert(listener_new(wrong[i], &l, 1, &app, &http_limits_default, NULL, &out, &why) != CODE_OK);
        assert(strstr(why.text, wrong[i]) != NULL);
    }
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t          n = sizeof at;
    char               text[64];
    assert(bind(taken, (struct sockaddr *)&at, n) == 0 && listen(taken, 1) == 0);
    getsockname(taken, (struct sockaddr *)&at, &n);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(at.sin_port));
    assert(listener_new(text, &l, 1, &app, &http_limits_default, NULL, &twice, &why) == CODE_UNAVAILABLE);
    assert(strstr(why.text, "in use") != NULL);
    close(taken);
    loop_stop(l);
    loop_free(l);
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

enum { ALARMS = 8, ALARM_ROUNDS = 100 };

/* Several, so that one wakes the loop somewhere in the last millisecond of another. */
struct alarms {
    struct task  start;
    struct loop *loop;
    struct alarm {
        struct alarms     *of;
        struct loop_timer *timer;
        int64_t            due_ns;
        int                left;
    } each[ALARMS];
    int   n_left;
    sem_t done;
};

static void alarm_next(struct alarm *a)
{
    int64_t after_ns = a->left * 7919 % 3000 * (NS_PER_MS / 1000);

    a->due_ns = clock_mono_ns() + after_ns;
    loop_timer_arm(a->timer, after_ns);
}

static void on_alarm(void *arg)
{
    struct alarm *a = arg;

    assert(clock_mono_ns() >= a->due_ns);
    if (--a->left > 0)
        alarm_next(a);
    else if (--a->of->n_left == 0)
        sem_post(&a->of->done);
}

static void alarms_start(struct task *t)
{
    struct alarms *s = (struct alarms *)t;

    for (int i = 0; i < ALARMS; i++) {
        s->each[i] = (struct alarm){ .of = s, .left = ALARM_ROUNDS + i };
        s->each[i].timer = loop_timer_new(s->loop, on_alarm, &s->each[i]);
        alarm_next(&s->each[i]);
    }
}

static void timers_are_never_early(void)
{
    struct alarms s = { .start.run = alarms_start, .loop = loop_new(0), .n_left = ALARMS };

    sem_init(&s.done, 0, 0);
    loop_start(s.loop);
    loop_post(s.loop, &s.start);
    sem_wait(&s.done);
    loop_stop(s.loop);
    loop_free(s.loop);
    sem_destroy(&s.done);
}

int main(void)
{
    struct server s;

    posts_keep_their_order();
    timers_are_never_early();
    server_start(&s, &http_limits_default);
    h1_keeps_alive_and_pipelines(&s);
    h1_versions_and_methods(&s);
    h1_refuses(&s);
    h1_answers_early_and_continues(&s);
    h1_slows_its_sender(&s);
    assert(soon(none_open, &s));
    h1_sees_resets(&s);
    assert(soon(none_open, &s));
    server_stop(&s);
    h1_waits_no_longer_than_told();
    h1_drains();
    loops_share();
    addresses();
    printf("net: ok\n");
    return 0;
}
