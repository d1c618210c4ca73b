#include "rpc/crew.h"

#include <assert.h>
#include <pthread.h>

#include "base/mem.h"
#include "base/queue.h"

enum { SLOTS = 512 };

struct crew {
    struct queue *queue;
    unsigned      n;
    pthread_t     threads[];
};

static struct job stop; /* one is pushed for each thread */

static void *crew_main(void *arg)
{
    struct crew *c = arg;

    for (;;) {
        struct job *j = queue_pop(c->queue, -1);
        if (j == &stop)
            return NULL;
        if (j != NULL)
            j->run(j);
    }
}

struct crew *crew_new(const char *name, unsigned threads)
{
    assert(threads > 0);
    struct crew *c = mem_alloc(sizeof *c + threads * sizeof c->threads[0]);

    *c = (struct crew){ .queue = queue_new(SLOTS), .n = threads };
    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&c->threads[i], NULL, crew_main, c) != 0)
            abort();
        pthread_setname_np(c->threads[i], name);
    }
    return c;
}

void crew_free(struct crew *c)
{
    if (c == NULL)
        return;
    for (unsigned i = 0; i < c->n; i++)
        while (!queue_push(c->queue, &stop))
            sched_yield();
    for (unsigned i = 0; i < c->n; i++)
        pthread_join(c->threads[i], NULL);
    queue_free(c->queue);
    free(c);
}

bool crew_push(struct crew *c, struct job *j) { return queue_push(c->queue, j); }
