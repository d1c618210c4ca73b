/*
 * Goal: small blocks of a window that is over become one, nobody who asks can tell, and whatever end the process takes meanwhile each
 * profile is there once: not lost, not beside itself, not again out of the log, and known when it is sent again.
 * Method: shard_step with invented times beside a store in a folder of its own; a child that ends at each step of saving the merged
 * file; old files that are put back; records of the log that are read again.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "shard/load.h"
#include "shard/record.h"
#include "shard/shard.h"
#include "shard/store.h"
#include "shard/test_batch.h"
#include "shard/test_held.h"
#include "shard/wal.h"

#define SPAN (600 * NS_PER_S)
#define WINDOW (12 * SPAN)
#define DAY (144 * SPAN)
#define T0 (1700000000 * NS_PER_S / DAY * DAY)

enum { SPANS = 12, PER_SPAN = 5 };

static char          folder[] = "/tmp/merge_test.XXXXXX";
static int           end_at;
static struct store *store;

void block_file_parked(int step)
{
    if (step == end_at)
        _exit(7);
}

static struct shard *shard_of(int64_t retention_ns, int64_t now_ns)
{
    struct block_files *files;
    struct wal_found    found;
    struct fault        why;

    enum code code = block_files_open(folder, BLOCK_DAMAGE_REFUSE, &files, &why);
    assert(code == CODE_OK);
    store = store_start(files);
    struct shard *s = shard_new(&(struct shard_config){
        .name = "test", .retention_ns = retention_ns, .limit_bytes = SIZE_MAX, .store = store });
    code = load_all(s, NULL, now_ns, &found, &why);
    assert(code == CODE_OK);
    return s;
}

static void shard_end(struct shard *s)
{
    store_stop(store);
    shard_free(s);
}

/* Profile i, a minute after the one before; its record of the log, when asked for. */
static void push(struct shard *s, int64_t i, int64_t now_ns, struct buf *redo, struct record *record)
{
    struct arena       *a = arena_new(0);
    struct test_profile p = {
        "tenant", "svc", i % 3 ? "a" : "b", T0 + i * SPAN / PER_SPAN, 1 + i, (unsigned)(i % 7), 20
    };
    struct batch *b = test_batch(a, &p);
    struct append one = { .batch = b, .seq = (uint64_t)i + 1 };
    struct buf    ignored = { 0 };

    b->key = (struct hash128){ (uint64_t)i + 1, 77 };
    shard_tick(s, now_ns);
    shard_take(s, &one, now_ns, redo ? redo : &ignored);
    shard_publish(s, now_ns);
    assert(one.code == CODE_OK);
    if (record != NULL)
        *record = (struct record){ one.start_ns, one.generation, b->key, SLICE("tenant"), buf_view(redo) };
    buf_free(&ignored);
    arena_free(a);
}

/* Steps until there are no more than so many buckets, all of them sealed. */
static struct held_by wait_for(struct shard *s, size_t buckets, int64_t now_ns)
{
    for (int i = 0; i < 20000; i++, now_ns += NS_PER_S / 20) {
        shard_step(s, NULL, 0, now_ns);
        struct held_by h = held_by(s, "tenant");
        if (h.sealed == h.buckets && h.buckets <= buckets)
            return h;
        usleep(1000);
    }
    assert(!"merged in time");
    return (struct held_by){ 0 };
}

static void run(const char *format)
{
    char command[512];

    snprintf(command, sizeof command, format, folder, folder, folder);
    int failed = system(command);
    assert(failed == 0);
}

#define SUM(n) ((n) * ((n) + 1) / 2)

#define CAME (T0 + WINDOW + SPAN)
#define COLD (CAME + SPAN + 10 * NS_PER_S)

/* A window of profiles, which came when it was over, in blocks of ten minutes, all of them on disk. */
static struct shard *twelve_blocks(int64_t retention_ns)
{
    struct shard *s = shard_of(retention_ns, T0);

    for (int64_t i = 0; i < SPANS * PER_SPAN; i++)
        push(s, i, CAME, NULL, NULL);
    struct held_by h = wait_for(s, SPANS, CAME + 6 * NS_PER_S);
    assert(h.buckets == SPANS && h.sum == SUM(SPANS * PER_SPAN) && h.profiles == SPANS * PER_SPAN);
    return s;
}

static void a_window_becomes_one_block(void)
{
    struct shard *s = twelve_blocks(INT64_MAX);

    struct held_by h = wait_for(s, 1, COLD);
    assert(h.buckets == 1 && h.sum == SUM(SPANS * PER_SPAN) && h.profiles == SPANS * PER_SPAN);
    h = held_in(s, "tenant", T0 + 5 * SPAN, T0 + 6 * SPAN - 1);
    assert(h.buckets == 1 && h.sum == SUM(6 * PER_SPAN) - SUM(5 * PER_SPAN));
    assert(held_in(s, "tenant", T0 + WINDOW, INT64_MAX).buckets == 0 &&
           held_in(s, "tenant", INT64_MIN, T0 - 1).buckets == 0);
    struct shard_stats is = shard_stats(s);
    assert(is.buckets == 1 && is.profiles == SPANS * PER_SPAN && is.series == 2 && is.dropped_buckets == 0);
    shard_end(s);
    assert(files_below(folder, ".block") == 1);
    s = shard_of(INT64_MAX, T0 + DAY);
    assert(held_by(s, "tenant").buckets == 1 && held_by(s, "tenant").sum == SUM(SPANS * PER_SPAN));
    shard_end(s);
    folder_empty(folder);
}

static void what_comes_late_is_merged_in_its_turn(void)
{
    struct shard *s = twelve_blocks(INT64_MAX);

    wait_for(s, 1, COLD);
    struct test_profile p = { "tenant", "svc", "c", T0 + 3 * SPAN, 1000, 3, 20 };
    struct arena       *a = arena_new(0);
    struct append       one = { .batch = test_batch(a, &p), .seq = 900 }, *all = &one;
    shard_step(s, &all, 1, COLD + SPAN);
    assert(one.code == CODE_OK && held_by(s, "tenant").buckets == 2);
    struct held_by h = wait_for(s, 2, COLD + SPAN + 30 * NS_PER_S);
    assert(h.buckets == 2); /* not yet: more may come */
    h = wait_for(s, 1, COLD + 3 * SPAN);
    assert(h.sum == SUM(SPANS * PER_SPAN) + 1000);
    arena_free(a);
    shard_end(s);
    folder_empty(folder);
}

static void days_become_one_block(void)
{
    struct shard *s = shard_of(INT64_MAX, T0);

    for (int64_t i = 0; i < 144; i++)
        push(s, i * PER_SPAN, T0 + i * SPAN, NULL, NULL);
    struct held_by before = held_by(s, "tenant"), after = wait_for(s, 1, T0 + DAY + 2 * SPAN);
    assert(after.buckets == 1 && after.sum == before.sum && after.profiles == 144);
    shard_end(s);
    assert(files_below(folder, ".block") == 1);
    folder_empty(folder);
}

/* Ends at that step of saving the merged file. */
static void child(int step)
{
    struct shard *s = shard_of(INT64_MAX, T0);

    end_at = step;
    wait_for(s, 1, COLD);
    _exit(1);
}

static void an_end_at_any_step_has_each_profile_once(void)
{
    for (int step = 1; step <= 5; step++) {
        int status;
        shard_end(twelve_blocks(INT64_MAX));
        pid_t pid = fork();
        if (pid == 0)
            child(step);
        pid_t ended = waitpid(pid, &status, 0);
        assert(ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
        assert(files_below(folder, ".block") == SPANS + (step >= 4));
        struct shard  *s = shard_of(INT64_MAX, T0);
        struct held_by h = held_by(s, "tenant");
        assert(h.buckets == (step >= 4 ? 1 : SPANS) && h.sum == SUM(SPANS * PER_SPAN));
        shard_end(s);
        assert(files_below(folder, ".block") == (int)h.buckets && files_below(folder, ".new") == 0);
        folder_empty(folder);
    }
}

static void old_files_do_not_come_back(void)
{
    struct shard *s = twelve_blocks(INT64_MAX);

    run("cp -r %s %s.old");
    wait_for(s, 1, COLD);
    shard_end(s);
    run("cp -r %s.old/* %s/ && rm -rf %s.old");
    assert(files_below(folder, ".block") == SPANS + 1);
    s = shard_of(INT64_MAX, T0);
    assert(held_by(s, "tenant").buckets == 1 && held_by(s, "tenant").sum == SUM(SPANS * PER_SPAN));
    shard_end(s);
    assert(files_below(folder, ".block") == 1);
    folder_empty(folder);
}

/* Records of all generations: what a block has is passed over, what none has is taken. */
static void the_log_brings_nothing_twice(void)
{
    enum { N = SPANS * PER_SPAN };
    struct shard *s = shard_of(INT64_MAX, T0);
    struct buf    redo[N + 1] = { 0 };
    struct record record[N + 1];
    struct fault  why;

    for (int64_t i = 0; i < N; i++)
        push(s, i, CAME, &redo[i], &record[i]);
    wait_for(s, 1, COLD);
    push(s, N, COLD + SPAN, &redo[N], &record[N]);
    shard_end(s);
    s = shard_of(INT64_MAX, T0 + DAY);
    assert(held_by(s, "tenant").sum == SUM(N));
    for (uint64_t i = 0; i <= N; i++) {
        enum code code = shard_redo(s, &record[i], i + 1, i + 1, T0 + DAY, &why);
        assert(code == CODE_OK);
        buf_free(&redo[i]);
    }
    assert(held_by(s, "tenant").profiles == N + 1 && held_by(s, "tenant").sum == SUM(N + 1) &&
           shard_newest_seq(s) == N + 1);
    shard_end(s);
    folder_empty(folder);
}

static void keys_are_known_for_their_hour(void)
{
    enum { N = SPANS * PER_SPAN };
    struct shard *s = shard_of(INT64_MAX, T0);

    for (int64_t i = 0; i < N; i++)
        push(s, i, i < N / 2 ? T0 + WINDOW / 2 : CAME, NULL, NULL);
    wait_for(s, 1, COLD);
    shard_end(s);
    s = shard_of(INT64_MAX, COLD);
    push(s, N - 1, COLD, NULL, NULL);
    assert(held_by(s, "tenant").profiles == N);
    push(s, 0, COLD, NULL, NULL); /* it came longer ago */
    assert(held_by(s, "tenant").profiles == N + 1);
    shard_end(s);
    folder_empty(folder);
}

static void what_was_dropped_meanwhile_stays_so(void)
{
    struct shard *s = twelve_blocks(2 * WINDOW);

    shard_step(s, NULL, 0, COLD); /* it is sent */
    shard_step(s, NULL, 0, T0 + 4 * WINDOW);
    assert(held_by(s, "tenant").buckets == 0);
    shard_end(s);
    s = shard_of(2 * WINDOW, T0 + 4 * WINDOW);
    shard_step(s, NULL, 0, T0 + 4 * WINDOW);
    assert(held_by(s, "tenant").buckets == 0);
    shard_end(s);
    assert(files_below(folder, ".block") == 0);
    folder_empty(folder);
}

static void retention_takes_the_whole(void)
{
    struct shard *s = twelve_blocks(2 * WINDOW);

    wait_for(s, 1, COLD);
    shard_step(s, NULL, 0, T0 + 3 * WINDOW - 1);
    assert(held_by(s, "tenant").sum == SUM(SPANS * PER_SPAN));
    shard_step(s, NULL, 0, T0 + 3 * WINDOW + NS_PER_S);
    assert(held_by(s, "tenant").buckets == 0 && shard_stats(s).data_since_ns >= T0 + WINDOW);
    shard_end(s);
    assert(files_below(folder, ".block") == 0);
    folder_empty(folder);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    a_window_becomes_one_block();
    what_comes_late_is_merged_in_its_turn();
    days_become_one_block();
    an_end_at_any_step_has_each_profile_once();
    old_files_do_not_come_back();
    the_log_brings_nothing_twice();
    keys_are_known_for_their_hour();
    what_was_dropped_meanwhile_stays_so();
    retention_takes_the_whole();
    run("rmdir %s");
    puts("merge: ok");
    return 0;
}
