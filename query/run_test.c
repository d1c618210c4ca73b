/*
 * Goal: a question put to several shards is merged exactly, done runs exactly once whatever the order of the answers, and a
 * shard that fails is the whole answer.  Method: the router is played by this file: peers are threads that answer at once,
 * late, wrongly or not at all; the local shard is a real one.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/batch_make.h"
#include "query/codec.h"
#include "shard/shard.h"

enum { PEERS = 5, ROUNDS = 200 };

/* What the peers do this time. */
static struct shard *local;
static int           n_peers;
static enum code     answer_code[PEERS];
static bool          answers_nonsense[PEERS];
static unsigned      delay_us[PEERS];

struct shard *router_local(struct router *r)
{
    (void)r;
    return local;
}

struct peers {
    struct scatter  what;
    struct question q;
    struct arena   *arena;
    _Atomic int     open;
};

struct peer {
    struct peers *all;
    int           i;
};

/* Peer i knows one stack, "f<i>", with i + 1. */
static void peer_reply(struct peers *all, int i)
{
    struct arena   *a = arena_new(0);
    struct partial *p = partial_new(ASK_TREE);
    struct tree    *t = partial_tree(p);
    char            name[32];

    snprintf(name, sizeof name, "f%d", i);
    tree_add(t, tree_child(t, 0, tree_name(t, slice_of(name))), i + 1);
    Hearth__Shard__V1__QueryResponse *m = partial_encode(p, a);
    if (answers_nonsense[i])
        m->tree = (ProtobufCBinaryData){ 2, (uint8_t *)"\xff\xff" };
    snprintf(name, sizeof name, "shard %d: is not there", i);
    bool is_good = answer_code[i] == CODE_OK;
    all->what.reply(all->what.arg, "a-shard", answer_code[i], is_good ? "" : name, is_good ? &m->base : NULL);
    partial_free(p);
    arena_free(a);
}

static void one_less(struct peers *all)
{
    if (atomic_fetch_sub(&all->open, 1) > 1)
        return;
    all->what.done(all->what.arg);
    arena_free(all->arena);
    free(all);
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;

    if (delay_us[p->i] > 0)
        usleep(delay_us[p->i]);
    peer_reply(p->all, p->i);
    one_less(p->all);
    free(p);
    return NULL;
}

void router_scatter(struct router *r, const struct scatter *s)
{
    struct peers *all = mem_zalloc(sizeof *all);
    struct fault  why;

    (void)r;
    *all = (struct peers){ .what = *s, .arena = arena_new(0), .open = n_peers + 1 };
    assert(strcmp(s->path, "/hearth.shard.v1.Shard/Query") == 0 && s->deadline_ns == 77);
    assert(question_decode((const void *)s->message, all->arena, &all->q, &why) == CODE_OK && all->q.kind == ASK_TREE);
    for (int i = 0; i < n_peers; i++) {
        struct peer *p = mem_alloc(sizeof *p);
        pthread_t    t;
        *p = (struct peer){ all, i };
        pthread_create(&t, NULL, peer_main, p);
        pthread_detach(t);
    }
    one_less(all);
}

struct outcome {
    struct partial *p;
    struct fault    why;
    _Atomic int     times;
};

static void on_done(void *arg, struct partial *p, const struct fault *why)
{
    struct outcome *o = arg;

    o->p = p;
    if (p == NULL)
        o->why = *why;
    atomic_fetch_add(&o->times, 1);
}

struct job {
    void (*fn)(void *arg);
    void *arg;
};

static void *job_main(void *arg)
{
    struct job j = *(struct job *)arg;

    free(arg);
    j.fn(j.arg);
    return NULL;
}

static _Atomic int spawned;

/* A worker that is full every third time. */
static bool spawn(const void *asker, void (*fn)(void *arg), void *arg)
{
    struct job *j;
    pthread_t   t;

    assert(asker == &spawned);
    if (atomic_fetch_add(&spawned, 1) % 3 == 2)
        return false;
    j = mem_alloc(sizeof *j);
    *j = (struct job){ fn, arg };
    pthread_create(&t, NULL, job_main, j);
    pthread_detach(t);
    return true;
}

static void ask(const char *selector, struct outcome *o)
{
    struct slice    tenant = SLICE("t"), text = slice_of(selector);
    struct question q = { .kind = ASK_TREE,
                          .tenants = &tenant,
                          .n_tenants = 1,
                          .end_ns = INT64_MAX,
                          .selectors = &text,
                          .n_selectors = 1,
                          .asker = &spawned,
                          .spawn = spawn };

    *o = (struct outcome){ 0 };
    query_run(NULL, &q, 77, on_done, o);
    while (atomic_load(&o->times) == 0)
        usleep(100);
}

static int64_t total(struct partial *p)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < partial_tree(p)->n; i++)
        sum += partial_tree(p)->self[i];
    return sum;
}

static struct shard *shard_with(int64_t value)
{
    struct shard_config c = { .name = "t", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX };
    struct shard       *s = shard_new(&c);
    struct arena       *a = arena_new(0);
    struct batch_make   m;
    struct append       append = { .batch = &m.b }, *list = &append;

    make_begin(&m, a, "s", "cpu", NS_PER_S);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "");
    make_row(&m, "f0", &value);
    make_end(&m);
    m.b.tenant = SLICE("t");
    shard_step(s, &list, 1, NS_PER_S);
    assert(append.code == CODE_OK);
    arena_free(a);
    return s;
}

int main(void)
{
    struct shard  *s = shard_with(100);
    struct outcome o;

    n_peers = 0; /* one process: done before the return */
    local = s;
    ask("{}", &o);
    assert(o.times == 1 && total(o.p) == 100);
    partial_free(o.p);
    ask("{", &o);
    assert(o.p == NULL && o.why.code == CODE_INVALID_ARGUMENT);
    local = NULL; /* nobody knows anything */
    ask("{}", &o);
    assert(total(o.p) == 0);
    partial_free(o.p);

    n_peers = PEERS;
    for (int round = 0; round < ROUNDS; round++) {
        int bad = round % 4 == 0 ? round / 4 % PEERS : -1, nonsense = round % 16 == 2 ? round / 16 % PEERS : -1;
        local = round % 3 ? s : NULL;
        for (int i = 0; i < PEERS; i++) {
            answer_code[i] = i == bad ? CODE_UNAVAILABLE : CODE_OK;
            answers_nonsense[i] = i == nonsense;
            delay_us[i] = (unsigned)((round * 7 + i * 13) % 5) * 100;
        }
        ask("{}", &o);
        assert(o.times == 1 && (o.p == NULL) == (bad >= 0 || nonsense >= 0));
        if (o.p != NULL)
            assert(total(o.p) == 15 + (local ? 100 : 0) && partial_tree(o.p)->n == 6);
        else if (bad >= 0)
            assert(o.why.code == CODE_UNAVAILABLE && o.why.text[6] == '0' + bad);
        else
            assert(o.why.code == CODE_INTERNAL && strstr(o.why.text, "a-shard") != NULL);
        partial_free(o.p);
    }
    assert(spawned > ROUNDS / 4); /* a peer was the last, mostly */
    usleep(20000);                /* the last thread is on its way out */
    shard_free(s);
    puts("run: ok");
    return 0;
}
