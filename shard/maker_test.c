/*
 * Goal: what two threads make of a log is what one makes of it, and of what is damaged in it the first is named, however far
 * the other thread has come.
 * Method: a log of buckets that are each worth a thread, all complete near its end.  In a bad one a name comes twice, which shows
 * only behind its last record.  What making is within a bucket is redo_test's.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "index/bucket.h"
#include "shard/keeper.h"
#include "shard/record.h"
#include "shard/test_batch.h"
#include "shard/test_disk.h"
#include "shard/wal.h"

enum { BUCKETS = 12, BULK = 200 << 10 };

#define SPAN (600 * NS_PER_S)
#define T0 (2833333 * SPAN)

static struct fault why;

static void take(struct bucket *b, unsigned leaf, struct buf *redo)
{
    struct arena *a = arena_new(0);

    enum code code = bucket_take(
        b, test_batch(a, &(struct test_profile){ "t", "s", "p", bucket_start_ns(b) + 1, 1, leaf, BULK }), redo, &why);
    assert(code == CODE_OK);
    bucket_publish(b);
    arena_free(a);
}

/* The first record of a bad one has what its second one calls new. */
static void redos_make(unsigned i, bool is_bad, struct buf redos[2])
{
    struct bucket *good = bucket_new(SLICE("t"), T0 + i * SPAN, T0 + (i + 1) * SPAN, NULL);
    struct bucket *bad = bucket_new(SLICE("t"), T0 + i * SPAN, T0 + (i + 1) * SPAN, NULL);

    take(good, 1, is_bad ? NULL : &redos[0]);
    take(good, 2, &redos[1]);
    take(bad, 2, is_bad ? &redos[0] : NULL);
    bucket_unref(good);
    bucket_unref(bad);
}

static void log_one(struct wal *w, unsigned i, uint64_t generation, struct slice redo)
{
    struct record r = { .start_ns = T0 + i * SPAN, .generation = generation, .tenant = SLICE("t"), .redo = redo };
    struct buf    payload = { 0 };

    record_write(&payload, &r);
    wal_add(w, buf_view(&payload), T0);
    buf_free(&payload);
}

/* Record 1 + i is the first of bucket i, record 1 + BUCKETS + i its last; `last` stands behind them all. */
static struct sim_disk *logged(unsigned bad, unsigned bad_too, struct slice last)
{
    struct sim_disk *s = sim_new(1);
    struct wal_found found = { .next = 1 };
    struct buf       redos[BUCKETS][2] = { 0 };
    struct wal      *w;

    enum code code =
        wal_open(&(struct wal_config){ .disk = &s->disk, .shard = "m", .segment_bytes = 1 << 20 }, &found, &w, &why);
    assert(code == CODE_OK);
    for (unsigned i = 0; i < BUCKETS; i++)
        redos_make(i, i == bad || i == bad_too, redos[i]);
    for (unsigned k = 0; k < 2; k++)
        for (unsigned i = 0; i < BUCKETS; i++)
            log_one(w, i, k == 0 ? 0 : i + 1, buf_view(&redos[i][k]));
    if (last.n > 0)
        wal_add(w, last, T0);
    code = wal_commit(w, true, T0, &why);
    assert(code == CODE_OK);
    wal_close(w, T0);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (unsigned k = 0; k < 2; k++)
            buf_free(&redos[i][k]);
    return s;
}

/* The profiles that are there; -1: the log was refused. */
static int64_t loaded(struct sim_disk *disk, size_t limit_bytes)
{
    struct shard *s = shard_new(
        &(struct shard_config){ .name = "m", .retention_ns = INT64_MAX, .limit_bytes = limit_bytes, .span_ns = SPAN });
    struct keeper *k = keeper_new(&(struct keeper_config){ .shard = s, .disk = &disk->disk, .segment_bytes = 1 << 20 });
    int64_t        profiles = -1;

    if (keeper_load(k, T0, &why) == CODE_OK) {
        keeper_step(k, T0);
        profiles = shard_stats(s).profiles;
    }
    keeper_free(k, T0);
    shard_free(s);
    disk->disk.ops->free(&disk->disk);
    return profiles;
}

static void expect_named(const char *record)
{
    assert(why.code == CODE_DATA_LOSS);
    if (strstr(why.text, record) == NULL)
        printf("not \"%s\": %s\n", record, why.text);
    assert(strstr(why.text, record) != NULL && strstr(why.text, "what a bucket's redos come to is damaged") != NULL);
}

static void all_is_there(void)
{
    int64_t n = loaded(logged(BUCKETS, BUCKETS, SLICE("")), SIZE_MAX);
    assert(n == 2 * BUCKETS);
}

static void the_first_that_is_bad_is_named(void)
{
    char last[32];

    snprintf(last, sizeof last, "record %d is whole", 2 * BUCKETS);
    assert(loaded(logged(0, BUCKETS, SLICE("")), SIZE_MAX) == -1);
    expect_named("record 13 is whole");
    assert(loaded(logged(BUCKETS - 1, BUCKETS, SLICE("")), SIZE_MAX) == -1);
    expect_named(last);
    assert(loaded(logged(7, 3, SLICE("")), SIZE_MAX) == -1);
    expect_named("record 16 is whole");
    assert(loaded(logged(BUCKETS - 1, BUCKETS, SLICE("none of ours")), SIZE_MAX) == -1);
    expect_named(last);
}

/* Memory is all that is promised where there are no files: the oldest go, also while they are being made. */
static void those_that_go_meanwhile_are_let_go(void)
{
    int64_t n = loaded(logged(BUCKETS, BUCKETS, SLICE("")), 3 << 20);
    assert(n > 0 && n < 2 * BUCKETS);
}

int main(void)
{
    log_setup(LOG_ERROR + 1, false);
    all_is_there();
    the_first_that_is_bad_is_named();
    those_that_go_meanwhile_are_let_go();
    puts("maker: ok");
    return 0;
}
