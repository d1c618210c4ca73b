/*
 * Goal: between them, block files and the log have every acknowledged profile once, whenever the process ends: also while a
 * block is half made and the writer goes on; and what is in a block is known when it is sent again.
 * Method: a child whose store thread stands still at each step of saving in turn, or never, while its writer seals, takes more
 * and lets go of segments; it ends without a word.  Its folder is opened here, counted, sent everything again, opened again.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "index/select.h"
#include "shard/disk.h"
#include "shard/keeper.h"
#include "shard/store.h"
#include "shard/test_batch.h"
#include "shard/test_held.h"

#define SPAN (600 * NS_PER_S)
#define T0 (1700000000 * NS_PER_S / SPAN * SPAN)
#define LATER (T0 + 2 * SPAN) /* the span is old: it is sealed */

enum { EARLY = 30, LATE = 10, ALL = EARLY + LATE, NEW = ALL, LEAVES = 64, STEPS = 5, ENDED = 7 };

static char         folder[] = "/tmp/blocks_and_log_test.XXXXXX";
static int          stop_at; /* the child's */
static _Atomic bool is_stopped, is_slow;

void block_file_parked(int step)
{
    if (is_slow)
        usleep(2000);
    if (step != stop_at)
        return;
    atomic_store(&is_stopped, true);
    pause();
}

struct machine {
    struct store  *store;
    struct shard  *shard;
    struct disk   *disk;
    struct keeper *keeper;
};

static const char *path_in(const char *name, char out[64])
{
    snprintf(out, 64, "%s/%s", folder, name);
    return out;
}

static struct machine boot(size_t limit_bytes)
{
    struct machine      m;
    struct block_files *files;
    struct fault        why;
    char                path[64];

    enum code code = block_files_open(path_in("blocks", path), BLOCK_DAMAGE_REFUSE, &files, &why);
    assert(code == CODE_OK);
    m.store = store_start(files);
    m.shard = shard_new(
        &(struct shard_config){ .name = "t", .retention_ns = INT64_MAX, .limit_bytes = limit_bytes, .store = m.store });
    code = disk_open(path_in("wal", path), &m.disk, &why);
    assert(code == CODE_OK);
    m.keeper = keeper_new(&(struct keeper_config){
        .shard = m.shard, .disk = m.disk, .segment_bytes = 4096, .interval_ns = 50, .salt = 5 });
    code = keeper_load(m.keeper, LATER, &why);
    if (code != CODE_OK)
        fprintf(stderr, "%s\n", why.text);
    assert(code == CODE_OK);
    return m;
}

static void stop(struct machine *m)
{
    keeper_free(m->keeper, LATER);
    store_stop(m->store);
    m->disk->ops->free(m->disk);
    shard_free(m->shard);
}

static const char *tenant_of(unsigned i) { return i % 3 ? "a" : "b"; }

static void on_done(struct append *a) { (void)a; }

/* Each has a leaf of its own. */
static enum code try_push(struct machine *m, unsigned i, enum batch_mode mode, int64_t now_ns)
{
    struct arena *a = arena_new(0);
    struct batch *b = test_batch(a, &(struct test_profile){ tenant_of(i), "s", "p", T0 + i, 1, i, 200 });
    struct append one = { .batch = b, .done = on_done };

    b->key = hash128(&i, sizeof i);
    b->mode = mode;
    keeper_take(m->keeper, &one, now_ns);
    keeper_step(m->keeper, now_ns);
    arena_free(a);
    return one.code;
}

static void push(struct machine *m, unsigned i, int64_t now_ns)
{
    enum code code = try_push(m, i, BATCH_SYNC, now_ns);
    assert(code == CODE_OK);
}

static void count_in(struct machine *m, const char *tenant, unsigned counts[LEAVES])
{
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX };
    struct pin       p = shard_pin(m->shard, slice_of(tenant), INT64_MIN, INT64_MAX);
    struct tree     *t = tree_new();
    struct fault     why;
    unsigned         leaf;

    for (size_t i = 0; i < p.n; i++) {
        enum code code = select_tree(p.buckets[i], &all, t, &why);
        assert(code == CODE_OK);
    }
    for (uint32_t i = 1; i < t->n; i++) {
        struct slice name = strset_at(t->names, t->name[i]);
        if (!slice_starts(name, SLICE("work_")))
            continue;
        leaf = (unsigned)strtoul(name.p + 5, NULL, 10);
        assert(leaf < LEAVES && tenant_of(leaf)[0] == tenant[0]);
        counts[leaf] += (unsigned)t->self[i];
    }
    tree_free(t);
    shard_unpin(&p);
}

/* The first `n` are there once, nothing else is. */
static void expect(struct machine *m, unsigned n)
{
    unsigned counts[LEAVES] = { 0 };

    count_in(m, "a", counts);
    count_in(m, "b", counts);
    for (unsigned i = 0; i < LEAVES; i++) {
        if (counts[i] != (i < n))
            fprintf(stderr, "profile %u counts %u times\n", i, counts[i]);
        assert(counts[i] == (i < n));
    }
}

static bool is_sealed(struct machine *m)
{
    struct pin p = shard_pin(m->shard, SLICE("a"), INT64_MIN, INT64_MAX);
    bool       is = p.n > 0 && bucket_is_sealed(p.buckets[0]);

    shard_unpin(&p);
    p = shard_pin(m->shard, SLICE("b"), INT64_MIN, INT64_MAX);
    is = is && p.n > 0 && bucket_is_sealed(p.buckets[0]);
    shard_unpin(&p);
    return is;
}

/* What it has to do: until the store stands still, or is done with both tenants. */
static void seal(struct machine *m)
{
    for (int64_t now_ns = LATER; !atomic_load(&is_stopped) && !is_sealed(m); now_ns += NS_PER_S) {
        keeper_step(m->keeper, now_ns);
        usleep(1000);
    }
}

static void child(int step)
{
    stop_at = step;
    struct machine m = boot(SIZE_MAX);
    for (unsigned i = 0; i < EARLY; i++)
        push(&m, i, T0 + i);
    seal(&m);
    for (unsigned i = EARLY; i < ALL; i++)
        push(&m, i, LATER + SPAN + i * NS_PER_S); /* segments may go in between */
    _exit(ENDED);
}

static void run_child(int step)
{
    int   status;
    pid_t pid = fork();

    if (pid == 0)
        child(step);
    assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == ENDED);
}

static int segments_n(void)
{
    char path[64];

    return files_below(path_in("wal", path), "");
}

static void an_end_at_any_step_loses_nothing(void)
{
    for (int step = 1; step <= STEPS + 1; step++) {
        run_child(step);
        printf("ended at step %d: %d segments, %d blocks\n", step, segments_n(), files_below(folder, ".block"));
        if (step > STEPS)
            assert(files_below(folder, ".block") == 2 && segments_n() < 4);
        struct machine m = boot(SIZE_MAX);
        expect(&m, ALL);
        for (unsigned i = 0; i < ALL; i++)
            push(&m, i, LATER);
        expect(&m, ALL); /* all are known, those in blocks too */
        push(&m, NEW, LATER);
        stop(&m);
        m = boot(SIZE_MAX);
        expect(&m, ALL + 1);
        stop(&m);
        folder_empty(folder);
    }
}

/* A log that was given up: what comes now is not taken for what the blocks have. */
static void blocks_without_their_log(void)
{
    char command[256];

    run_child(STEPS + 1);
    snprintf(command, sizeof command, "rm %s/wal/wal-*", folder);
    assert(system(command) == 0);
    for (unsigned n = 0; n < 3; n++) { /* the late ones were in the log only */
        struct machine m = boot(SIZE_MAX);
        expect(&m, EARLY + n);
        push(&m, EARLY + n, LATER);
        stop(&m);
    }
    folder_empty(folder);
}

/* Faster than blocks can be made: who comes then has to wait, and nothing that was taken is given for it. */
static void what_is_live_is_not_given_for_what_is_new(void)
{
    enum { LIMIT = 1 << 20, PUSHES = 20000 };
    struct machine m = boot(LIMIT);
    int            refused = 0;

    is_slow = true;
    for (unsigned i = 0; i < PUSHES; i++)
        for (enum code code; (code = try_push(&m, i, BATCH_MEMORY, T0)) != CODE_OK; refused++) {
            assert(code == CODE_RESOURCE_EXHAUSTED);
            usleep(100);
        }
    struct shard_stats now = shard_stats(m.shard);
    assert(now.dropped_buckets == 0 && now.profiles == PUSHES && now.bytes <= LIMIT);
    assert(refused > 0);
    is_slow = false;
    stop(&m);
    folder_empty(folder);
}

int main(void)
{
    log_setup(LOG_ERROR + 1, false);
    if (mkdtemp(folder) == NULL)
        return 1;
    an_end_at_any_step_loses_nothing();
    blocks_without_their_log();
    what_is_live_is_not_given_for_what_is_new();
    assert(rmdir(folder) == 0);
    puts("blocks and log: ok");
    return 0;
}
