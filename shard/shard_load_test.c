/*
 * Goal: a start finds each acknowledged profile once, whether a block has it, the log, or both; damage and too little memory
 * are refused with a word that says what to do, and lose nothing; so does an end between any two steps of sealing.
 * Method: keepers over a folder of their own, stopped and loaded again under other limits; a child that ends at a step; a
 * small block of which each byte is spoilt in turn.
 */
#include "shard/load.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "index/block.h"
#include "index/select.h"
#include "shard/disk.h"
#include "shard/keeper.h"
#include "shard/store.h"
#include "shard/test_batch.h"
#include "shard/test_held.h"

#define SPAN (600 * NS_PER_S)
#define T0 (1700000000 * NS_PER_S / SPAN * SPAN)

enum { SEGMENT = 16 << 10 };

/* In memory where that can be: it is started some thousand times, and no power goes. */
static char roots[2][40] = { "/dev/shm/shard_load_test.XXXXXX", "/tmp/shard_load_test.XXXXXX" }, *root;
static int  end_at, removals_left;

/* Each step of saving a block, then each removal of a segment of the log. */
enum { STEPS = 5, REMOVALS = 3 };

void block_file_parked(int step)
{
    if (step == end_at)
        _exit(7);
}

static const struct disk_ops *true_ops;
static struct disk_ops        ending_ops; /* the same, but for its remove */

static int remove_and_end(struct disk *d, const char *name)
{
    int result = true_ops->remove(d, name);

    if (--removals_left == 0)
        _exit(7);
    return result;
}

struct machine {
    struct store  *store;
    struct shard  *shard;
    struct disk   *disk;
    struct keeper *keeper;
    bool           is_loaded;
};

static void path_in(const char *name, char out[512]) { snprintf(out, 512, "%s/%s", root, name); }

static enum code start(struct machine *m, size_t limit_bytes, enum block_damage damage, struct fault *why)
{
    struct block_files *files;
    char                path[512];

    path_in("blocks", path);
    assert(block_files_open(path, damage, &files, why) == CODE_OK);
    path_in("wal", path);
    assert(disk_open(path, &m->disk, why) == CODE_OK);
    if (removals_left > 0) {
        true_ops = m->disk->ops;
        ending_ops = *true_ops;
        ending_ops.remove = remove_and_end;
        m->disk->ops = &ending_ops;
    }
    m->store = store_start(files);
    m->shard = shard_new(&(struct shard_config){ .name = "t",
                                                 .retention_ns = INT64_MAX,
                                                 .limit_bytes = limit_bytes,
                                                 .store = m->store,
                                                 .seal_bytes = 256 << 10 });
    m->keeper =
        keeper_new(&(struct keeper_config){ .shard = m->shard, .disk = m->disk, .segment_bytes = SEGMENT, .salt = 5 });
    enum code code = keeper_load(m->keeper, T0, why);
    m->is_loaded = code == CODE_OK;
    return code;
}

static struct machine started(size_t limit_bytes)
{
    struct machine m;
    struct fault   why;
    enum code      code = start(&m, limit_bytes, BLOCK_DAMAGE_REFUSE, &why);

    if (code != CODE_OK)
        fprintf(stderr, "%s\n", why.text);
    assert(code == CODE_OK);
    return m;
}

static void stop(struct machine *m)
{
    keeper_free(m->keeper, T0);
    store_stop(m->store);
    shard_free(m->shard);
    m->disk->ops->free(m->disk);
}

static void on_done(struct append *a) { (void)a; }

static enum code push(struct machine *m, const char *tenant, int64_t time_ns, unsigned i, unsigned bulk)
{
    struct arena  *a = arena_new(0);
    struct batch  *b = test_batch(a, &(struct test_profile){ tenant, "svc", "pod", time_ns, 1, i, bulk });
    struct append  one = { .batch = b, .done = on_done };
    struct hash128 key = hash128(&i, sizeof i);

    b->mode = BATCH_SYNC;
    b->key = key;
    keeper_take(m->keeper, &one, T0);
    keeper_step(m->keeper, T0);
    arena_free(a);
    return one.code;
}

/* Refused while what is older is sealed, it is pushed again. */
static void insist(struct machine *m, const char *tenant, int64_t time_ns, unsigned i, unsigned bulk)
{
    enum code code;

    while ((code = push(m, tenant, time_ns, i, bulk)) == CODE_RESOURCE_EXHAUSTED)
        usleep(200);
    assert(code == CODE_OK);
}

/* Each has a stack of its own: none counts twice. */
static struct held_by found_of(struct machine *m, const char *tenant)
{
    struct held_by h = held_by(m->shard, tenant);

    assert(h.most <= 1);
    return h;
}

static void expect(struct machine *m, const char *tenant, int64_t profiles)
{
    struct held_by h = found_of(m, tenant);

    assert(h.profiles == profiles && h.sum == profiles);
}

/* Steps at `now_ns` until the tenant has so many sealed buckets. */
static void await_sealed(struct machine *m, const char *tenant, size_t sealed, int64_t now_ns)
{
    for (int i = 0; i < 20000 && found_of(m, tenant).sealed < sealed; i++) {
        keeper_step(m->keeper, now_ns);
        usleep(500);
    }
    assert(found_of(m, tenant).sealed >= sealed);
}

/* How many files there are whose names end so; the last of them in `path`, if that is wanted. */
static int files_n(const char *folder, const char *ending, char path[512])
{
    char command[700], line[512];
    int  n = 0;

    snprintf(command, sizeof command, "find %s/%s -type f -name '*%s'", root, folder, ending);
    FILE *p = popen(command, "r");
    for (; p != NULL && fgets(line, sizeof line, p) != NULL; n++)
        if (path != NULL)
            memcpy(path, line, strcspn(line, "\n") + 1), path[strcspn(line, "\n")] = '\0';
    pclose(p);
    return n;
}

/* ---- */

static void a_log_of_many_generations_comes_back(void)
{
    enum { PROFILES = 900, BULK = 1500 };
    struct machine m = started(SIZE_MAX);

    insist(&m, "slow", T0, 100000, 10); /* is in no block, so that the log keeps all there is */
    for (unsigned i = 0; i < PROFILES; i++)
        insist(&m, "fast", T0 + (i % 2) * SPAN + i, i, BULK);
    await_sealed(&m, "fast", 2, T0);
    insist(&m, "slow", T0 + 1, 100001, 10);
    struct held_by before = found_of(&m, "fast");
    assert(before.buckets > before.sealed && before.profiles == PROFILES && before.sum == PROFILES);
    stop(&m);
    assert(files_n("wal", "", NULL) > 3);

    for (int turn = 0; turn < 2; turn++) {
        m = started(SIZE_MAX);
        assert(found_of(&m, "fast").buckets == before.buckets);
        expect(&m, "fast", PROFILES);
        expect(&m, "slow", 2);
        insist(&m, "fast", T0, 7, BULK); /* sent again: known, from a block or from the log */
        insist(&m, "fast", T0, PROFILES - 1, BULK);
        expect(&m, "fast", PROFILES);
        if (turn == 0)
            await_sealed(&m, "fast", before.buckets, T0 + 3 * SPAN);
        stop(&m);
    }
    folder_empty(root);
}

/* A log without blocks, as of a process that was killed before any was done. */
static void drop_blocks(void)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf %s/blocks", root);
    assert(system(command) == 0);
}

/* What was being sealed when all had been read counts twice until it is exchanged. */
static void settle_below(struct machine *m, size_t limit_bytes)
{
    for (int i = 0; i < 20000 && shard_stats(m->shard).bytes > limit_bytes; i++) {
        keeper_step(m->keeper, T0);
        usleep(500);
    }
    assert(shard_stats(m->shard).bytes <= limit_bytes);
}

/* Sealed live because they were full, or early because memory was short. */
static void what_was_live_under_a_limit_fits_again(unsigned per_span)
{
    enum { PROFILES = 2400, BULK = 3000, LIMIT = 2 << 20 };
    struct machine m = started(LIMIT);
    struct fault   why;

    insist(&m, "slow", T0, 100000, 10);
    for (unsigned i = 0; i < PROFILES; i++)
        insist(&m, i % 2 ? "a" : "b", T0 + i / per_span * SPAN + i, i, BULK);
    stop(&m);
    drop_blocks();

    m = started(LIMIT); /* all of 7 MB of texts is in the log, and none of it elsewhere */
    assert(shard_stats(m.shard).dropped_buckets == 0);
    expect(&m, "a", PROFILES / 2);
    expect(&m, "b", PROFILES / 2);
    expect(&m, "slow", 1);
    stop(&m);
    drop_blocks();

    assert(start(&m, 256 << 10, BLOCK_DAMAGE_REFUSE, &why) == CODE_RESOURCE_EXHAUSTED);
    assert(strstr(why.text, "262144 bytes of memory") != NULL && strstr(why.text, "larger memory limit") != NULL);
    assert(shard_stats(m.shard).dropped_buckets == 0);
    stop(&m);

    m = started(LIMIT);
    settle_below(&m, LIMIT);
    expect(&m, "a", PROFILES / 2);
    expect(&m, "b", PROFILES / 2);
    assert(shard_stats(m.shard).dropped_buckets == 0);
    stop(&m);
    folder_empty(root);
}

enum { ACKED = 40 };

/* Acknowledges all, then seals and releases until it ends where it was told to. */
static void child(int step)
{
    struct machine m;
    struct fault   why;

    end_at = step <= STEPS ? step : 0;
    removals_left = step > STEPS ? step - STEPS : 0;
    if (start(&m, SIZE_MAX, BLOCK_DAMAGE_REFUSE, &why) != CODE_OK)
        _exit(1);
    for (unsigned i = 0; i < ACKED; i++)
        if (push(&m, "a", T0 + (i & 1) * SPAN + i, i, 1500) != CODE_OK)
            _exit(2);
    for (int i = 0; i < 20000; i++) {
        keeper_step(m.keeper, T0 + 4 * SPAN + i * NS_PER_S);
        usleep(500);
    }
    _exit(3);
}

static void an_end_at_any_step_loses_nothing(void)
{
    for (int step = 1; step <= STEPS + REMOVALS; step++) {
        int   status;
        pid_t pid = fork();
        if (pid == 0)
            child(step);
        assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
        for (int turn = 0; turn < 2; turn++) {
            struct machine m = started(SIZE_MAX);
            expect(&m, "a", ACKED);
            insist(&m, "a", T0, 3, 1500); /* sent again */
            expect(&m, "a", ACKED);
            if (turn == 0)
                await_sealed(&m, "a", 2, T0 + 4 * SPAN);
            stop(&m);
        }
        folder_empty(root);
    }
}

/* ---- damage */

static struct slice file_bytes(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");

    assert(f != NULL && fseek(f, 0, SEEK_END) == 0);
    size_t n = (size_t)ftell(f);
    char  *p = arena_array(a, n, 1);
    rewind(f);
    assert(fread(p, 1, n, f) == n);
    fclose(f);
    return slice_make(p, n);
}

static void file_make(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert(f != NULL && fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

static void expect_refusal(const char *path, size_t at)
{
    struct machine m;
    struct fault   why;
    enum code      code = start(&m, SIZE_MAX, BLOCK_DAMAGE_REFUSE, &why);

    if (code == CODE_OK || strstr(why.text, path) == NULL)
        fprintf(stderr, "byte %zu: %s\n", at, code == CODE_OK ? "taken" : why.text);
    assert(code != CODE_OK && strstr(why.text, path) != NULL);
    stop(&m);
}

/* How many profiles a start finds, -1: it was refused, by the name of a segment. */
static int64_t found_or_refused(void)
{
    struct machine m;
    struct fault   why;
    int64_t        found = -1;

    if (start(&m, SIZE_MAX, BLOCK_DAMAGE_REFUSE, &why) == CODE_OK)
        expect(&m, "a", found = found_of(&m, "a").profiles);
    else
        assert(strstr(why.text, "log wal-") != NULL);
    stop(&m);
    return found;
}

/* Three profiles of a span that is over, behind what keeps the log from going. */
static struct machine started_with_three(void)
{
    struct machine m = started(SIZE_MAX);

    insist(&m, "slow", T0, 100000, 10);
    for (unsigned i = 0; i < 3; i++)
        insist(&m, "a", T0 - 3 * SPAN + i, i, 5);
    return m;
}

/* The log has it all still, the block has it all, too: wherever that is spoilt it is refused, or set aside and not missed. */
static void each_byte_of_a_block_counts(void)
{
    struct arena  *a = arena_new(0);
    struct machine m = started_with_three();
    struct fault   why;
    char           path[512];

    for (int i = 0; i < 20000 && files_n("blocks", ".block", path) < 1; i++) {
        keeper_step(m.keeper, T0 + 6 * NS_PER_S); /* old, and idle for long enough */
        usleep(500);
    }
    stop(&m);
    assert(files_n("blocks", ".block", path) == 1);
    struct slice whole = file_bytes(a, path);
    char        *spoilt = arena_array(a, whole.n, 1);
    for (size_t at = 0; at < whole.n; at++) {
        memcpy(spoilt, whole.p, whole.n);
        spoilt[at] ^= (char)(1 << at % 8);
        file_make(path, spoilt, whole.n);
        expect_refusal(path, at);
        file_make(path, whole.p, at);
        expect_refusal(path, at);
    }
    printf("load: %zu bytes of a block spoilt and cut off in turn\n", whole.n);

    assert(start(&m, SIZE_MAX, BLOCK_DAMAGE_SET_ASIDE, &why) == CODE_OK);
    assert(files_n("blocks", ".damaged", NULL) == 1 && files_n("blocks", ".block", NULL) == 0);
    expect(&m, "a", 3);
    expect(&m, "slow", 1);
    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    stop(&m);
    m = started(SIZE_MAX);
    expect(&m, "a", 3);
    stop(&m);
    assert(files_n("blocks", "0000000000000002.block", NULL) == 1); /* no number is used twice */
    arena_free(a);
    folder_empty(root);
}

static void file_spoil(const char *path, struct slice whole)
{
    file_make(path, whole.p, whole.n - 1);
}

/* Sets the one damaged block aside; so many profiles are found, from the log. */
static struct machine set_aside(int64_t profiles)
{
    struct machine m;
    struct fault   why;

    assert(start(&m, SIZE_MAX, BLOCK_DAMAGE_SET_ASIDE, &why) == CODE_OK);
    expect(&m, "a", profiles);
    return m;
}

/* Found again, a block that was set aside is known by what the log has made of it meanwhile. */
static void a_block_put_back_counts_once(void)
{
    struct arena  *a = arena_new(0);
    struct machine m = started_with_three();
    struct fault   why;
    char           path[512];

    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    stop(&m);
    assert(files_n("blocks", ".block", path) == 1);
    struct slice whole = file_bytes(a, path);

    file_spoil(path, whole);
    m = set_aside(3);
    stop(&m);
    file_make(path, whole.p, whole.n); /* before the log's was sealed: the log need not be asked */
    m = started(SIZE_MAX);
    expect(&m, "a", 3);
    stop(&m);

    file_spoil(path, whole);
    m = set_aside(3);
    insist(&m, "a", T0 - 3 * SPAN + 3, 3, 5); /* it goes on */
    stop(&m);
    file_make(path, whole.p, whole.n);
    m = started(SIZE_MAX);
    expect(&m, "a", 4);
    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    stop(&m);
    assert(files_n("blocks", ".block", NULL) == 1 && files_n("blocks", "0000000000000001.block", NULL) == 0);

    file_make(path, whole.p, whole.n); /* beside the other */
    assert(start(&m, SIZE_MAX, BLOCK_DAMAGE_REFUSE, &why) == CODE_DATA_LOSS);
    assert(strstr(why.text, "0000000000000001.block beside it") != NULL && strstr(why.text, "2.block: block: ") != NULL);
    stop(&m);
    unlink(path);
    m = started(SIZE_MAX);
    expect(&m, "a", 4);
    stop(&m);
    arena_free(a);
    folder_empty(root);
}

/*
 * Spoilt it is refused, but for the mark behind its last record.  What is cut off takes along what would prove that it was there, so
 * that is a torn tail: what is before it is found, and what the block has.
 */
static void each_byte_of_a_log_counts(void)
{
    struct arena  *a = arena_new(0);
    struct machine m = started(SIZE_MAX);
    char           path[512], *spoilt;
    int64_t        found;
    size_t         refused = 0;

    for (unsigned i = 0; i < 3; i++)
        insist(&m, "a", T0 - 3 * SPAN + i, i, 5);
    await_sealed(&m, "a", 1, T0 + 6 * NS_PER_S);
    for (unsigned i = 3; i < 6; i++)
        insist(&m, "a", T0 - 3 * SPAN + i, i, 5);
    stop(&m);
    assert(files_n("wal", "", path) == 1 && files_n("blocks", ".block", NULL) == 1);
    struct slice whole = file_bytes(a, path);
    spoilt = arena_array(a, whole.n, 1);
    while (whole.n > 0 && whole.p[whole.n - 1] == '\0')
        whole.n--;
    whole.n = (whole.n + 7) / 8 * 8; /* what is behind it was reserved ahead */
    for (size_t at = 0; at < whole.n; at++) {
        memcpy(spoilt, whole.p, whole.n);
        spoilt[at] ^= (char)(1 << at % 8);
        file_make(path, spoilt, whole.n);
        found = found_or_refused();
        refused += found < 0;
        assert(found < 0 || found == 6);
        file_make(path, whole.p, at);
        found = found_or_refused();
        assert(found < 0 || (found >= 3 && found <= 6));
    }
    printf("load: %zu bytes of a log spoilt and cut off in turn, %zu of the spoilt refused\n", whole.n, refused);
    assert(refused >= whole.n - 48); /* the mark, and zeros to a multiple of 8 */
    arena_free(a);
    folder_empty(root);
}

int main(void)
{
    log_setup(LOG_ERROR + 1, false);
    root = mkdtemp(roots[0]);
    if (root == NULL)
        root = mkdtemp(roots[1]);
    assert(root != NULL);
    a_log_of_many_generations_comes_back();
    what_was_live_under_a_limit_fits_again(UINT_MAX);
    what_was_live_under_a_limit_fits_again(80);
    an_end_at_any_step_loses_nothing();
    each_byte_of_a_block_counts();
    a_block_put_back_counts_once();
    each_byte_of_a_log_counts();
    assert(rmdir(root) == 0);
    puts("load: ok");
    return 0;
}
