/*
 * Goal: whatever the disk refuses, what was acknowledged is in the log once and in order, and the log recovers by itself.
 * Method: a simulated disk that fails at each of its acts in turn, once or from then on, and then maybe loses its power.
 */
#include "shard/test_log.h"

/* Twelve commits; acked[i]: commit i + 1 succeeded.  The first `released` are not needed any more before the next. */
static void run(struct wal *w, unsigned released, bool acked[12])
{
    for (unsigned i = 1; i <= 12; i++) {
        acked[i - 1] = commit_at(w, i, NOW + i * NS_PER_S) == CODE_OK;
        if (i == released)
            wal_release(w, UINT64_MAX, NOW + i * NS_PER_S);
    }
}

/* What was acked is there once and in order; what failed is not, unless it is the last thing the log knows. */
static void check(const struct seen *seen, unsigned released, const bool acked[12], bool is_strict)
{
    unsigned at = 0;

    for (size_t i = 0; i < seen->n; i++) {
        assert(seen->values[i] > at && seen->values[i] <= 12);
        for (unsigned missing = at + 1; missing < seen->values[i]; missing++)
            assert(!acked[missing - 1] || missing <= released);
        at = seen->values[i];
        assert(acked[at - 1] || (!is_strict && i + 1 == seen->n));
    }
    for (unsigned missing = at + 1; missing <= 12; missing++)
        assert(!acked[missing - 1] || missing <= released);
}

static int faults(int errno_value, bool fails_on, bool cuts_power, unsigned released, uint64_t seed)
{
    bool is_reached = true;
    int  at = 0;

    for (; is_reached; at++) {
        struct sim_disk *s = sim_new(seed + (uint64_t)at);
        struct wal      *w = open_log(s);
        struct seen      seen;
        struct fault     why;
        bool             acked[12];

        s->fail_act = at;
        s->fail_with = errno_value;
        s->fails_on = fails_on;
        run(w, released, acked);
        is_reached = s->acts > at;
        if (cuts_power)
            sim_power_cut(s);
        s->fail_act = -1;
        enum code code = read_back(s, &seen, &why);
        if (code != CODE_OK)
            fprintf(stderr, "act %d: %s\n", at, why.text);
        assert(code == CODE_OK);
        check(&seen, released, acked, acked[11]);
        if (!cuts_power)
            assert(commit_at(w, 13, NOW + 20 * NS_PER_S) == CODE_OK); /* it recovers by itself */
        s->fail_act = 0, s->fails_on = true; /* the process is gone: nothing it does counts any more */
        wal_close(w, NOW);
        s->fail_act = -1;
        struct wal *again = open_log(s); /* what a restart settles stays as it is */
        assert(commit(again, 14) == CODE_OK);
        wal_close(again, NOW);
        assert(read_back(s, &seen, &why) == CODE_OK && seen.values[seen.n - 1] == 14);
        s->disk.ops->free(&s->disk);
    }
    return at;
}

static void every_fault(void)
{
    int points = 0;

    for (uint64_t seed = 0; seed < 8; seed++) {
        unsigned released = seed % 2 ? 7 : 0;
        points += faults(EIO, false, false, released, seed);
        points += faults(ENOSPC, true, false, released, seed);
        points += faults(EIO, false, true, released, seed * 100);
        points += faults(EIO, true, true, released, seed * 100);
    }
    printf("wal: %d runs with a fault, half of them ending with a power cut\n", points);
}

/* Three records of one drain fail by their sync, one more follows: were it put in their place, the others would stand behind it. */
static void what_failed_is_void_whatever_follows(void)
{
    struct sim_disk *s = sim_new(1);
    struct seen      seen;
    struct fault     why;

    segment_bytes = 4096; /* room for all of them */
    struct wal *w = open_log(s);
    segment_bytes = 2048;
    assert(commit(w, 1) == CODE_OK);
    for (unsigned i = 2; i <= 4; i++)
        add(w, i);
    s->fail_act = s->acts + 1;
    assert(wal_commit(w, true, NOW, &why) == CODE_UNAVAILABLE);
    s->fail_act = -1;
    assert(commit(w, 5) == CODE_OK);
    assert(read_back(s, &seen, &why) == CODE_OK && seen.n == 2 && seen.values[0] == 1 && seen.values[1] == 5);
    wal_close(w, NOW);
    s->disk.ops->free(&s->disk);
}

int main(void)
{
    what_failed_is_void_whatever_follows();
    every_fault();
    puts("wal and faults: ok");
    return 0;
}
