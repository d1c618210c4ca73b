#include "router/retry.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/mem.h"

struct retry {
    pthread_t       thread;
    pthread_mutex_t lock; /* of what follows; held for a few instructions */
    pthread_cond_t  changed;
    struct later   *waiting; /* by at_ns */
    bool            is_stopping;
};

/* The first one that is due, taken off the list; waits for it.  NULL: stopping, and nothing is left. */
static struct later *take(struct retry *r)
{
    struct later *l = NULL;

    pthread_mutex_lock(&r->lock);
    for (;;) {
        l = r->waiting;
        if (l != NULL && (r->is_stopping || l->at_ns <= clock_mono_ns())) {
            r->waiting = l->next;
            break;
        }
        if (l == NULL && r->is_stopping)
            break;
        if (l == NULL) {
            pthread_cond_wait(&r->changed, &r->lock);
        } else {
            struct timespec at = { .tv_sec = l->at_ns / NS_PER_S, .tv_nsec = l->at_ns % NS_PER_S };
            pthread_cond_timedwait(&r->changed, &r->lock, &at);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return l;
}

static void *retry_main(void *arg)
{
    struct retry *r = arg;

    pthread_setname_np(pthread_self(), "retry");
    for (struct later *l; (l = take(r)) != NULL;)
        l->run(l);
    return NULL;
}

struct retry *retry_start(void)
{
    struct retry      *r = mem_zalloc(sizeof *r);
    pthread_condattr_t mono;

    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &mono);
    pthread_condattr_destroy(&mono);
    pthread_mutex_init(&r->lock, NULL);
    if (pthread_create(&r->thread, NULL, retry_main, r) != 0)
        abort();
    return r;
}

void retry_add(struct retry *r, struct later *l)
{
    pthread_mutex_lock(&r->lock);
    struct later **at = &r->waiting;
    while (*at != NULL && (*at)->at_ns <= l->at_ns)
        at = &(*at)->next;
    l->next = *at;
    *at = l;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

void retry_stop(struct retry *r)
{
    pthread_mutex_lock(&r->lock);
    r->is_stopping = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
