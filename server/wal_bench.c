/*
 * What durability costs: the profiles beside the checkout (generated ones when there are none), each many times as an
 * agent sends them, through a keeper without a log and with one in the folder named (default: build/), then replayed.
 *
 *     CPU of the writer's thread for a batch; bytes of log for a profile; how long one waits for its ack; replay rate
 *
 * wal_bench [FOLDER [PROFILES]]: 3,000 if not said; 60,000 of the real ones are a log of 1 GB.
 */
#include <assert.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "ingest/shared_files.h"
#include "server/bench.h"
#include "shard/disk.h"
#include "shard/keeper.h"

enum { BATCHES_MAX = 1024, PUSHES_MAX = 1 << 20, GENERATED = 20 };

#define T0 (1700000000 * NS_PER_S)
#define APART_NS (15 * NS_PER_S)

static struct batch batches[BATCHES_MAX];
static size_t       n_batches, n_pushes = 3000;

static void add(struct slice body, struct arena *a, const char *name)
{
    struct label         labels[] = { { SLICE("__name__"), SLICE("process_cpu") },
                                      { SLICE("service_name"), arena_copy(a, slice_of(name)) } };
    struct ingest_source source = { .tenant = SLICE("t"), .labels = { labels, 2 }, .now_ns = 1 };
    struct fault         why;
    size_t               raw;

    if (n_batches < BATCHES_MAX &&
        ingest_pprof(body, &source, &no_limits, a, &batches[n_batches], &raw, &why) == CODE_OK &&
        batches[n_batches].n_rows > 0)
        n_batches++;
}

static void folder_add(const char *pattern, struct arena *a)
{
    glob_t found = shared_glob(pattern);

    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct slice body = file_read(found.gl_pathv[i], a);
        if (body.n > 0)
            add(body, a, strrchr(found.gl_pathv[i], '/') + 1);
    }
    globfree(&found);
}

static void generated_add(struct arena *a)
{
    for (int i = 0; i < GENERATED; i++) {
        struct pprof_make m;
        bench_generate(&m, (uint64_t)i);
        add(arena_copy(a, pprof_make_bytes(&m)), a, "generated");
        pprof_make_fini(&m);
    }
}

static void on_done(struct append *a)
{
    if (a->code != CODE_OK)
        printf("%s\n", a->why.text);
    assert(a->code == CODE_OK);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static struct shard *shard_make(void)
{
    return shard_new(&(struct shard_config){ .name = "bench", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX });
}

/* `together` profiles in each step; every file comes each fifteen seconds. */
static void push(struct keeper *k, const char *what, size_t together)
{
    static int64_t waits[PUSHES_MAX];
    struct append  all[64];
    size_t         n_waits = 0;
    int64_t        cpu = -clock_thread_ns();

    for (size_t i = 0; i < n_pushes; i += together) {
        int64_t began_ns = clock_mono_ns(), now_ns = T0 + (int64_t)(i / n_batches) * APART_NS;
        for (size_t j = 0; j < together; j++) {
            struct batch *b = &batches[(i + j) % n_batches];
            uint64_t      number = i + j + 1;
            b->time_ns = now_ns + (int64_t)j;
            b->key = hash128(&number, sizeof number);
            all[j] = (struct append){ .batch = b, .done = on_done };
            if (!keeper_take(k, &all[j], now_ns))
                keeper_step(k, now_ns);
        }
        keeper_step(k, now_ns);
        waits[n_waits++] = clock_mono_ns() - began_ns;
    }
    cpu += clock_thread_ns();
    qsort(waits, n_waits, sizeof *waits, compare);
    printf("%-22s %2zu a step: %7.1f us of CPU a profile; ack p50 %.3f ms, p99 %.3f ms\n", what, together,
           (double)cpu / 1e3 / (double)n_pushes, (double)waits[n_waits / 2] / 1e6,
           (double)waits[n_waits * 99 / 100] / 1e6);
}

static void memory_only(size_t together)
{
    struct shard  *s = shard_make();
    struct keeper *k = keeper_new(&(struct keeper_config){ .shard = s });

    push(k, "memory", together);
    keeper_free(k, 0);
    shard_free(s);
}

static void remove_one(void *arg, const char *name)
{
    struct disk *d = arg;
    if (name[0] != '.')
        d->ops->remove(d, name);
}

static int64_t process_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void replay(const struct keeper_config *kc)
{
    struct keeper_config again = *kc;
    struct fault         why;
    int64_t              own = -clock_thread_ns(), cpu = -process_ns(), wall = -clock_mono_ns();

    again.shard = shard_make();
    struct keeper *k = keeper_new(&again);
    enum code      code = keeper_load(k, clock_real_ns(), &why);
    own += clock_thread_ns();
    cpu += process_ns();
    wall += clock_mono_ns();
    assert(code == CODE_OK);
    keeper_step(k, T0); /* shows what was replayed */
    struct shard_stats s = shard_stats(again.shard);
    double             bytes = (double)metric_read(metric_gauge("hearth_wal_replay_of_bytes", "", "shard=\"bench\"")),
           n = (double)s.profiles;
    printf("limit  log: %.0f bytes a profile; replay of %.0f MB: %.0f profiles/s, %.0f MB/s, %.2f s for 1 GB; CPU s: "
           "%.3f, of which "
           "the loader's %.3f\n",
           bytes / n, bytes / 1e6, n * 1e9 / (double)wall, bytes * 1e3 / (double)wall, (double)wall / bytes,
           (double)cpu / 1e9, (double)own / 1e9);
    keeper_free(k, 0);
    shard_free(again.shard);
}

static void logged(struct disk *d, size_t together)
{
    struct shard        *s = shard_make();
    struct keeper_config kc = { .shard = s, .disk = d, .segment_bytes = 16 << 20, .interval_ns = 50 * NS_PER_MS };
    struct keeper       *k = keeper_new(&kc);
    struct fault         why;

    enum code code = keeper_load(k, clock_real_ns(), &why);
    assert(code == CODE_OK);
    push(k, "log, synced each step", together);
    keeper_free(k, 0);
    shard_free(s);
    replay(&kc);
    d->ops->list(d, remove_one, d);
}

int main(int argc, char **argv)
{
    struct arena *a = arena_new(0);
    struct disk  *d;
    struct fault  why;
    char          path[4096];

    log_setup(LOG_WARN, false);
    if (argc > 2)
        n_pushes = strtoul(argv[2], NULL, 10);
    if (n_pushes == 0 || n_pushes > PUSHES_MAX) {
        fprintf(stderr, "profiles: from 1 to %d\n", PUSHES_MAX);
        return 1;
    }
    folder_add("testdata/pprof/*", a);
    folder_add("testdata/pprof/*/*", a);
    if (n_batches == 0)
        generated_add(a);
    snprintf(path, sizeof path, "%s/wal-bench.XXXXXX", argc > 1 ? argv[1] : "build");
    if (mkdtemp(path) == NULL || disk_open(path, &d, &why) != CODE_OK) {
        fprintf(stderr, "cannot make a folder there: %s\n", path);
        return 1;
    }
    for (size_t together = 1; together <= 16; together *= 16) {
        memory_only(together);
        logged(d, together);
    }
    d->ops->free(d);
    rmdir(path);
    arena_free(a);
    return 0;
}
