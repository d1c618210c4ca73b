/*
 * Goal: what was acknowledged is in the shard and in its log, once each, whatever the disk does and whenever the power
 * goes; what was refused is in neither.  Method: a keeper on a simulated disk, pushed to by a script with an oracle;
 * the nth act of the disk fails, or is its last, for every n.  `keeper_test --seeds FOLDER` writes the seeds of wal_fuzz.
 */
#include "shard/keeper.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "index/bucket.h"
#include "index/select.h"
#include "shard/test_batch.h"
#include "shard/test_disk.h"

#define T0 (1700000000 * NS_PER_S / (600 * NS_PER_S) * (600 * NS_PER_S))

enum { STEPS = 10, PER_STEP = 3, PROFILES = STEPS * PER_STEP, LEAVES = 64 };

struct machine {
    struct shard  *shard;
    struct keeper *keeper;
};

static void on_done(struct append *a) { (void)a; }

static struct machine machine_of(struct sim_disk *s, size_t limit_bytes)
{
    struct shard_config  sc = { .name = "t", .retention_ns = INT64_MAX, .limit_bytes = limit_bytes, .seed = 3 };
    struct keeper_config kc = { .shard = shard_new(&sc), .segment_bytes = 4096, .interval_ns = 50, .salt = 5 };

    kc.disk = s ? &s->disk : NULL;
    return (struct machine){ kc.shard, keeper_new(&kc) };
}

static struct machine boot(struct sim_disk *s, size_t limit_bytes)
{
    struct machine m = machine_of(s, limit_bytes);
    struct fault   why;

    enum code code = keeper_load(m.keeper, T0, &why);
    if (code != CODE_OK)
        fprintf(stderr, "%s\n", why.text);
    assert(code == CODE_OK);
    keeper_step(m.keeper, T0);
    return m;
}

static void stop(struct machine *m, int64_t now_ns)
{
    keeper_free(m->keeper, now_ns);
    shard_free(m->shard);
}

/* The process dies: nothing it would still do reaches the disk. */
static void kill_9(struct machine *m, struct sim_disk *s)
{
    s->fail_act = 0;
    s->fails_on = true;
    stop(m, T0);
    s->fail_act = -1;
    s->fails_on = false;
}

static struct batch *profile(struct arena *a, unsigned i, unsigned bulk)
{
    struct batch *b = test_batch(a, &(struct test_profile){ "a", "s", "p", T0 + i, 1, i, bulk });

    b->key = hash128(&i, sizeof i);
    b->mode = BATCH_SYNC;
    return b;
}

/* One step of these profiles; codes[k] for the k-th. */
static void push(struct machine *m, const unsigned *ids, size_t n, enum batch_mode mode, int64_t now_ns,
                 enum code *codes)
{
    struct arena  *a = arena_new(0);
    struct append *all = arena_zalloc(a, n * sizeof *all);

    for (size_t k = 0; k < n; k++) {
        struct batch *b = profile(a, ids[k], 0);
        b->mode = mode;
        all[k] = (struct append){ .batch = b, .done = on_done };
        bool has_room = keeper_take(m->keeper, &all[k], now_ns);
        assert(has_room);
    }
    keeper_step(m->keeper, now_ns);
    for (size_t k = 0; k < n; k++) {
        codes[k] = all[k].code;
        assert(codes[k] == CODE_OK || all[k].why.text[0] != '\0');
    }
    arena_free(a);
}

static enum code push_one(struct machine *m, unsigned id, enum batch_mode mode, int64_t now_ns)
{
    enum code code;

    push(m, &id, 1, mode, now_ns, &code);
    return code;
}

/* How often each profile counts. */
static void count(struct machine *m, int64_t counts[LEAVES])
{
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX };
    struct pin       p = shard_pin(m->shard, SLICE("a"), INT64_MIN, INT64_MAX);
    struct tree     *t = tree_new();
    struct fault     why;

    memset(counts, 0, LEAVES * sizeof *counts);
    for (size_t i = 0; i < p.n; i++) {
        enum code code = select_tree(p.buckets[i], &all, t, &why);
        assert(code == CODE_OK);
    }
    for (uint32_t i = 1; i < t->n; i++) {
        unsigned     leaf;
        struct slice name = strset_at(t->names, t->name[i]);
        char         text[64];
        snprintf(text, sizeof text, "%.*s", SLICE_ARGS(name));
        if (sscanf(text, "work_%u_", &leaf) == 1 && leaf < LEAVES)
            counts[leaf] += t->self[i];
    }
    tree_free(t);
    shard_unpin(&p);
}

static int64_t count_one(struct machine *m, unsigned id)
{
    int64_t counts[LEAVES];

    count(m, counts);
    return counts[id];
}

/* ---- */

static void counts_once_across_restarts(void)
{
    struct sim_disk *s = sim_new(1);
    struct machine   m = boot(s, SIZE_MAX);
    unsigned         twins[] = { 7, 7, 7 };
    enum code        codes[3];

    assert(push_one(&m, 1, BATCH_SYNC, T0) == CODE_OK && push_one(&m, 1, BATCH_SYNC, T0) == CODE_OK);
    push(&m, twins, 3, BATCH_SYNC, T0, codes); /* the same, thrice in one step */
    assert(codes[0] == CODE_OK && codes[1] == CODE_OK && codes[2] == CODE_OK);
    for (int turn = 0; turn < 3; turn++) {
        assert(count_one(&m, 1) == 1 && count_one(&m, 7) == 1);
        if (turn == 1)
            stop(&m, T0);
        else
            kill_9(&m, s);
        m = boot(s, SIZE_MAX);
        assert(count_one(&m, 1) == 1 && count_one(&m, 7) == 1);
        assert(push_one(&m, 1, BATCH_SYNC, T0) == CODE_OK && push_one(&m, 7, BATCH_SYNC, T0) == CODE_OK);
        assert(shard_stats(m.shard).profiles == 2);
    }
    stop(&m, T0);
    s->disk.ops->free(&s->disk);
}

static void modes(void)
{
    struct sim_disk *s = sim_new(1);
    struct machine   m = boot(s, SIZE_MAX);

    assert(push_one(&m, 1, BATCH_SYNC, T0 + 1) == CODE_OK);
    int before = s->acts;
    assert(push_one(&m, 2, BATCH_MEMORY, T0 + 2) == CODE_OK && s->acts == before);
    assert(push_one(&m, 3, BATCH_INTERVAL, T0 + 3) == CODE_OK && s->acts == before + 1); /* written, not yet synced */
    assert(keeper_wait_ns(m.keeper, T0 + 3) == 48);
    keeper_step(m.keeper, T0 + 10);
    assert(s->acts == before + 1);
    keeper_step(m.keeper, T0 + 60);
    assert(s->acts == before + 2); /* 50 ns after the last one */
    assert(count_one(&m, 1) == 1 && count_one(&m, 2) == 1 && count_one(&m, 3) == 1);
    kill_9(&m, s);
    sim_power_cut(s);
    m = boot(s, SIZE_MAX);
    assert(count_one(&m, 1) == 1 && count_one(&m, 2) == 0 && count_one(&m, 3) == 1);
    stop(&m, T0);
    s->disk.ops->free(&s->disk);
}

/* A stack again, by another profile, behind each restart, and not the first one of its bucket. */
static void what_came_back_is_gone_on_with(void)
{
    struct sim_disk *s = sim_new(1);

    for (unsigned turn = 0; turn < 4; turn++) {
        struct machine m = boot(s, SIZE_MAX);
        struct arena  *a = arena_new(0);
        struct batch  *b = profile(a, 1, 0);
        assert(push_one(&m, 2, BATCH_SYNC, T0) == CODE_OK);
        b->key = (struct hash128){ 1, turn };
        struct append one = { .batch = b, .done = on_done };
        keeper_take(m.keeper, &one, T0);
        keeper_step(m.keeper, T0);
        assert(one.code == CODE_OK && count_one(&m, 1) == (int64_t)turn + 1 && shard_stats(m.shard).buckets == 1);
        arena_free(a);
        kill_9(&m, s);
    }
    s->disk.ops->free(&s->disk);
}

/* What a killed process had written and not synced is read by the next one, which then has to sync it. */
static void what_is_read_becomes_durable(void)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim_disk *s = sim_new(seed);
        struct machine   m = boot(s, SIZE_MAX);

        assert(push_one(&m, 1, BATCH_SYNC, T0) == CODE_OK && push_one(&m, 2, BATCH_INTERVAL, T0) == CODE_OK);
        kill_9(&m, s);
        m = boot(s, SIZE_MAX);
        assert(count_one(&m, 2) == 1 && push_one(&m, 3, BATCH_SYNC, T0) == CODE_OK);
        kill_9(&m, s);
        sim_power_cut(s);
        m = boot(s, SIZE_MAX);
        for (unsigned i = 1; i <= 3; i++)
            assert(count_one(&m, i) == 1);
        stop(&m, T0);
        s->disk.ops->free(&s->disk);
    }
}

/* Memory that cannot hold it: refused, not logged, and not there after a restart with more memory. */
static void what_was_refused_stays_refused(void)
{
    struct sim_disk *s = sim_new(1);
    struct machine   m = boot(s, 64 << 10);
    struct arena    *a = arena_new(0);
    struct append    big = { .batch = profile(a, 5, 60000), .done = on_done };

    assert(push_one(&m, 1, BATCH_SYNC, T0) == CODE_OK);
    keeper_take(m.keeper, &big, T0);
    keeper_step(m.keeper, T0);
    assert(big.code == CODE_RESOURCE_EXHAUSTED && big.seq == 0);
    kill_9(&m, s);
    m = boot(s, SIZE_MAX);
    assert(count_one(&m, 1) == 1 && shard_stats(m.shard).profiles == 1);
    keeper_take(m.keeper, &big, T0); /* and its key is not taken for one that is known */
    keeper_step(m.keeper, T0);
    assert(big.code == CODE_OK && shard_stats(m.shard).profiles == 2);
    stop(&m, T0);
    arena_free(a);
    s->disk.ops->free(&s->disk);
}

static void a_full_disk_is_read_only_until_there_is_room(void)
{
    struct sim_disk *s = sim_new(1);
    struct machine   m = boot(s, SIZE_MAX);

    assert(push_one(&m, 1, BATCH_SYNC, T0) == CODE_OK);
    s->fail_act = s->acts;
    s->fails_on = true;
    s->fail_with = ENOSPC;
    for (unsigned i = 2; i < 6; i++)
        assert(push_one(&m, i, BATCH_SYNC, T0 + i * NS_PER_S) == CODE_UNAVAILABLE && count_one(&m, i) == 0);
    assert(push_one(&m, 1, BATCH_SYNC, T0 + 7 * NS_PER_S) == CODE_OK); /* it is stored already */
    assert(count_one(&m, 1) == 1);
    s->fail_act = -1;
    assert(push_one(&m, 6, BATCH_SYNC, T0 + 3 * NS_PER_S) == CODE_OK); /* the clock was set back meanwhile */
    assert(push_one(&m, 2, BATCH_SYNC, T0 + 4 * NS_PER_S) == CODE_OK && count_one(&m, 2) == 1); /* again */
    kill_9(&m, s);
    m = boot(s, SIZE_MAX);
    int64_t counts[LEAVES];
    count(&m, counts);
    for (unsigned i = 1; i <= 6; i++)
        assert(counts[i] == (i <= 2 || i == 6));
    stop(&m, T0);
    s->disk.ops->free(&s->disk);
}

static void segments_go_with_what_memory_drops(void)
{
    struct sim_disk *s = sim_new(1);
    struct machine   m = boot(s, 96 << 10);
    struct arena    *a = arena_new(0);
    int              most = 0;

    for (unsigned i = 0; i < 200; i++) {
        struct batch *b = profile(a, i % LEAVES, 2000);
        b->time_ns = T0 + (int64_t)i * 600 * NS_PER_S;
        b->key = hash128(&i, sizeof i);
        struct append one = { .batch = b, .done = on_done };
        keeper_take(m.keeper, &one, b->time_ns);
        keeper_step(m.keeper, b->time_ns);
        assert(one.code == CODE_OK);
        most = s->n_names > most ? s->n_names : most;
    }
    assert(most < 30 && shard_stats(m.shard).dropped_buckets > 0);
    int64_t before = shard_stats(m.shard).profiles;
    stop(&m, T0);
    m = boot(s, 96 << 10);
    assert(shard_stats(m.shard).profiles >= before);
    stop(&m, T0);
    arena_free(a);
    s->disk.ops->free(&s->disk);
}

static void damage_is_refused(void)
{
    struct sim_disk *s = sim_new(1);
    struct machine   m = boot(s, SIZE_MAX);
    struct fault     why;

    for (unsigned i = 1; i <= 6; i++)
        assert(push_one(&m, i, BATCH_SYNC, T0) == CODE_OK);
    stop(&m, T0);
    sim_file(s, "wal-0000000000000001")->p[200] ^= 1;
    m = machine_of(s, SIZE_MAX);
    assert(keeper_load(m.keeper, T0, &why) == CODE_DATA_LOSS && strstr(why.text, "offset 64"));
    stop(&m, T0);
    s->disk.ops->free(&s->disk);
}

/* ---- every fault, every moment */

enum ending { GOES_ON, KILLED, POWER_CUT };

/* Acknowledged: once.  Refused: never, but for the step in which the machine went down: those may be there. */
static void expect(const int64_t counts[LEAVES], const enum code codes[PROFILES], bool went_down)
{
    int failed = PROFILES - 1;

    while (failed > 0 && codes[failed - 1] != CODE_OK)
        failed--;
    for (int i = 0; i < PROFILES; i++) {
        bool is_ambiguous = codes[i] != CODE_OK && went_down && i / PER_STEP == failed / PER_STEP;
        assert(counts[i] == (codes[i] == CODE_OK) || (is_ambiguous && (counts[i] == 0 || counts[i] == 1)));
    }
}

/* Every profile is pushed in turn; the act `at` of the disk fails, and all after it when the machine is to end there. */
static bool run(uint64_t seed, int at, enum ending ending)
{
    struct sim_disk *s = sim_new(seed);
    struct machine   m = boot(s, SIZE_MAX);
    enum code        codes[PROFILES];
    int64_t          counts[LEAVES];

    s->fail_act = at;
    s->fails_on = ending != GOES_ON;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned ids[PER_STEP] = { step * PER_STEP, step * PER_STEP + 1, step * PER_STEP + 2 };
        push(&m, ids, PER_STEP, BATCH_SYNC, T0 + step * NS_PER_S, codes + step * PER_STEP);
    }
    bool is_reached = s->acts > at;
    count(&m, counts);
    expect(counts, codes, false); /* nothing of what failed is seen */
    kill_9(&m, s);
    if (ending == POWER_CUT)
        sim_power_cut(s);
    for (int turn = 0; turn < 2; turn++) {
        m = boot(s, SIZE_MAX);
        count(&m, counts);
        expect(counts, codes, codes[PROFILES - 1] != CODE_OK);
        for (unsigned i = 0; turn == 1 && i < PROFILES; i++) { /* everybody tries again */
            assert(push_one(&m, i, BATCH_SYNC, T0 + 100 * NS_PER_S) == CODE_OK);
            assert(count_one(&m, i) == 1);
        }
        kill_9(&m, s);
    }
    m = boot(s, SIZE_MAX);
    count(&m, counts);
    for (int i = 0; i < PROFILES; i++)
        assert(counts[i] == 1);
    stop(&m, T0);
    s->disk.ops->free(&s->disk);
    return is_reached;
}

static void every_moment(void)
{
    int runs = 0;

    for (int ending = GOES_ON; ending <= POWER_CUT; ending++)
        for (uint64_t seed = 0; seed < (ending == POWER_CUT ? 6 : 1); seed++)
            for (int at = 0; run(seed * 1000 + (uint64_t)at, at, (enum ending)ending); at++)
                runs++;
    printf("keeper: %d runs with a fault\n", runs);
}

/* The first segment of a log behind the byte that wal_fuzz wants there. */
static void write_seed(const char *path, unsigned n, unsigned bulk)
{
    struct sim_disk *s = sim_new(1);
    struct machine   m = boot(s, SIZE_MAX);
    struct arena    *a = arena_new(0);

    for (unsigned i = 0; i < n; i++) {
        struct append one = { .batch = profile(a, i, bulk), .done = on_done };
        keeper_take(m.keeper, &one, T0);
        keeper_step(m.keeper, T0);
    }
    stop(&m, T0);
    const struct sim_bytes *b = sim_file(s, "wal-0000000000000001");
    FILE                   *f = fopen(path, "wb");
    assert(f != NULL && fputc(0, f) == 0 && fwrite(b->p, 1, b->n, f) == b->n);
    fclose(f);
    arena_free(a);
    s->disk.ops->free(&s->disk);
}

static int write_seeds(const char *folder)
{
    char path[4096];

    for (unsigned n = 1; n <= 4; n++) {
        snprintf(path, sizeof path, "%s/%u_profiles", folder, n);
        write_seed(path, n, n % 2 * 100);
    }
    return 0;
}

int main(int argc, char **argv)
{
    log_setup(LOG_ERROR + 1, false);
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    counts_once_across_restarts();
    modes();
    what_came_back_is_gone_on_with();
    what_is_read_becomes_durable();
    what_was_refused_stays_refused();
    a_full_disk_is_read_only_until_there_is_room();
    segments_go_with_what_memory_drops();
    damage_is_refused();
    every_moment();
    puts("keeper: ok");
    return 0;
}
