/*
 * Goal: epoch to find, reference to hold.  Readers beside a writer find a tenant's whole history or none of it, and what they hold
 * stays whole, whatever becomes of its place.
 * Method: one writer adds spans, exchanges buckets for others, merges neighbours and drops the oldest, of a tenant that stays and
 * of one that comes and goes.  Three readers look, take references, leave, and only then look into what they hold: its spans
 * follow each other without a gap up to the newest one that had been published.  At the end all memory is back.  Under the
 * tsan preset this is the proof of directory.h D1 and D2.
 */
#include "shard/directory.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "index/bucket.h"

enum { READERS = 3, SPANS = 4000, KEPT = 12, ROOM = 2 * KEPT, SPAN = 10, SPANS_PER_LOOK = 2 };

static const struct slice host = SLICE("host"), guest = SLICE("guest"); /* one stays, one comes and goes */

static struct epoch     *epoch;
static struct directory *directory;
static _Atomic size_t    meter;
static _Atomic int64_t   published; /* spans of the host before this one are there */
static _Atomic bool      is_over;
static _Atomic long      looks;

/* ---- the writer */

static uint32_t dice(uint32_t n)
{
    static uint64_t seed = 1;

    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static struct bucket *bucket_of(struct slice tenant, int64_t start_ns, int64_t end_ns)
{
    return bucket_new(tenant, start_ns, end_ns, &meter);
}

/* As seal_swap does: the same span in another form. */
static void exchange_one(struct tenant *t)
{
    size_t       n, i;
    struct held *row = tenant_row(t, &n);

    i = dice((uint32_t)n);
    directory_replace(directory, t, i, bucket_of(tenant_name(t), row[i].start_ns, row[i].end_ns));
}

static void merge_two(struct tenant *t)
{
    size_t       n, at[2];
    struct held *row = tenant_row(t, &n);

    if (n < 3)
        return;
    at[0] = dice((uint32_t)n - 2); /* the newest one has still to grow */
    at[1] = at[0] + 1;
    directory_merge(directory, t, at, 2, bucket_of(tenant_name(t), row[at[0]].start_ns, row[at[1]].end_ns));
}

static void add(struct slice tenant, int64_t i)
{
    directory_add(directory, tenant, i * SPAN, bucket_of(tenant, i * SPAN, (i + 1) * SPAN));
}

static void write_one(int64_t i)
{
    struct tenant *t;
    size_t         n;

    add(host, i);
    published = i + 1;
    t = directory_tenant(directory, host);
    exchange_one(t);
    if (i % 3 == 0)
        merge_two(t);
    tenant_row(t, &n);
    if (n > KEPT)
        directory_drop(directory, t, 0);
    t = directory_tenant(directory, guest);
    if (t == NULL)
        add(guest, i);
    else
        directory_drop(directory, t, 0);
    epoch_poll(epoch);
}

/* ---- the readers */

static size_t hold(struct epoch_reader *r, struct slice tenant, struct bucket *held[ROOM])
{
    size_t n;

    epoch_enter(r);
    const struct held *at = directory_look(directory, tenant, &n);
    assert(n <= ROOM);
    for (size_t i = 0; i < n; i++)
        bucket_ref(held[i] = at[i].bucket);
    epoch_leave(r);
    return n;
}

static void look_into(struct bucket *const *held, size_t n, struct slice tenant)
{
    for (size_t i = 0; i < n; i++) {
        assert(slice_eq(bucket_tenant(held[i]), tenant));
        assert(i == 0 || bucket_start_ns(held[i]) == bucket_end_ns(held[i - 1]));
    }
    for (size_t i = 0; i < n; i++)
        bucket_unref(held[i]);
}

static void *reader(void *arg)
{
    struct epoch_reader *r = epoch_reader_take(epoch);
    struct bucket       *held[ROOM];

    for (; !is_over; looks++) {
        int64_t before = published;
        size_t  n = hold(r, host, held);
        assert(before == 0 || (n > 0 && bucket_end_ns(held[n - 1]) >= before * SPAN));
        look_into(held, n, host);
        n = hold(r, guest, held);
        assert(n <= 1);
        look_into(held, n, guest);
    }
    epoch_reader_give(epoch, r);
    return arg;
}

int main(void)
{
    pthread_t threads[READERS];

    epoch = epoch_new();
    directory = directory_new(epoch);
    for (int i = 0; i < READERS; i++)
        assert(pthread_create(&threads[i], NULL, reader, NULL) == 0);
    for (int64_t i = 0; i < SPANS; i++) {
        write_one(i);
        while (looks < i / SPANS_PER_LOOK) /* so that looks fall all along the way */
            sched_yield();
    }
    is_over = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    directory_free(directory);
    epoch_free(epoch);
    assert(meter == 0);
    printf("%d spans beside %ld looks\n", SPANS, looks);
    return 0;
}
