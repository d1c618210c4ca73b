#include "shard/writer.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/queue.h"

enum { RING_SLOTS = 4096, STEP_MAX = 256 };

struct writer {
    struct shard  *shard;
    struct queue  *ring;
    pthread_t      thread;
    struct append  stop; /* its place in the ring says: nothing comes after me */
    _Atomic bool   is_stopping;
    struct metric *ring_full;
};

/* Waits up to `wait_ns` for the first append, then takes what is there; false: the stop mark was among them. */
static bool drain(struct writer *w, int64_t wait_ns, struct append **out, size_t *n)
{
    *n = 0;
    for (struct append *a; *n < STEP_MAX && (a = queue_pop(w->ring, wait_ns)) != NULL; wait_ns = 0) {
        if (a == &w->stop)
            return false;
        out[(*n)++] = a;
    }
    return true;
}

static void step(struct writer *w, struct append **appends, size_t n)
{
    shard_step(w->shard, appends, n, clock_real_ns());
    for (size_t i = 0; i < n; i++)
        appends[i]->done(appends[i]); /* the append is its owner's again */
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct append *appends[STEP_MAX];
    size_t         n;
    bool           is_going = true;

    pthread_setname_np(pthread_self(), "writer");
    step(w, appends, 0); /* the shard learns the time its data begins */
    while (is_going) {
        is_going = drain(w, NS_PER_S, appends, &n);
        step(w, appends, n); /* also with none: retention and reclamation go on while nobody pushes */
    }
    return NULL;
}

struct writer *writer_start(struct shard *s)
{
    struct writer *w = mem_zalloc(sizeof *w);

    w->shard = s;
    w->ring = queue_new(RING_SLOTS);
    w->ring_full =
        metric_counter("hearth_writer_ring_full_total", "Batches refused because a writer's ring was full.", "");
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0)
        abort();
    return w;
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
    while (!queue_push(w->ring, last))
        sched_yield(); /* full: the writer is making room */
    pthread_join(w->thread, NULL);
    queue_free(w->ring);
    free(w);
}
