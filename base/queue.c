#include "base/queue.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>
#include <ck_ring.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/tsan.h"

/* A consumer of ck_ring copies a slot before it wins the right to it, and throws the copy away when it loses. */
#ifdef HAS_TSAN
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "race:_ck_ring_dequeue_mc\nrace:_ck_ring_enqueue_mp\n"; }
#endif

struct queue {
    ck_ring_t        ring;
    _Atomic int      asleep; /* consumers that wait and were not woken yet */
    sem_t            woken;  /* one for each that was */
    ck_ring_buffer_t slots[];
};

struct queue *queue_new(unsigned slots)
{
    struct queue *q;

    assert(slots >= 4 && (slots & (slots - 1)) == 0);
    if (posix_memalign((void **)&q, 64, sizeof *q + slots * sizeof *q->slots) != 0)
        abort();
    memset(q, 0, sizeof *q + slots * sizeof *q->slots);
    ck_ring_init(&q->ring, slots);
    if (sem_init(&q->woken, 0, 0) != 0)
        abort();
    return q;
}

void queue_free(struct queue *q)
{
    assert(ck_ring_size(&q->ring) == 0);
    sem_destroy(&q->woken);
    free(q);
}

/*
 * One fewer asleep, if any is: who wakes it does so once, however many items follow before it runs, and while all are awake
 * a push costs no system call.  A push publishes its item before it reads `asleep`, a consumer counts itself in before it
 * looks at the ring for the last time, both by an atomic that reads and writes: one of them sees the other.
 */
static bool take_sleeper(struct queue *q)
{
    int n = atomic_fetch_add_explicit(&q->asleep, 0, memory_order_acq_rel);

    while (n > 0 &&
           !atomic_compare_exchange_weak_explicit(&q->asleep, &n, n - 1, memory_order_acq_rel, memory_order_acquire))
        ;
    return n > 0;
}

bool queue_push(struct queue *q, void *item)
{
    assert(item != NULL);
    tsan_release(q);
    if (!ck_ring_enqueue_mpmc(&q->ring, q->slots, item))
        return false;
    if (take_sleeper(q))
        sem_post(&q->woken);
    return true;
}

static void *take(struct queue *q)
{
    void *item = NULL;

    if (!ck_ring_dequeue_mpmc(&q->ring, q->slots, &item))
        return NULL;
    tsan_acquire(q);
    return item;
}

/* `until` NULL: for ever.  False: it has passed. */
static bool sleep_until(struct queue *q, const struct timespec *until)
{
    int rc;

    do
        rc = until == NULL ? sem_wait(&q->woken) : sem_clockwait(&q->woken, CLOCK_MONOTONIC, until);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

/* Awake without having been woken: where someone is about to, that is waited for, so that none is woken for nothing. */
static void get_up(struct queue *q)
{
    if (!take_sleeper(q))
        sleep_until(q, NULL);
}

static void *wait_and_take(struct queue *q, const struct timespec *until)
{
    for (;;) {
        atomic_fetch_add_explicit(&q->asleep, 1, memory_order_acq_rel);
        void *item = take(q);
        bool  is_late = item == NULL && !sleep_until(q, until);
        if (item != NULL || is_late)
            get_up(q);
        if (item == NULL)
            item = take(q);
        if (item != NULL || is_late)
            return item;
    }
}

void *queue_pop(struct queue *q, int64_t wait_ns)
{
    void *item = take(q);

    if (item != NULL || wait_ns == 0)
        return item;
    int64_t         at = wait_ns < 0 ? 0 : clock_mono_ns() + wait_ns;
    struct timespec until = { .tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S };
    return wait_and_take(q, wait_ns < 0 ? NULL : &until);
}
