/*
 * Goal: each batch of a push reaches its owner once or its pusher is told the truth; questions reach everybody; maps
 * change under way.  Method: a cluster in one process.  Its wire is rpc_client_call below, which stands in for
 * rpc/client.c and can be told to be down, to break off, or to lead to another node; replies come on threads of their
 * own, as from a loop.
 */
#include "router/router.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/shard.pb-c.h"
#include "router/map.h"
#include "shard/test_batch.h"

#define T0 (1700000000 * NS_PER_S)
#define NEVER INT64_MAX

typedef Hearth__Shard__V1__AppendRequest          append_request;
typedef Hearth__Shard__V1__AppendResponse         append_response;
typedef Hearth__Shard__V1__AppendResponse__Result append_result;

enum { NODES_MAX = 5 };
enum wire { WIRE_UP, WIRE_DOWN, WIRE_BREAKS_AFTER, WIRE_REFUSES, WIRE_WRONG_NODE };

static struct node {
    char              name[16], address[16];
    struct shard     *shard;
    struct writer    *writer;
    struct router    *router;
    _Atomic enum wire wire;
    _Atomic int       calls;
} nodes[NODES_MAX];

static char        dir[] = "/tmp/router_test.XXXXXX";
static char        map_path[64];
static _Atomic int calls_open;

/* ---- the wire ---- */

struct wire_call {
    struct node  *node;
    char          path[64];
    uint8_t      *bytes;
    size_t        n;
    int64_t       deadline_ns;
    rpc_reply_fn *on_reply;
    void         *arg;
};

struct wire_append {
    struct append append;
    struct batch  batch;
    sem_t        *done;
};

static void appended(struct append *a) { sem_post(((struct wire_append *)(void *)a)->done); }

/* What server/append.c does, one batch after the other. */
static void serve_append(struct wire_call *c)
{
    append_request *request = (append_request *)protobuf_c_message_unpack(
        &hearth__shard__v1__append_request__descriptor, NULL, c->n, c->bytes);
    append_response response = HEARTH__SHARD__V1__APPEND_RESPONSE__INIT;
    struct arena   *a = arena_new(0);
    append_result  *results = arena_array(a, request->n_parcels, sizeof *results), **list;
    sem_t           done;

    sem_init(&done, 0, 0);
    list = arena_array(a, request->n_parcels, sizeof *list);
    for (size_t i = 0; i < request->n_parcels; i++) {
        struct wire_append one = { .append.done = appended, .done = &done };
        ProtobufCBinaryData sent = request->parcels[i]->batch;
        struct slice        bytes = arena_copy(a, slice_make(sent.data, sent.len));
        struct fault       why;
        enum code          code = batch_decode(bytes, a, &one.batch, &why);
        if (code == CODE_OK && (code = router_accept(c->node->router, &one.batch, &one.append, &why)) == CODE_OK) {
            while (sem_wait(&done) != 0)
                ;
            code = one.append.code;
            why = one.append.why;
        }
        results[i] = (append_result)HEARTH__SHARD__V1__APPEND_RESPONSE__RESULT__INIT;
        results[i].code = (int32_t)code;
        if (code != CODE_OK) {
            struct slice text = arena_copy(a, slice_of(why.text));
            results[i].message = (ProtobufCBinaryData){ text.n, (uint8_t *)text.p };
        }
        list[i] = &results[i];
    }
    response.n_results = request->n_parcels;
    response.results = list;
    response.map_epoch = router_epoch(c->node->router);
    if (atomic_load(&c->node->wire) == WIRE_BREAKS_AFTER)
        c->on_reply(c->arg, CODE_UNAVAILABLE, "connection reset", true, NULL);
    else
        c->on_reply(c->arg, CODE_OK, "", true, &response.base);
    protobuf_c_message_free_unpacked(&request->base, NULL);
    sem_destroy(&done);
    arena_free(a);
}

static void serve_status(struct wire_call *c)
{
    Hearth__Shard__V1__StatusResponse response = HEARTH__SHARD__V1__STATUS_RESPONSE__INIT;

    usleep(100000);
    response.shard = c->node->name;
    response.profiles = shard_stats(c->node->shard).profiles;
    c->on_reply(c->arg, CODE_OK, "", true, &response.base);
}

static void *serve(void *arg)
{
    struct wire_call *c = arg;

    atomic_fetch_add(&c->node->calls, 1);
    switch (atomic_load(&c->node->wire)) {
    case WIRE_DOWN:
        c->on_reply(c->arg, CODE_UNAVAILABLE, "connection refused", false, NULL);
        break;
    case WIRE_REFUSES:
        c->on_reply(c->arg, CODE_RESOURCE_EXHAUSTED, "busy", true, NULL);
        break;
    case WIRE_WRONG_NODE:
        c->on_reply(c->arg, CODE_FAILED_PRECONDITION, "this is another shard", true, NULL);
        break;
    default:
        if (strcmp(c->path, "/hearth.shard.v1.Shard/Append") == 0)
            serve_append(c);
        else
            serve_status(c);
    }
    free(c->bytes);
    free(c);
    atomic_fetch_sub(&calls_open, 1);
    return NULL;
}

static const char *field(const struct rpc_request *r, const char *name)
{
    for (const char *const *at = r->fields; *at != NULL; at += 2)
        if (strcmp(at[0], name) == 0)
            return at[1];
    return "";
}

struct rpc_stream *rpc_client_call(struct rpc_client *client, const struct rpc_request *r)
{
    struct wire_call *c = mem_zalloc(sizeof *c);
    pthread_t         thread;

    (void)client;
    for (int i = 0; i < NODES_MAX; i++)
        if (strcmp(nodes[i].address, r->address) == 0)
            c->node = &nodes[i];
    assert(c->node != NULL && strcmp(field(r, "hearth-shard"), c->node->name) == 0);
    assert(strcmp(field(r, "authorization"), "Bearer t") == 0);
    snprintf(c->path, sizeof c->path, "%s", r->path);
    c->n = r->packed ? r->packed->n - RPC_ROOM : protobuf_c_message_get_packed_size(r->message);
    c->bytes = mem_alloc(c->n);
    if (r->packed != NULL)
        memcpy(c->bytes, r->packed->p + RPC_ROOM, c->n);
    else
        protobuf_c_message_pack(r->message, c->bytes);
    if (r->packed != NULL)
        buf_free(r->packed);
    c->on_reply = r->on_reply;
    c->arg = r->arg;
    atomic_fetch_add(&calls_open, 1);
    assert(pthread_create(&thread, NULL, serve, c) == 0);
    pthread_detach(thread);
    return NULL;
}

/* ---- the cluster ---- */

static void write_file(const char *text)
{
    char next[80];

    snprintf(next, sizeof next, "%s.next", map_path);
    FILE *f = fopen(next, "w");
    assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 && rename(next, map_path) == 0);
}

static void write_map(int epoch, int n)
{
    struct buf b = { 0 };

    buf_printf(&b, "{\"cluster_id\":\"test\",\"epoch\":%d,\"shards\":[", epoch);
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s{\"name\":\"s%d\",\"address\":\"n%d:1\"}", i ? "," : "", i, i);
    buf_printf(&b, "]}%c", 0);
    write_file(b.p);
    buf_free(&b);
}

static const char *const peer_fields[] = { "authorization", "Bearer t", NULL };

static struct router *router_of(const struct node *n, size_t held_bytes_max)
{
    static char          client;
    struct router       *r;
    struct fault         why;
    struct router_config config = {
        .map_file = map_path,
        .client = (struct rpc_client *)(void *)&client,
        .held_bytes_max = held_bytes_max,
        .self = n ? n->name : NULL,
        .shard = n ? n->shard : NULL,
        .writer = n ? n->writer : NULL,
        .is_frontend = n == NULL,
        .peer_fields = peer_fields,
    };

    if (router_new(&config, &r, &why) != CODE_OK)
        fprintf(stderr, "%s\n", why.text), abort();
    return r;
}

static void node_start(int i)
{
    struct node *n = &nodes[i];

    snprintf(n->name, sizeof n->name, "s%d", i);
    snprintf(n->address, sizeof n->address, "n%d:1", i);
    n->shard = shard_new(&(struct shard_config){ .name = n->name, .retention_ns = NEVER, .limit_bytes = SIZE_MAX });
    n->writer = writer_start(keeper_new(&(struct keeper_config){ .shard = n->shard }));
    n->router = router_of(n, 0);
    atomic_store(&n->wire, WIRE_UP);
    atomic_store(&n->calls, 0);
}

static void node_stop(int i)
{
    writer_stop(nodes[i].writer);
    router_free(nodes[i].router);
    shard_free(nodes[i].shard);
}

static void cluster_start(int n)
{
    write_map(1, n);
    for (int i = 0; i < n; i++)
        node_start(i);
}

static void cluster_stop(int n)
{
    while (atomic_load(&calls_open) > 0)
        usleep(1000);
    for (int i = 0; i < n; i++)
        node_stop(i);
}

static int64_t held(int i) { return shard_stats(nodes[i].shard).profiles; }

/* ---- pushes ---- */

enum { BATCHES = 120 };

static bool     have_keys; /* from now on */
static uint64_t keys;

struct push_test {
    struct arena *arena;
    struct batch  batches[BATCHES];
    struct parcel parcels[BATCHES];
    struct label  at[BATCHES][2];
    _Atomic int   answers[BATCHES], dones;
    enum code     codes[BATCHES];
    char          texts[BATCHES][480];
    sem_t         done;
};

static void on_each(void *arg, size_t i, enum code code, const char *text)
{
    struct push_test *t = arg;

    t->codes[i] = code;
    snprintf(t->texts[i], sizeof t->texts[i], "%s", text);
    assert(atomic_fetch_add(&t->answers[i], 1) == 0);
}

static void on_done(void *arg)
{
    struct push_test *t = arg;

    assert(atomic_fetch_add(&t->dones, 1) == 0);
    sem_post(&t->done);
}

static struct push_test *push_begin(struct router *r, int64_t deadline_ns)
{
    struct push_test *t = mem_zalloc(sizeof *t);

    t->arena = arena_new(0);
    sem_init(&t->done, 0, 0);
    for (int i = 0; i < BATCHES; i++) {
        struct slice service = arena_printf(t->arena, "svc-%d", i % 12), pod = arena_printf(t->arena, "pod-%d", i);
        t->batches[i] = *test_batch(t->arena, &(struct test_profile){ "t", service.p, pod.p, T0, 1, 1, 100 });
        if (have_keys)
            t->batches[i].key = (struct hash128){ (uint64_t)i, ++keys };
        t->at[i][0] = (struct label){ SLICE("pod"), pod };
        t->at[i][1] = (struct label){ SLICE("service_name"), service };
        t->parcels[i] = (struct parcel){ .tenant = SLICE("t"),
                                         .service = service,
                                         .labels = { t->at[i], 2 },
                                         .batch = &t->batches[i] };
    }
    router_push(r, t->parcels, BATCHES, deadline_ns, on_each, on_done, t);
    return t;
}

static void push_wait(struct push_test *t)
{
    while (sem_wait(&t->done) != 0)
        ;
    for (int i = 0; i < BATCHES; i++)
        assert(atomic_load(&t->answers[i]) == 1);
}

static int push_count(const struct push_test *t, enum code code)
{
    int n = 0;

    for (int i = 0; i < BATCHES; i++)
        n += t->codes[i] == code;
    return n;
}

static void push_free(struct push_test *t)
{
    sem_destroy(&t->done);
    arena_free(t->arena);
    free(t);
}

/* Pushes and waits; how many were acked. */
static int push_all(struct router *r)
{
    struct push_test *t = push_begin(r, NEVER);

    push_wait(t);
    int ok = push_count(t, CODE_OK);
    push_free(t);
    return ok;
}

/* ---- the tests ---- */

static void alone(void)
{
    struct router *r;
    struct fault   why;
    struct shard  *s = shard_new(&(struct shard_config){ .name = "0", .retention_ns = NEVER, .limit_bytes = SIZE_MAX });
    struct writer *w = writer_start(keeper_new(&(struct keeper_config){ .shard = s }));
    struct router_config config = { .shard = s, .writer = w, .is_frontend = true };

    assert(router_new(&config, &r, &why) == CODE_OK && router_epoch(r) == 1 && router_local(r) == s);
    assert(push_all(r) == BATCHES && shard_stats(s).profiles == BATCHES);
    writer_stop(w);
    router_free(r);
    shard_free(s);
    assert(router_new(&(struct router_config){ .is_frontend = true }, &r, &why) == CODE_INVALID_ARGUMENT);
}

static void each_to_its_owner(void)
{
    cluster_start(3);
    struct router    *r = router_of(NULL, 0);
    struct push_test *t = push_begin(r, NEVER);
    struct fault      why;
    struct shard_map *m;
    struct buf        text = { 0 };
    int64_t           owned[3] = { 0 };

    push_wait(t);
    assert(push_count(t, CODE_OK) == BATCHES);
    FILE *f = fopen(map_path, "r");
    text.n = fread(buf_reserve(&text, 4096), 1, 4096, f);
    fclose(f);
    assert(map_parse(buf_view(&text), &m, &why) == CODE_OK);
    for (int i = 0; i < BATCHES; i++) {
        assert(t->batches[i].map_epoch == 1);
        owned[m->owner[t->batches[i].slot]]++;
    }
    for (int i = 0; i < 3; i++) {
        assert(held(i) == owned[i] && owned[i] >= BATCHES * 15 / 100);
        assert(atomic_load(&nodes[i].calls) == 1); /* one message for all batches of a push */
    }
    map_unref(m);
    buf_free(&text);
    push_free(t);
    router_free(r);
    cluster_stop(3);
}

static void a_shard_that_comes_back_is_waited_for(void)
{
    cluster_start(3);
    struct router *r = router_of(NULL, 0);

    atomic_store(&nodes[1].wire, WIRE_DOWN);
    struct push_test *t = push_begin(r, NEVER);
    usleep(600000);
    assert(atomic_load(&t->dones) == 0 && held(0) > 0 && held(2) > 0 && held(1) == 0); /* the others went on */
    atomic_store(&nodes[1].wire, WIRE_WRONG_NODE);
    usleep(300000);
    atomic_store(&nodes[1].wire, WIRE_UP);
    push_wait(t);
    assert(push_count(t, CODE_OK) == BATCHES && held(0) + held(1) + held(2) == BATCHES);
    push_free(t);
    router_free(r);
    cluster_stop(3);
}

static void a_shard_that_stays_away_is_named(void)
{
    cluster_start(3);
    struct router *r = router_of(NULL, 0);

    atomic_store(&nodes[1].wire, WIRE_DOWN);
    int64_t           began_ns = clock_mono_ns();
    struct push_test *t = push_begin(r, began_ns + NS_PER_S);
    push_wait(t);
    assert(clock_mono_ns() - began_ns < 2 * NS_PER_S);
    int away = push_count(t, CODE_UNAVAILABLE);
    assert(away > 0 && push_count(t, CODE_OK) == BATCHES - away && held(1) == 0);
    for (int i = 0; i < BATCHES; i++)
        if (t->codes[i] != CODE_OK)
            assert(strstr(t->texts[i], "shard s1 (n1:1)") && strstr(t->texts[i], "connection refused"));
    push_free(t);
    router_free(r);

    r = router_of(NULL, 100); /* nothing may be held */
    began_ns = clock_mono_ns();
    t = push_begin(r, NEVER);
    push_wait(t);
    assert(clock_mono_ns() - began_ns < NS_PER_S && push_count(t, CODE_UNAVAILABLE) == away);
    push_free(t);
    router_free(r);
    cluster_stop(3);
}

/* Batches without a key. */
static void an_unknown_fate_is_told_and_not_tried_again(void)
{
    cluster_start(3);
    struct router *r = router_of(NULL, 0);

    atomic_store(&nodes[2].wire, WIRE_BREAKS_AFTER);
    struct push_test *t = push_begin(r, NEVER);
    push_wait(t);
    int unknown = push_count(t, CODE_UNAVAILABLE);
    assert(unknown > 0 && held(2) == unknown && atomic_load(&nodes[2].calls) == 1); /* a copy would be counted twice */
    for (int i = 0; i < BATCHES; i++)
        if (t->codes[i] != CODE_OK)
            assert(strstr(t->texts[i], "shard s2") && strstr(t->texts[i], "not known"));
    push_free(t);
    atomic_store(&nodes[2].wire, WIRE_REFUSES);
    t = push_begin(r, NEVER);
    push_wait(t);
    assert(push_count(t, CODE_RESOURCE_EXHAUSTED) == unknown && held(2) == unknown);
    push_free(t);
    router_free(r);
    cluster_stop(3);
}

/* With keys it goes to the same shard again, which counts it once. */
static void an_unknown_fate_is_found_out(void)
{
    cluster_start(3);
    struct router *r = router_of(NULL, 0);

    have_keys = true;
    atomic_store(&nodes[2].wire, WIRE_BREAKS_AFTER);
    struct push_test *t = push_begin(r, NEVER);
    usleep(600000);
    assert(atomic_load(&t->dones) == 0 && held(2) > 0 && atomic_load(&nodes[2].calls) >= 2);
    atomic_store(&nodes[2].wire, WIRE_DOWN);
    usleep(300000);
    atomic_store(&nodes[2].wire, WIRE_UP);
    push_wait(t);
    assert(push_count(t, CODE_OK) == BATCHES && held(0) + held(1) + held(2) == BATCHES);
    push_free(t);

    atomic_store(&nodes[2].wire, WIRE_BREAKS_AFTER);
    t = push_begin(r, clock_mono_ns() + NS_PER_S);
    push_wait(t);
    int unknown = push_count(t, CODE_UNAVAILABLE);
    assert(unknown > 0 && held(0) + held(1) + held(2) == 2 * BATCHES);
    for (int i = 0; i < BATCHES; i++)
        assert(t->codes[i] == CODE_OK || (strstr(t->texts[i], "shard s2") && strstr(t->texts[i], "not known")));
    push_free(t);
    router_free(r);
    cluster_stop(3);
    have_keys = false;
}

/* What a shard may have goes to nobody else, also when its slot gets another owner meanwhile. */
static void an_unknown_fate_stays_with_its_shard(void)
{
    struct fault why;

    cluster_start(3);
    struct router *r = router_of(NULL, 0);
    have_keys = true;
    write_map(2, 5);
    for (int i = 3; i < 5; i++)
        node_start(i);
    atomic_store(&nodes[2].wire, WIRE_BREAKS_AFTER);
    struct push_test *t = push_begin(r, NEVER); /* by the old map, as the shards have it */
    usleep(100000);
    for (int i = 0; i < 3; i++)
        assert(router_reload(nodes[i].router, &why) == CODE_OK);
    atomic_store(&nodes[2].wire, WIRE_UP);
    push_wait(t);
    assert(push_count(t, CODE_UNAVAILABLE) > 0 && push_count(t, CODE_OK) > 0);
    assert(held(0) + held(1) + held(2) == BATCHES && held(3) + held(4) == 0);
    push_free(t);
    router_free(r);
    cluster_stop(5);
    have_keys = false;
}

/* Three shards become five while a frontend still has the old map: what moved is refused, and finds its new owner. */
static void scaling_by_a_new_map(void)
{
    struct fault why;

    cluster_start(3);
    struct router *stale = router_of(NULL, 0);
    assert(push_all(stale) == BATCHES);
    write_map(2, 5);
    for (int i = 3; i < 5; i++)
        node_start(i);
    for (int i = 0; i < 3; i++)
        assert(router_reload(nodes[i].router, &why) == CODE_OK && router_epoch(nodes[i].router) == 2);
    assert(router_epoch(stale) == 1 && push_all(stale) == BATCHES && router_epoch(stale) == 2);
    assert(held(3) > 0 && held(4) > 0);
    assert(held(0) + held(1) + held(2) + held(3) + held(4) == 2 * BATCHES); /* old data stays where it is */

    write_map(3, 5); /* the other way round: the frontend is ahead, and is believed */
    assert(router_reload(stale, &why) == CODE_OK && push_all(stale) == BATCHES);
    router_free(stale);
    cluster_stop(5);
}

static void maps_are_taken_only_when_they_are_good_and_newer(void)
{
    struct fault why;

    cluster_start(1);
    struct router *r = router_of(NULL, 0);
    assert(router_reload(r, &why) == CODE_OK);
    write_file("{\"cluster_id\":\"te");
    assert(router_reload(r, &why) == CODE_INVALID_ARGUMENT && strstr(why.text, map_path) && strstr(why.text, "line 1"));
    assert(router_reload(r, &why) == CODE_OK && router_epoch(r) == 1); /* told once */
    write_file("{\"cluster_id\":\"other\",\"epoch\":5,\"shards\":[{\"name\":\"s0\",\"address\":\"n0:1\"}]}");
    assert(router_reload(r, &why) == CODE_FAILED_PRECONDITION && strstr(why.text, "cluster_id"));
    write_map(1, 3);
    assert(router_reload(r, &why) == CODE_FAILED_PRECONDITION && strstr(why.text, "epoch"));
    unlink(map_path);
    assert(router_reload(r, &why) == CODE_UNAVAILABLE && router_reload(r, &why) == CODE_OK);
    assert(push_all(r) == BATCHES); /* by the map it has */
    write_map(4, 1);
    assert(router_reload(r, &why) == CODE_OK && router_epoch(r) == 4);
    write_map(3, 1);
    assert(router_reload(r, &why) == CODE_FAILED_PRECONDITION && router_epoch(r) == 4);
    router_free(r);
    cluster_stop(1);
}

/* A shard that comes back with an old map file still knows that it had seen a newer one. */
static void the_highest_epoch_outlives_a_restart(void)
{
    struct router *r;
    struct fault   why;
    struct arena  *a = arena_new(0);
    struct batch  *b = test_batch(a, &(struct test_profile){ "t", "s", "p", T0, 1, 1, 1 });
    struct append  append = { .done = appended };
    char           path[80];

    cluster_start(1);
    struct router_config config = {
        .map_file = map_path, .self = "s0", .shard = nodes[0].shard, .writer = nodes[0].writer, .data_dir = dir
    };
    write_map(7, 1);
    assert(router_new(&config, &r, &why) == CODE_OK && router_epoch(r) == 7);
    router_free(r);
    write_map(6, 1);
    assert(router_new(&config, &r, &why) == CODE_OK && router_epoch(r) == 7);
    b->map_epoch = 6;
    assert(router_accept(r, b, &append, &why) == CODE_FAILED_PRECONDITION && strstr(why.text, "epoch 7"));
    b->slot = SLOTS;
    assert(router_accept(r, b, &append, &why) == CODE_INVALID_ARGUMENT);
    router_free(r);
    snprintf(path, sizeof path, "%s/epoch", dir);
    FILE *f = fopen(path, "w");
    assert(f != NULL && fputs("seven", f) >= 0 && fclose(f) == 0);
    assert(router_new(&config, &r, &why) == CODE_DATA_LOSS);
    unlink(path);
    arena_free(a);
    cluster_stop(1);
}

struct scatter_test {
    _Atomic int     replies, dones, failures;
    int64_t         profiles;
    char            failed[64];
    sem_t           done;
    pthread_mutex_t lock;
};

static void on_reply(void *arg, const char *shard, enum code code, const char *text, const ProtobufCMessage *answer)
{
    struct scatter_test *t = arg;

    atomic_fetch_add(&t->replies, 1);
    pthread_mutex_lock(&t->lock);
    if (code == CODE_OK) {
        const Hearth__Shard__V1__StatusResponse *s = (const Hearth__Shard__V1__StatusResponse *)answer;
        assert(strcmp(s->shard, shard) == 0);
        t->profiles += s->profiles;
    } else {
        atomic_fetch_add(&t->failures, 1);
        snprintf(t->failed, sizeof t->failed, "%s", text);
    }
    pthread_mutex_unlock(&t->lock);
}

static void on_scattered(void *arg)
{
    struct scatter_test *t = arg;

    assert(atomic_fetch_add(&t->dones, 1) == 0);
    sem_post(&t->done);
}

static void scatter(struct router *r, struct scatter_test *t)
{
    Hearth__Shard__V1__StatusRequest request = HEARTH__SHARD__V1__STATUS_REQUEST__INIT;

    *t = (struct scatter_test){ .lock = PTHREAD_MUTEX_INITIALIZER };
    sem_init(&t->done, 0, 0);
    router_scatter(r, &(struct scatter){ .path = "/hearth.shard.v1.Shard/Status",
                                         .message = &request.base,
                                         .response = &hearth__shard__v1__status_response__descriptor,
                                         .deadline_ns = NEVER,
                                         .reply = on_reply,
                                         .done = on_scattered,
                                         .arg = t });
    while (sem_wait(&t->done) != 0)
        ;
    sem_destroy(&t->done);
}

static void everybody_is_asked_at_once(void)
{
    struct scatter_test t;

    cluster_start(5);
    struct router *r = router_of(NULL, 0);
    assert(push_all(r) == BATCHES);
    int64_t began_ns = clock_mono_ns();
    scatter(r, &t);
    assert(clock_mono_ns() - began_ns < 300 * NS_PER_MS); /* each takes 100 ms */
    assert(t.replies == 5 && t.failures == 0 && t.profiles == BATCHES);
    atomic_store(&nodes[3].wire, WIRE_DOWN);
    scatter(r, &t);
    assert(t.replies == 5 && t.failures == 1 && strstr(t.failed, "shard s3: connection refused"));
    router_free(r);
    scatter(nodes[0].router, &t); /* a shard that asks leaves itself out */
    assert(t.replies == 4 && t.failures == 1);
    cluster_stop(5);
}

int main(void)
{
    log_setup(LOG_ERROR, false);
    assert(mkdtemp(dir) != NULL);
    snprintf(map_path, sizeof map_path, "%s/map.json", dir);
    alone();
    each_to_its_owner();
    a_shard_that_comes_back_is_waited_for();
    a_shard_that_stays_away_is_named();
    an_unknown_fate_is_told_and_not_tried_again();
    an_unknown_fate_is_found_out();
    an_unknown_fate_stays_with_its_shard();
    scaling_by_a_new_map();
    maps_are_taken_only_when_they_are_good_and_newer();
    the_highest_epoch_outlives_a_restart();
    everybody_is_asked_at_once();
    unlink(map_path);
    assert(rmdir(dir) == 0);
    puts("router: ok");
    return 0;
}
