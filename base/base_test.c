/*
 * Goal: the cellar's small tools do what their headers say.  Method: each on a few plain cases; queue and epoch under a
 * race of four threads, with sums that come out exactly or not at all.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/queue.h"

static void slices(void)
{
    long long v;

    assert(slice_eq(slice_trim(SLICE(" \t a b\n")), SLICE("a b")));
    assert(slice_cmp(SLICE("ab"), SLICE("abc")) < 0 && slice_cmp(SLICE("b"), SLICE("abc")) > 0);
    assert(slice_find(SLICE("hello"), SLICE("lo")) == 3 && slice_find(SLICE("hello"), SLICE("x")) == 5);
    assert(slice_to_i64(SLICE("-42"), &v) && v == -42);
    assert(!slice_to_i64(SLICE("4x"), &v) && !slice_to_i64(SLICE(""), &v) &&
           !slice_to_i64(SLICE("99999999999999999999"), &v));
    assert(slice_eq_nocase(SLICE("Content-Type"), SLICE("content-type")));
}

static void arenas_and_bufs(void)
{
    struct arena *a = arena_new(64);
    struct buf    b = { 0 };

    for (int i = 0; i < 1000; i++) {
        char *p = arena_alloc(a, (size_t)i);
        assert(((uintptr_t)p & 15) == 0);
        memset(p, i, (size_t)i);
    }
    assert(slice_is(arena_printf(a, "%d-%s", 7, "x"), "7-x"));
    arena_reset(a);
    arena_free(a);
    a = arena_new(64);
    struct arena_mark empty = arena_mark(a);
    char             *first = arena_alloc(a, 16);
    struct arena_mark mark = arena_mark(a);
    size_t            bytes = arena_bytes(a);
    arena_reserve(a, 1000);
    char *next = arena_alloc(a, 384);
    assert(arena_alloc(a, 608) == next + 384);
    arena_rewind(a, mark);
    assert(arena_bytes(a) == bytes && arena_alloc(a, 16) == first + 16);
    arena_rewind(a, empty);
    assert(arena_bytes(a) == 0 && arena_alloc(a, 16) != NULL);
    arena_free(a);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert(b.n == 3890 && slice_starts(buf_view(&b), SLICE("0,1,2,")));
    buf_free(&b);
}

static void metrics(void)
{
    struct buf     b = { 0 };
    struct metric *m = metric_counter("t_total", "test", "code=\"ok\"");

    assert(metric_counter("t_total", "test", "code=\"ok\"") == m);
    metric_add(m, 3);
    histogram_observe(metric_histogram("t_seconds", "test", ""), 2000000);
    metric_write(&b);
    assert(slice_find(buf_view(&b), SLICE("t_total{code=\"ok\"} 3\n")) < b.n);
    assert(slice_find(buf_view(&b), SLICE("t_seconds_bucket{le=\"0.0025\"} 1\n")) < b.n);
    buf_free(&b);
}

enum { ITEMS = 100000 };

static struct queue *queue;

static void *produce(void *arg)
{
    for (uintptr_t i = 1; i <= ITEMS; i++) {
        uint64_t *item = mem_alloc(sizeof *item);
        *item = i;
        while (!queue_push(queue, item))
            ;
    }
    return arg;
}

static void *consume(void *arg)
{
    uint64_t *sum = arg;

    for (uint64_t *item; (item = queue_pop(queue, 200 * 1000000)) != NULL;) {
        *sum += *item;
        free(item);
    }
    return arg;
}

static void queue_moves_each_item_once(void)
{
    pthread_t threads[4];
    uint64_t  sums[2] = { 0 };

    queue = queue_new(64);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, produce, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[2 + i], NULL, consume, &sums[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert(sums[0] + sums[1] == (uint64_t)ITEMS * (ITEMS + 1));
    queue_free(queue);
}

struct box {
    ck_epoch_entry_t entry;
    uint64_t         a, b; /* equal while alive */
};

CK_EPOCH_CONTAINER(struct box, entry, box_of)

static struct epoch         *epoch;
static _Atomic(struct box *) shared;
static _Atomic int           is_done;

static void box_free(ck_epoch_entry_t *e)
{
    struct box *b = box_of(e);
    b->a = 1, b->b = 2;
    free(b);
}

static void *look(void *arg)
{
    struct epoch_reader *r = epoch_reader_take(epoch);

    while (!atomic_load(&is_done)) {
        epoch_enter(r);
        struct box *b = atomic_load_explicit(&shared, memory_order_acquire);
        assert(b->a == b->b);
        epoch_leave(r);
    }
    epoch_reader_give(epoch, r);
    return arg;
}

static struct box *box_new(uint64_t v)
{
    struct box *b = mem_alloc(sizeof *b);
    *b = (struct box){ .a = v, .b = v };
    return b;
}

static void epoch_keeps_what_is_read(void)
{
    pthread_t threads[3];

    epoch = epoch_new();
    atomic_store(&shared, box_new(0));
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, look, NULL);
    for (uint64_t v = 1; v < 50000; v++) {
        struct box *old = atomic_exchange(&shared, box_new(v));
        epoch_retire(epoch, &old->entry, box_free);
        epoch_poll(epoch);
    }
    atomic_store(&is_done, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    free(shared);
    epoch_free(epoch);
}

static void checksums_are_those_of_the_standard(void)
{
    assert(crc32c(0, "123456789", 9) == 0xE3069283u); /* RFC 3720 and everybody's test */
    assert(crc32c(0, "", 0) == 0);
    assert(crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xE3069283u);
}

int main(void)
{
    slices();
    arenas_and_bufs();
    metrics();
    queue_moves_each_item_once();
    epoch_keeps_what_is_read();
    assert(hash64("", 0) == hash64(NULL, 0));
    assert(hash64_keyed("a", 1) == hash64_keyed("a", 1) && hash64_keyed("a", 1) != hash64("a", 1));
    checksums_are_those_of_the_standard();
    puts("base: ok");
    return 0;
}
