/*
 * Goal: maps change under way and are taken only when they are good; questions reach everybody.  Method: a cluster in one process
 * (test_cluster.h).
 */
#include "router/test_pushes.h"

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
    cluster_room();
    scaling_by_a_new_map();
    maps_are_taken_only_when_they_are_good_and_newer();
    the_highest_epoch_outlives_a_restart();
    everybody_is_asked_at_once();
    cluster_room_gone();
    puts("router: ok");
    return 0;
}
