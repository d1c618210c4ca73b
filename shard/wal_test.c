/*
 * Goal: what a log says it holds is what was committed to it, whatever happens to its bytes: damage is refused with a
 * word that says where, a torn tail is not.  Method: small logs on a simulated disk; every truncation, every bit.
 */
#include "shard/test_log.h"

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

int main(void)
{
    reads_back_what_was_committed();
    a_log_that_is_not_needed_is_a_header();
    segments_go_when_nothing_of_them_is_needed();
    every_truncation();
    every_flip();
    several_segments_prove_each_other();
    belongs_to_its_shard_and_version();
    puts("wal: ok");
    return 0;
}
