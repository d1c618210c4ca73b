/*
 * Goal: what was sealed to a file is there after any end of the process, once; what a crash left in the making goes; damage is
 * refused by name; memory that blocks took comes back before anything is dropped; retention removes files.
 * Method: a shard with a store in a folder of its own, stopped and started again; a child that ends at each step of saving.
 */
#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "index/block.h"
#include "index/select.h"
#include "shard/load.h"
#include "shard/shard.h"
#include "shard/store.h"
#include "shard/test_batch.h"
#include "shard/test_held.h"
#include "shard/wal.h"

#define MINUTE (60 * NS_PER_S)
#define SPAN (10 * MINUTE)
#define T0 (1700000000 * NS_PER_S / SPAN * SPAN)

static char          folder[] = "/tmp/block_files_test.XXXXXX";
static int           end_at;
static struct store *store;

void block_file_parked(int step)
{
    if (step == end_at)
        _exit(7);
}

static struct shard *shard_open(size_t limit_bytes, size_t retention_bytes, struct fault *why, enum code *code)
{
    struct block_files *files;
    struct wal_found    found;
    struct fault        ignored;

    assert(block_files_open(folder, BLOCK_DAMAGE_REFUSE, &files, &ignored) == CODE_OK);
    store = store_start(files);
    struct shard *s = shard_new(&(struct shard_config){ .name = "test",
                                                        .retention_ns = INT64_MAX,
                                                        .retention_bytes = retention_bytes,
                                                        .limit_bytes = limit_bytes,
                                                        .store = store,
                                                        .seal_bytes = 1 << 20 });
    *code = load_all(s, NULL, 0, &found, why);
    return s;
}

static struct shard *shard_of(size_t limit_bytes)
{
    struct fault  why;
    enum code     code;
    struct shard *s = shard_open(limit_bytes, 0, &why, &code);

    assert(code == CODE_OK);
    return s;
}

static void shard_end(struct shard *s)
{
    store_stop(store);
    shard_free(s);
}

static void push(struct shard *s, int64_t time_ns, unsigned i, uint64_t seq)
{
    struct arena       *a = arena_new(0);
    struct test_profile p = { "tenant", "svc", "pod-0", time_ns, 1 + i, i, 20 };
    struct append       one = { .batch = test_batch(a, &p), .seq = seq }, *all = &one;

    shard_step(s, &all, 1, T0);
    assert(one.code == CODE_OK);
    arena_free(a);
}

static struct held_by wait_sealed(struct shard *s, int64_t now_ns)
{
    for (int i = 0; i < 20000; i++) {
        shard_step(s, NULL, 0, now_ns);
        struct held_by h = held_by(s, "tenant");
        if (h.sealed == h.buckets)
            return h;
        usleep(1000);
    }
    assert(!"sealed in time");
    return (struct held_by){ 0 };
}

static void a_restart_has_it_all_once(void)
{
    struct shard *s = shard_of(SIZE_MAX);

    for (unsigned i = 0; i < 100; i++)
        push(s, T0 + i, i, 10 + i);
    struct held_by before = wait_sealed(s, T0 + 2 * SPAN);
    assert(before.buckets == 1 && before.profiles == 100 && files_below(folder, ".block") == 1);
    shard_end(s);

    s = shard_of(SIZE_MAX);
    struct held_by after = held_by(s, "tenant");
    assert(after.sealed == 1 && after.profiles == 100 && after.sum == before.sum && after.sum == 5050);
    assert(shard_stats(s).bytes < 16 << 10); /* left to its file */
    push(s, T0 + 100, 100, 110);             /* what comes late: beside it */
    after = held_by(s, "tenant");
    assert(after.profiles == 101 && after.sum == 5050 + 101);
    after = wait_sealed(s, T0 + 3 * SPAN);
    assert(after.buckets == 2 && after.sum == 5050 + 101 && files_below(folder, ".block") == 2);
    shard_end(s);
    s = shard_of(SIZE_MAX);
    assert(held_by(s, "tenant").sum == 5050 + 101);
    shard_end(s);
    folder_empty(folder);
}

/* What the child had on disk when it ended at that step. */
static void child(int step)
{
    struct block_files *files;
    struct fault        why;
    struct bucket      *b = bucket_new(SLICE("tenant"), T0, T0 + SPAN, NULL);
    struct arena       *a = arena_new(0);
    struct buf          image = { 0 };
    struct block_image  mapped;
    struct test_profile p = { "tenant", "svc", "pod-0", T0 + 1, 5, 0, 20 };
    uint64_t            number;

    end_at = step;
    if (block_files_open(folder, BLOCK_DAMAGE_REFUSE, &files, &why) != CODE_OK ||
        bucket_append(b, test_batch(a, &p), &why) != CODE_OK ||
        block_write(b, &(struct block_origin){ .first_seq = 1, .last_seq = 1 }, &image, &why) != CODE_OK)
        _exit(1);
    _exit(block_files_save(files, SLICE("tenant"), buf_view(&image), &number, &mapped, &why) == CODE_OK ? 7 : 1);
}

static void an_end_at_any_step_leaves_a_block_or_nothing(void)
{
    for (int step = 1; step <= 6; step++) {
        int   status;
        pid_t pid = fork();
        if (pid == 0)
            child(step);
        assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
        assert(files_below(folder, ".new") == (step < 4) && files_below(folder, ".block") == (step >= 4));
        struct shard *s = shard_of(SIZE_MAX);
        assert(files_below(folder, ".new") == 0 && held_by(s, "tenant").sum == (step >= 4 ? 5 : 0));
        shard_end(s);
        folder_empty(folder);
    }
}

static void damage_is_refused_by_name(void)
{
    struct shard *s = shard_of(SIZE_MAX);
    char          command[512];
    struct fault  why;
    enum code     code;

    push(s, T0, 1, 0);
    wait_sealed(s, T0 + 2 * SPAN);
    shard_end(s);
    snprintf(command, sizeof command,
             "printf X | dd of=$(find %s -name '*.block') bs=1 seek=200 conv=notrunc 2>/dev/null", folder);
    assert(system(command) == 0);
    s = shard_open(SIZE_MAX, 0, &why, &code);
    assert(code == CODE_DATA_LOSS && strstr(why.text, "/0000000000000001.block: block: damaged: bytes 0 to ") != NULL);
    shard_end(s);
    snprintf(command, sizeof command, "truncate -s 0 $(find %s -name '*.block')", folder);
    assert(system(command) == 0);
    s = shard_open(SIZE_MAX, 0, &why, &code);
    assert(code == CODE_DATA_LOSS && strstr(why.text, "it is empty") != NULL);
    shard_end(s);
    folder_empty(folder);
}

static void a_limit_is_for_memory_only(void)
{
    enum { LIMIT = 3 << 20, PUSHES = 60000, STEP = 500 };
    struct shard *s = shard_of(LIMIT);

    for (unsigned i = 0; i < PUSHES; i++) {
        push(s, T0 + i, i, i + 1);
        assert(shard_stats(s).bytes <= LIMIT);
        for (int k = 0; i % STEP == 0 && k < 2000 && held_by(s, "tenant").buckets > held_by(s, "tenant").sealed + 1;
             k++) {
            usleep(1000);
            shard_step(s, NULL, 0, T0);
        }
    }
    struct held_by h = held_by(s, "tenant");
    assert(shard_stats(s).dropped_buckets == 0 && h.profiles == PUSHES && h.sum == (int64_t)PUSHES * (PUSHES + 1) / 2);
    shard_end(s);
    folder_empty(folder);
}

static void retention_removes_files(void)
{
    struct fault  why;
    enum code     code;
    struct shard *s = shard_open(SIZE_MAX, 40000, &why, &code);

    assert(code == CODE_OK);
    for (unsigned i = 0; i < 50; i++) {
        push(s, T0 + i * SPAN, i, 0);
        for (unsigned k = 0; k < 30; k++)
            push(s, T0 + i * SPAN + k, 1000 + k, 0);
    }
    wait_sealed(s, T0 + 60 * SPAN);
    shard_step(s, NULL, 0, T0 + 61 * SPAN);
    struct held_by before = held_by(s, "tenant");
    assert(before.buckets > 1 && before.buckets < 40 && shard_stats(s).dropped_buckets > 0);
    shard_end(s);
    s = shard_of(SIZE_MAX); /* what was being merged may be so now */
    struct held_by after = held_by(s, "tenant");
    shard_end(s);
    assert(after.sum == before.sum && files_below(folder, ".block") == (int)after.buckets);
    folder_empty(folder);
}

/* The disk is gone: what is sealed stays in memory. */
static void without_a_disk_it_is_held_in_memory(void)
{
    struct shard *s = shard_of(SIZE_MAX);

    assert(rmdir(folder) == 0);
    for (unsigned i = 0; i < 100; i++)
        push(s, T0 + i, i, 0);
    struct held_by h = wait_sealed(s, T0 + 2 * SPAN);
    assert(h.sum == 5050);
    shard_end(s);
    assert(mkdir(folder, 0700) == 0);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    a_restart_has_it_all_once();
    an_end_at_any_step_leaves_a_block_or_nothing();
    damage_is_refused_by_name();
    a_limit_is_for_memory_only();
    retention_removes_files();
    without_a_disk_it_is_held_in_memory();
    assert(rmdir(folder) == 0);
    puts("block files: ok");
    return 0;
}
