/*
 * Goal: sealing, merging, demotion, retention, dropping for memory and questions, all at once: nobody sees a profile twice, half
 * of one, one that was dropped between two that were not, or misses one that was acknowledged.
 * Method: a writer gives two tenants profiles whose time says their number and whose value follows from it, under a limit
 * and a retention that much of it does not fit into, with a store that writes files.  Readers pin and look all the while.
 * Under the tsan preset this is the proof of the whole: publish, grow, find and hold, swap.
 *
 *     shard_soak [SECONDS]
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/block.h"
#include "index/select.h"
#include "shard/block_files.h"
#include "shard/shard.h"
#include "shard/store.h"
#include "shard/test_batch.h"

enum { READERS = 3, TENANTS = 2, PER_STEP = 8, BULK = 900 };

#define SPAN NS_PER_S
#define TICK (2 * NS_PER_MS) /* of the invented clock, a profile */
#define T0 (1700000000 * NS_PER_S)
#define LIMIT ((size_t)8 << 20)
#define SEAL ((size_t)256 << 10)
#define RETENTION (30 * SPAN)

static const char *const names[TENANTS] = { "a", "b" };

static struct shard   *shard;
static _Atomic int64_t acked[TENANTS]; /* profiles below this number are acknowledged */
static _Atomic bool    is_over;
static _Atomic long    looks, sealed_seen, merged_seen, live_seen;
static long            refused; /* the writer's */

static int64_t value_of(int64_t i) { return 1 + i * 7919 % 1009; }

/* ---- the writer */

/* Steps those of a list that are not in yet, until all are: what is refused for want of memory is pushed again. */
static void insist(struct append **list, size_t n, int64_t now_ns)
{
    while (n > 0) {
        size_t left = 0;

        shard_step(shard, list, n, now_ns);
        for (size_t k = 0; k < n; k++) {
            assert(list[k]->code == CODE_OK || list[k]->code == CODE_RESOURCE_EXHAUSTED);
            if (list[k]->code != CODE_OK)
                list[left++] = list[k];
        }
        n = left;
        refused += (long)left;
        if (left > 0)
            usleep(200);
    }
}

static void push_some(struct arena *a, int tenant)
{
    struct append  all[PER_STEP], *list[PER_STEP];
    int64_t        from = acked[tenant];
    static int64_t seq;

    for (int k = 0; k < PER_STEP; k++) {
        int64_t             i = from + k;
        struct test_profile p = { names[tenant], "svc",       i % 3 ? "pod-0" : "pod-1", T0 + i * TICK,
                                  value_of(i),   (unsigned)i, tenant == 0 ? BULK : BULK / 16 };
        all[k] = (struct append){ .batch = test_batch(a, &p), .seq = (uint64_t)++seq };
        list[k] = &all[k];
    }
    insist(list, PER_STEP, T0 + (from + PER_STEP) * TICK);
    acked[tenant] = from + PER_STEP;
    arena_reset(a);
}

/* The invented clock is fast: were the disk slow, nothing would ever be old enough to be merged. */
static void wait_for_store(struct store *store)
{
    while (!store_is_idle(store)) {
        shard_step(shard, NULL, 0, T0 + acked[0] * TICK);
        usleep(200);
    }
}

/* ---- the readers */

struct look {
    uint8_t *seen; /* [n] by number */
    int64_t  n, lowest, count, sum;
};

static void *open_stream(void *arg, struct labels labels)
{
    assert(labels_are_sorted(labels));
    return arg;
}

static void look_point(void *arg, void *stream, int64_t time_ns, int64_t total)
{
    struct look *l = arg;
    int64_t      i = (time_ns - T0) / TICK;

    (void)stream;
    assert(i >= 0 && i * TICK == time_ns - T0 && total == value_of(i));
    if (i >= l->n)
        return; /* came after the look began */
    assert(!l->seen[i]);
    l->seen[i] = 1;
    l->lowest = i < l->lowest ? i : l->lowest;
    l->count++;
    l->sum += total;
}

static int64_t tree_sum(const struct bucket *b, const struct selection *s)
{
    struct tree *t = tree_new();
    struct fault why;
    int64_t      sum = 0;
    enum code    code = select_tree(b, s, t, &why);

    assert(code == CODE_OK);
    for (uint32_t i = 0; i < t->n; i++)
        sum += t->self[i];
    tree_free(t);
    return sum;
}

/* Profile n is the first that need not be there.  What is there reaches from some number to it without a gap. */
static void look(int tenant, int64_t n)
{
    struct selection        upto = { .start_ns = INT64_MIN, .end_ns = T0 + (n - 1) * TICK };
    struct look             l = { mem_zalloc((size_t)n + 1), n, n, 0, 0 };
    const struct point_sink sink = { &l, open_stream, look_point };
    struct pin              p = shard_pin(shard, slice_of(names[tenant]), INT64_MIN, INT64_MAX);
    struct fault            why;
    int64_t                 in_trees = 0;

    for (size_t i = 0; i < p.n; i++) {
        enum code code = select_points(p.buckets[i], &upto, &sink, &why);
        assert(code == CODE_OK);
        in_trees += tree_sum(p.buckets[i], &upto);
        bucket_is_sealed(p.buckets[i]) ? sealed_seen++ : live_seen++;
        merged_seen += bucket_end_ns(p.buckets[i]) - bucket_start_ns(p.buckets[i]) > SPAN;
    }
    assert(l.count == n - l.lowest && l.count > 0 && in_trees == l.sum);
    shard_unpin(&p);
    free(l.seen);
    looks++;
}

static void *reader(void *arg)
{
    for (unsigned i = *(unsigned *)arg; !is_over; i++)
        if (acked[i % TENANTS] > 0)
            look(i % TENANTS, acked[i % TENANTS]);
    return NULL;
}

/* ---- */

static struct store *store_at(char *dir)
{
    struct block_files *files;
    struct fault        why;

    if (mkdtemp(dir) == NULL)
        abort();
    enum code code = block_files_open(dir, BLOCK_DAMAGE_REFUSE, &files, &why);
    assert(code == CODE_OK);
    return store_start(files);
}

static void remove_all(const char *dir)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    int gone = system(command);
    assert(gone == 0);
}

int main(int argc, char **argv)
{
    int64_t       end_ns = clock_mono_ns() + (argc > 1 ? atol(argv[1]) : 2) * NS_PER_S;
    char          dir[] = "/tmp/hearth-soak-XXXXXX";
    pthread_t     threads[READERS];
    unsigned      turn[READERS];
    struct store *store = store_at(dir);
    struct arena *a = arena_new(0);

    shard = shard_new(&(struct shard_config){ .name = "soak",
                                              .span_ns = SPAN,
                                              .retention_ns = RETENTION,
                                              .limit_bytes = LIMIT,
                                              .store = store,
                                              .seal_bytes = SEAL });
    for (unsigned i = 0; i < READERS; i++) {
        turn[i] = i;
        int failed = pthread_create(&threads[i], NULL, reader, &turn[i]);
        assert(failed == 0);
    }
    for (unsigned i = 0; clock_mono_ns() < end_ns; i++) {
        push_some(a, i % TENANTS);
        if (i % 16 == 0)
            usleep(500); /* the others want the cores, too */
        if (i % 64 == 0 && i / 2048 % 2 == 0)
            wait_for_store(store); /* the other half of the time memory is short */
    }
    is_over = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    struct shard_stats now = shard_stats(shard);
    printf("%lld profiles, %ld looks at %ld sealed, %ld of them merged, and %ld live buckets; %lld buckets dropped, "
           "%ld times refused\n",
           (long long)(acked[0] + acked[1]), looks, sealed_seen, merged_seen, live_seen, (long long)now.dropped_buckets,
           refused);
    assert(looks > 0 && live_seen > 0);
    store_stop(store);
    shard_free(shard);
    arena_free(a);
    remove_all(dir);
    return 0;
}
