#include "base/queue.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
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
    sem_t            filled; /* items in the ring, as far as consumers were told */
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
    if (sem_init(&q->filled, 0, 0) != 0)
        abort();
    return q;
}

void queue_free(struct queue *q)
{
    assert(ck_ring_size(&q->ring) == 0);
    sem_destroy(&q->filled);
    free(q);
}

bool queue_push(struct queue *q, void *item)
{
    assert(item != NULL);
    tsan_release(q);
    if (!ck_ring_enqueue_mpmc(&q->ring, q->slots, item))
        return false;
    sem_post(&q->filled);
    return true;
}

static bool wait_filled(struct queue *q, int64_t wait_ns)
{
    struct timespec until;
    int             rc;

    if (wait_ns == 0)
        return sem_trywait(&q->filled) == 0;
    int64_t at = clock_mono_ns() + wait_ns;
    until = (struct timespec){ .tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S };
    do
        rc = wait_ns < 0 ? sem_wait(&q->filled) : sem_clockwait(&q->filled, CLOCK_MONOTONIC, &until);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

void *queue_pop(struct queue *q, int64_t wait_ns)
{
    void *item = NULL;

    if (!wait_filled(q, wait_ns))
        return NULL;
    /* The semaphore counts finished pushes, but an older push may be between its two steps: the slot is filled soon. */
    while (!ck_ring_dequeue_mpmc(&q->ring, q->slots, &item))
        ck_pr_stall();
    tsan_acquire(q);
    return item;
}

unsigned queue_n(const struct queue *q) { return ck_ring_size(&q->ring); }
