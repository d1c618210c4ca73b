#include "shard/writer.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/queue.h"

enum { RING_SLOTS = 4096 };

struct writer {
    struct keeper *keeper;
    struct queue  *ring;
    unsigned       n_taken; /* by the last drain */
    struct append *ahead;   /* popped by it, which had taken enough */
    pthread_t      thread;
    struct append  stop; /* its place in the ring says: nothing comes after me */
    _Atomic bool   is_stopping;
    struct fault   broken; /* before the state says so */
    _Atomic int    state;  /* enum writer_state */
    struct metric *ring_full;
};

/*
 * Takes `a` and what comes behind it, until the step has enough or there is no more.  What is popped and not taken: NULL, the
 * stop mark, or the first of the next step.
 */
static struct append *take_some(struct writer *w, struct append *a, int64_t now_ns)
{
    struct append *next;
    bool           is_room = true;

    for (w->n_taken = 0; a != NULL && a != &w->stop && is_room; a = next, w->n_taken++) {
        if ((next = queue_pop(w->ring, 0)) != NULL && next != &w->stop)
            keeper_warm(w->keeper, next);
        is_room = keeper_take(w->keeper, a, now_ns);
        if (next == NULL)
            next = queue_pop(w->ring, 0);
    }
    return a;
}

/*
 * Waits for the first append, then takes what is there; false: the stop mark was among them.  Where appends come faster
 * than one by one, whoever is about to push the next is let run first: they share a write and a sync.
 */
static bool drain(struct writer *w)
{
    int64_t        now_ns = clock_real_ns();
    struct append *a = w->ahead != NULL ? w->ahead : queue_pop(w->ring, keeper_wait_ns(w->keeper, now_ns));

    if (a != NULL && w->n_taken > 1)
        sched_yield();
    if (a != NULL)
        now_ns = clock_real_ns();
    w->ahead = take_some(w, a, now_ns);
    keeper_step(w->keeper, now_ns); /* also with none: retention and reclamation go on while nobody pushes */
    return w->ahead != &w->stop;
}

/* Without what is on disk the shard takes nothing. */
static void refuse_all(struct writer *w)
{
    struct append *a;

    while ((a = queue_pop(w->ring, -1)) != &w->stop) {
        a->why = w->broken;
        a->code = w->broken.code;
        a->done(a);
    }
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;

    pthread_setname_np(pthread_self(), "writer");
    if (keeper_has_log(w->keeper) && keeper_load(w->keeper, clock_real_ns(), &w->broken) != CODE_OK) {
        atomic_store_explicit(&w->state, WRITER_BROKEN, memory_order_release);
        refuse_all(w);
        return NULL;
    }
    keeper_step(w->keeper, clock_real_ns()); /* the shard learns the time its data begins */
    shard_load_end(keeper_shard(w->keeper));
    atomic_store_explicit(&w->state, WRITER_SERVING, memory_order_release);
    while (drain(w))
        continue;
    return NULL;
}

struct writer *writer_start(struct keeper *k)
{
    struct writer *w = mem_zalloc(sizeof *w);

    w->keeper = k;
    w->ring = queue_new(RING_SLOTS);
    w->ring_full =
        metric_counter("hearth_writer_ring_full_total", "Batches refused because a writer's ring was full.", "");
    if (keeper_has_log(k)) {
        shard_load_begin(keeper_shard(k));
        w->state = WRITER_LOADING;
    }
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0)
        abort();
    return w;
}

enum writer_state writer_state(struct writer *w, struct fault *why)
{
    enum writer_state state = (enum writer_state)atomic_load_explicit(&w->state, memory_order_acquire);

    if (state == WRITER_BROKEN && why != NULL)
        *why = w->broken;
    return state;
}

enum code writer_check(struct writer *w, struct fault *why)
{
    switch (writer_state(w, NULL)) {
    case WRITER_SERVING:
        break;
    case WRITER_LOADING:
        return shard_check_loaded(keeper_shard(w->keeper), why); /* it may have just ended */
    case WRITER_BROKEN:
        return fail(why, CODE_UNAVAILABLE, "shard %s cannot start: %.400s", shard_name(keeper_shard(w->keeper)),
                    w->broken.text);
    }
    return CODE_OK;
}

bool writer_submit(struct writer *w, struct append *a)
{
    assert(!atomic_load_explicit(&w->is_stopping, memory_order_relaxed));
    assert(a->batch != NULL && a->done != NULL);
    if (queue_push(w->ring, a))
        return true;
    metric_add(w->ring_full, 1);
    return false;
}

void writer_stop(struct writer *w)
{
    struct append *last = &w->stop;

    atomic_store_explicit(&w->is_stopping, true, memory_order_relaxed);
    shard_load_cancel(keeper_shard(w->keeper));
    while (!queue_push(w->ring, last))
        sched_yield(); /* full: the writer is making room */
    pthread_join(w->thread, NULL);
    keeper_free(w->keeper, clock_real_ns());
    queue_free(w->ring);
    free(w);
}
