/*
 * Goal: what a log says it holds is what was committed to it, whatever happens to its bytes: damage is refused with a
 * word that says where, a torn tail is not.  Method: small logs on a simulated disk; every truncation, every bit, every
 * fault of the disk.
 */
#include "shard/wal.h"

#include <stdio.h>

#include "base/clock.h"
#include "shard/test_batch.h"
#include "shard/test_disk.h"

#define NOW (1700000000 * NS_PER_S)
#define NAME1 "wal-0000000000000001"

static size_t segment_bytes = 2048;

static struct wal *open_log(struct sim_disk *s)
{
    struct wal_config c = {
        .disk = &s->disk, .shard = "t", .segment_bytes = segment_bytes, .interval_ns = 50, .salt = 7
    };
    struct wal_found found;
    struct fault     why;
    struct wal      *w = NULL;

    assert(wal_inspect(&s->disk, "t", &found, &why) == CODE_OK);
    assert(wal_open(&c, &found, &w, &why) == CODE_OK);
    wal_found_free(&found);
    return w;
}

static uint64_t add(struct wal *w, unsigned value)
{
    struct arena *a = arena_new(0);
    struct buf    payload = { 0 };

    batch_encode(test_batch(a, &(struct test_profile){ "a", "s", "p", NOW, value, value, 0 }), &payload);
    uint64_t next = wal_next(w), seq = wal_add(w, buf_view(&payload), NOW);
    assert(seq == next && wal_next(w) == seq + 1);
    buf_free(&payload);
    arena_free(a);
    return seq;
}

static enum code commit_at(struct wal *w, unsigned value, int64_t now_ns)
{
    struct fault why;

    add(w, value);
    return wal_commit(w, true, now_ns, &why);
}

static enum code commit(struct wal *w, unsigned value) { return commit_at(w, value, NOW); }

/* ---- reading back */

struct seen {
    unsigned values[256];
    size_t   n;
};

static enum code see(void *arg, const struct wal_record *r, struct fault *why)
{
    struct seen  *seen = arg;
    struct arena *a = arena_new(0);
    struct batch  b;
    enum code     code = batch_decode(r->payload, a, &b, why);

    assert(code == CODE_OK && r->kind == WAL_ADDED && r->now_ns == NOW && seen->n < 256);
    seen->values[seen->n++] = (unsigned)b.row_values[0];
    arena_free(a);
    return code;
}

static enum code see_progress(void *arg, uint64_t bytes, struct fault *why)
{
    (void)arg;
    (void)bytes;
    (void)why;
    return CODE_OK;
}

static enum code read_back(struct sim_disk *s, struct seen *seen, struct fault *why)
{
    struct wal_found found;
    enum code        code = wal_inspect(&s->disk, "t", &found, why);

    seen->n = 0;
    if (code == CODE_OK)
        code = wal_replay(&s->disk, &found, see, see_progress, seen, why);
    wal_found_free(&found);
    return code;
}

static bool is_counting(const struct seen *seen, size_t n)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->values[i] != i + 1)
            return false;
    return seen->n == n;
}

static void expect_refusal(enum code code, const struct fault *why, const char *word)
{
    assert(code == CODE_DATA_LOSS || code == CODE_FAILED_PRECONDITION);
    assert(why->code == code && strstr(why->text, "log wal-") != NULL);
    if (word != NULL && strstr(why->text, word) == NULL) {
        fprintf(stderr, "not \"%s\": %s\n", word, why->text);
        abort();
    }
}

/* ---- */

static void reads_back_what_was_committed(void)
{
    struct sim_disk *s = sim_new(1);
    struct wal      *w = open_log(s);
    struct seen      seen;
    struct fault     why;

    s->writes_short = true;
    for (unsigned i = 1; i <= 30; i++)
        assert(commit(w, i) == CODE_OK);
    assert(s->n_names > 3); /* several segments */
    wal_close(w, NOW);
    for (int turn = 0; turn < 3; turn++) {
        assert(read_back(s, &seen, &why) == CODE_OK && is_counting(&seen, (size_t)30 + (size_t)turn));
        w = open_log(s);
        assert(commit(w, 31 + (unsigned)turn) == CODE_OK);
        wal_close(w, NOW);
    }
    s->disk.ops->free(&s->disk);
}

static void segments_go_when_nothing_of_them_is_needed(void)
{
    struct sim_disk *s = sim_new(1);
    struct wal      *w = open_log(s);
    struct seen      seen;
    struct fault     why;

    for (unsigned i = 1; i <= 30; i++)
        assert(commit(w, i) == CODE_OK);
    int before = s->n_names;
    wal_release(w, 1, NOW);
    assert(s->n_names == before);
    wal_release(w, 20, NOW);
    assert(s->n_names < before);
    assert(read_back(s, &seen, &why) == CODE_OK && seen.n >= 11 && seen.values[0] <= 20 && seen.values[0] > 10);
    wal_release(w, 30, NOW);
    assert(s->n_names == 1 && read_back(s, &seen, &why) == CODE_OK && seen.values[seen.n - 1] == 30);
    wal_close(w, NOW);
    s->disk.ops->free(&s->disk);
}

static uint64_t bytes_on_disk(struct sim_disk *s)
{
    uint64_t n = 0;

    for (int i = 0; i < s->n_names; i++)
        n += s->now[s->names[i].file].n;
    return n;
}

/* And goes on counting where it was, in this process and in the next. */
static void a_log_that_is_not_needed_is_a_header(void)
{
    struct sim_disk *s = sim_new(1);
    struct wal      *w = open_log(s);
    struct seen      seen;
    struct fault     why;

    wal_release(w, UINT64_MAX, NOW);
    assert(s->n_names == 0);
    for (unsigned i = 1; i <= 30; i++)
        assert(commit(w, i) == CODE_OK);
    for (unsigned turn = 0; turn < 3; turn++) {
        uint64_t next = wal_next(w);
        int      acts;
        wal_release(w, UINT64_MAX, NOW);
        assert(s->n_names == 1 && bytes_on_disk(s) == WAL_HEADER_BYTES && wal_due_ns(w) == INT64_MAX);
        acts = s->acts;
        wal_release(w, UINT64_MAX, NOW);
        assert(s->acts == acts); /* once */
        if (turn > 0) {
            wal_close(w, NOW);
            w = open_log(s);
        }
        assert(wal_next(w) == next && commit(w, 40 + turn) == CODE_OK);
        assert(read_back(s, &seen, &why) == CODE_OK && seen.n == 1 && seen.values[0] == 40 + turn);
    }
    wal_close(w, NOW);
    s->disk.ops->free(&s->disk);
}

/* ---- sweeps */

/* A segment with `n` batches in as many commits, ended well or broken off. */
static struct slice small_log(unsigned n, bool is_closed)
{
    struct sim_disk *s = sim_new(1);

    segment_bytes = 4096;
    struct wal *w = open_log(s);
    segment_bytes = 2048;
    for (unsigned i = 1; i <= n; i++)
        assert(commit(w, i) == CODE_OK);
    const struct sim_bytes *b = sim_file(s, NAME1);
    if (is_closed)
        wal_close(w, NOW);
    struct slice copy = { mem_alloc(b->n), b->n };
    memcpy((char *)copy.p, b->p, b->n);
    if (!is_closed)
        wal_close(w, NOW);
    s->disk.ops->free(&s->disk);
    return copy;
}

/* Where each record of a sound log ends. */
static size_t record_ends(struct slice log, uint64_t ends[16])
{
    struct wal_segment segment;
    struct wal_record  r;
    struct fault       why;
    size_t             n = 0;
    uint64_t           at = WAL_HEADER_BYTES;

    assert(wal_header_read(log, "t", &segment, &why) == CODE_OK);
    while (wal_record_read(log, &segment, at, &r))
        ends[n++] = at += WAL_RECORD_BYTES + r.payload.n;
    return n;
}

static enum code read_bytes(struct slice bytes, struct seen *seen, struct fault *why)
{
    struct sim_disk *s = sim_new(1);

    sim_put(s, NAME1, bytes);
    enum code code = read_back(s, seen, why);
    s->disk.ops->free(&s->disk);
    return code;
}

/* A file that is cut short holds what it still holds: nothing behind the cut can prove that more was promised. */
static void every_truncation(void)
{
    struct slice log = small_log(4, true);
    uint64_t     ends[16];
    struct seen  seen;
    struct fault why;

    assert(record_ends(log, ends) == 5); /* and the mark */
    for (size_t n = 0; n <= log.n; n++) {
        size_t    whole = 0;
        enum code code = read_bytes(slice_make(log.p, n), &seen, &why);
        while (whole < 4 && ends[whole] <= n)
            whole++;
        if (n < WAL_HEADER_BYTES)
            expect_refusal(code, &why, "cut short");
        else
            assert(code == CODE_OK && is_counting(&seen, whole));
    }
    free((char *)log.p);
}

/* `proven`: how many of the records something behind them proves. */
static void every_bit(struct slice log, size_t n_batches, size_t proven)
{
    uint64_t     ends[16];
    struct seen  seen;
    struct fault why;
    size_t       refused = 0;

    record_ends(log, ends);
    for (size_t bit = 0; bit < log.n * 8; bit++) {
        ((char *)log.p)[bit / 8] ^= (char)(1 << bit % 8);
        enum code code = read_bytes(log, &seen, &why);
        ((char *)log.p)[bit / 8] ^= (char)(1 << bit % 8);
        size_t hit = 0; /* the record it stands in */
        while (hit < n_batches && ends[hit] <= bit / 8)
            hit++;
        refused += code != CODE_OK;
        if (bit / 8 < WAL_HEADER_BYTES)
            expect_refusal(code, &why, NULL);
        else if (hit < proven)
            expect_refusal(code, &why, "damaged at offset");
        else
            assert(code == CODE_OK && is_counting(&seen, hit));
    }
    printf("wal: %zu bits flipped, %zu refused\n", log.n * 8, refused);
}

static void every_flip(void)
{
    struct slice closed = small_log(4, true), broken_off = small_log(4, false);

    every_bit(closed, 4, 4);     /* the mark proves all */
    every_bit(broken_off, 4, 3); /* nothing is behind the last */
    free((char *)closed.p);
    free((char *)broken_off.p);
}

static void several_segments_prove_each_other(void)
{
    struct sim_disk *s = sim_new(1);
    struct wal      *w = open_log(s);
    struct seen      seen;
    struct fault     why;

    for (unsigned i = 1; i <= 12; i++)
        assert(commit(w, i) == CODE_OK);
    wal_close(w, NOW);
    assert(s->n_names >= 3);
    struct sim_bytes *first = sim_file(s, NAME1);
    for (uint64_t at = 0; at < first->n; at += 3) { /* what is behind the last record was cut off */
        first->p[at] ^= 4;
        expect_refusal(read_back(s, &seen, &why), &why, NAME1);
        first->p[at] ^= 4;
    }
    uint64_t full = first->n;
    for (uint64_t n = 0; n < full; n += 7) {
        first->n = n;
        expect_refusal(read_back(s, &seen, &why), &why, NAME1);
    }
    first->n = full;
    assert(read_back(s, &seen, &why) == CODE_OK && is_counting(&seen, 12));
    sim_remove(&s->disk, "wal-0000000000000002");
    expect_refusal(read_back(s, &seen, &why), &why, "missing");
    s->disk.ops->free(&s->disk);
}

static void belongs_to_its_shard_and_version(void)
{
    struct slice     log = small_log(1, true);
    struct sim_disk *s = sim_new(1);
    struct wal_found found;
    struct fault     why;

    sim_put(s, NAME1, log);
    sim_put(s, "wal-new", SLICE("junk")); /* what a crash may leave: nobody's */
    sim_put(s, "README", SLICE("junk"));
    expect_refusal(wal_inspect(&s->disk, "u", &found, &why), &why, "another shard than u");
    wal_found_free(&found);
    sim_file(s, NAME1)->p[8] = 1;
    expect_refusal(wal_inspect(&s->disk, "t", &found, &why), &why, "version 1");
    wal_found_free(&found);
    s->disk.ops->free(&s->disk);
    free((char *)log.p);
}

/* ---- faults of the disk */

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
    reads_back_what_was_committed();
    a_log_that_is_not_needed_is_a_header();
    segments_go_when_nothing_of_them_is_needed();
    every_truncation();
    every_flip();
    several_segments_prove_each_other();
    belongs_to_its_shard_and_version();
    what_failed_is_void_whatever_follows();
    every_fault();
    puts("wal: ok");
    return 0;
}
