/*
 * Goal: many pushers and readers and one writer agree: each append is answered once, an acked profile is in the next
 * pin, and dropping and sealing under the readers' feet hurt nobody.  Method: threads against a small memory limit; run it under
 * TSan too.
 */
#include "shard/writer.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"
#include "index/bucket.h"
#include "index/select.h"
#include "shard/store.h"
#include "shard/test_batch.h"

#define SPAN (600 * NS_PER_S)
#define T0 (1700000000 * NS_PER_S / SPAN * SPAN)

enum { PUSHERS = 3, READERS = 3, PUSHES = 4000, LIMIT = 4 << 20 };

static struct shard   *shard;
static struct writer  *writer;
static _Atomic bool    is_over;
static _Atomic int64_t acked, refused, looked;

struct waiting {
    struct append append;
    sem_t         answered;
};

static void wake(struct append *a) { sem_post(&((struct waiting *)(void *)a)->answered); }

static enum code push(struct arena *a, const struct test_profile *p)
{
    struct waiting w = { .append = { .batch = test_batch(a, p), .done = wake } };

    sem_init(&w.answered, 0, 0);
    while (!writer_submit(writer, &w.append))
        sched_yield();
    while (sem_wait(&w.answered) != 0)
        ;
    sem_destroy(&w.answered);
    return w.append.code;
}

static bool is_held(const char *tenant, int64_t time_ns, int64_t least)
{
    struct pin p = shard_pin(shard, slice_of(tenant), time_ns, time_ns);
    int64_t    n = 0;

    for (size_t i = 0; i < p.n; i++)
        n += bucket_stats(p.buckets[i]).profiles;
    shard_unpin(&p);
    return n >= least;
}

static void *pusher(void *arg)
{
    const char   *tenant = arg;
    struct arena *a = arena_new(0);

    for (unsigned i = 0; i < PUSHES; i++) {
        struct test_profile p = { tenant, "svc", "pod", T0 + i * NS_PER_S * 3, 1, i, 600 };
        enum code           code = push(a, &p);
        assert(code == CODE_OK || code == CODE_RESOURCE_EXHAUSTED);
        atomic_fetch_add(code == CODE_OK ? &acked : &refused, 1);
        if (code == CODE_OK)
            assert(is_held(tenant, p.time_ns, 1)); /* the newest bucket is the last to be dropped */
        arena_reset(a);
    }
    arena_free(a);
    return NULL;
}

static void *reader(void *arg)
{
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX };
    struct fault     why;

    while (!atomic_load(&is_over)) {
        struct pin   p = shard_pin(shard, slice_of(arg), INT64_MIN, INT64_MAX);
        struct tree *t = tree_new();
        int64_t      before = 0, after = 0, sum = 0;
        for (size_t i = 0; i < p.n; i++) {
            before += bucket_stats(p.buckets[i]).profiles;
            assert(select_tree(p.buckets[i], &all, t, &why) == CODE_OK);
            after += bucket_stats(p.buckets[i]).profiles;
        }
        for (uint32_t i = 0; i < t->n; i++)
            sum += t->self[i];
        assert(before <= sum && sum <= after); /* each profile's value is 1 */
        atomic_fetch_add(&looked, sum);
        tree_free(t);
        shard_unpin(&p);
    }
    return NULL;
}

static void run(struct store *store)
{
    static char *const tenants[] = { "a", "b", "c" };
    pthread_t          threads[PUSHERS + READERS];

    acked = refused = looked = 0;
    is_over = false;
    shard = shard_new(&(struct shard_config){
        .name = "w", .retention_ns = INT64_MAX, .limit_bytes = LIMIT, .store = store, .seal_bytes = LIMIT / 128 });
    writer = writer_start(keeper_new(&(struct keeper_config){ .shard = shard }));
    for (int i = 0; i < PUSHERS; i++)
        pthread_create(&threads[i], NULL, pusher, tenants[i]);
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[PUSHERS + i], NULL, reader, tenants[i]);
    for (int i = 0; i < PUSHERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&is_over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[PUSHERS + i], NULL);
    writer_stop(writer);
    if (store != NULL)
        store_stop(store);

    struct shard_stats s = shard_stats(shard);
    printf("writer: %lld acked, %lld refused, %lld buckets dropped, %lld values read\n", (long long)acked,
           (long long)refused, (long long)s.dropped_buckets, (long long)looked);
    assert(acked + refused == PUSHERS * PUSHES && acked > 0 && s.dropped_buckets > 0);
    assert(s.profiles <= acked && s.bytes <= LIMIT);
    shard_free(shard);
}

int main(void)
{
    struct metric *sealed = metric_counter("hearth_store_sealed_total", "", "");

    run(NULL);
    assert(metric_read(sealed) == 0);
    run(store_start(NULL));
    printf("writer: %lld sealed\n", (long long)metric_read(sealed));
    assert(metric_read(sealed) > 0);
    puts("writer: ok");
    return 0;
}
