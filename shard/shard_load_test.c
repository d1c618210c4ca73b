/*
 * Goal: a start finds each acknowledged profile once, whether a block has it, the log, or both; too little memory is refused with
 * a word that says what to do, and loses nothing; so does an end between any two steps of sealing.
 * Method: keepers over a folder of their own, stopped and loaded again under other limits; a child that ends at a step.
 */
#include <sys/wait.h>

#include "shard/test_machine.h"

static int end_at, removals_left;

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

static void remove_counted(struct disk *d)
{
    true_ops = d->ops;
    ending_ops = *true_ops;
    ending_ops.remove = remove_and_end;
    d->ops = &ending_ops;
}

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
    disk_opened = removals_left > 0 ? remove_counted : NULL;
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

int main(void)
{
    root_make();
    a_log_of_many_generations_comes_back();
    what_was_live_under_a_limit_fits_again(UINT_MAX);
    what_was_live_under_a_limit_fits_again(80);
    an_end_at_any_step_loses_nothing();
    assert(rmdir(root) == 0);
    puts("load: ok");
    return 0;
}
