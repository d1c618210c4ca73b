/*
 * Goal: each batch of a push reaches its owner once, or its pusher is told the truth.  Method: a cluster in one process
 * (test_cluster.h) whose shards go away, come back, refuse, or break off behind what they took.
 */
#include "router/test_pushes.h"

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

int main(void)
{
    cluster_room();
    alone();
    each_to_its_owner();
    a_shard_that_comes_back_is_waited_for();
    a_shard_that_stays_away_is_named();
    an_unknown_fate_is_told_and_not_tried_again();
    an_unknown_fate_is_found_out();
    an_unknown_fate_stays_with_its_shard();
    cluster_room_gone();
    puts("push: ok");
    return 0;
}
