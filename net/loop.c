#include "net/loop_priv.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"

struct loop_timer {
    uv_timer_t         uv;
    struct loop       *loop;
    timer_fn          *fn;
    void              *arg;
    struct loop_timer *next_made, *next_free;
};

/*
 * Posted tasks form a stack, newest first, pushed by compare-and-swap.  The loop takes the whole stack at once and
 * turns it round, which gives back the order of each thread (L2).  Only the push that finds it empty has to wake the
 * loop.
 */
struct loop {
    int                    index;
    uv_loop_t              uv;
    uv_async_t             wake;
    uv_prepare_t           turn_end;
    uv_idle_t              no_sleep; /* active while `turns` is not empty */
    pthread_t              thread;
    _Atomic uintptr_t      owner; /* pthread_self() of the thread that may touch the rest */
    _Atomic(struct task *) posted;
    struct task            stop;
    struct turn           *turns, *running;
    struct loop_timer     *made, *spare;
    int64_t                date_ms; /* when `date` was written */
    char                   date[32];
    bool                   is_started, is_closed;
    char                   scratch[LOOP_SCRATCH_BYTES];
    char                   sealed[LOOP_SEALED_BYTES];
};

static struct task *taken_in_order(struct loop *l)
{
    struct task *newest = atomic_exchange_explicit(&l->posted, NULL, memory_order_acquire), *oldest = NULL;

    while (newest != NULL) {
        struct task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void run_posted(struct loop *l)
{
    for (struct task *t = taken_in_order(l), *next; t != NULL; t = next) {
        next = t->next; /* t may be gone after it ran */
        t->run(t);
    }
}

static void on_wake(uv_async_t *wake) { run_posted(wake->data); }

void loop_post(struct loop *l, struct task *t)
{
    struct task *top = atomic_load_explicit(&l->posted, memory_order_relaxed);

    do
        t->next = top;
    while (!atomic_compare_exchange_weak_explicit(&l->posted, &top, t, memory_order_release, memory_order_relaxed));
    if (top == NULL)
        uv_async_send(&l->wake);
}

void loop_at_turn_end(struct loop *l, struct turn *t)
{
    if (t->link != NULL)
        return;
    t->next = l->turns;
    t->link = &l->turns;
    if (t->next != NULL)
        t->next->link = &t->next;
    l->turns = t;
}

void turn_forget(struct turn *t)
{
    if (t->link == NULL)
        return;
    *t->link = t->next;
    if (t->next != NULL)
        t->next->link = t->link;
    t->link = NULL;
}

static void on_no_sleep(uv_idle_t *idle) { (void)idle; }

/* What is queued while these run waits for the next turn, which then comes at once: nobody can hold the loop. */
static void on_turn_end(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;

    l->running = l->turns;
    if (l->running != NULL)
        l->running->link = &l->running;
    l->turns = NULL;
    while (l->running != NULL) {
        struct turn *t = l->running;
        turn_forget(t);
        t->run(t);
    }
    if (l->turns != NULL)
        uv_idle_start(&l->no_sleep, on_no_sleep);
    else
        uv_idle_stop(&l->no_sleep);
}

struct loop *loop_new(int index)
{
    struct loop *l = mem_zalloc(sizeof *l);

    l->index = index;
    if (uv_loop_init(&l->uv) != 0 || uv_async_init(&l->uv, &l->wake, on_wake) != 0)
        abort(); /* out of descriptors before anything is served */
    uv_prepare_init(&l->uv, &l->turn_end);
    uv_idle_init(&l->uv, &l->no_sleep);
    l->wake.data = l->turn_end.data = l;
    uv_prepare_start(&l->turn_end, on_turn_end);
    atomic_store(&l->owner, (uintptr_t)pthread_self());
    return l;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void loop_close(struct loop *l)
{
    run_posted(l);
    on_turn_end(&l->turn_end);
    uv_run(&l->uv, UV_RUN_NOWAIT); /* lets closings under way come to their end */
    uv_walk(&l->uv, close_handle, NULL);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0)
        ;
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    l->is_closed = true;
}

static void *loop_main(void *arg)
{
    struct loop *l = arg;
    char         name[16];

    snprintf(name, sizeof name, "net-%d", l->index % 1000);
    pthread_setname_np(pthread_self(), name);
    atomic_store(&l->owner, (uintptr_t)pthread_self());
    uv_run(&l->uv, UV_RUN_DEFAULT);
    loop_close(l);
    return NULL;
}

void loop_start(struct loop *l)
{
    assert(!l->is_started);
    l->is_started = true;
    atomic_store(&l->owner, 0);
    if (pthread_create(&l->thread, NULL, loop_main, l) != 0)
        abort();
}

static void run_stop(struct task *t)
{
    struct loop *l = (struct loop *)((char *)t - offsetof(struct loop, stop));

    uv_stop(&l->uv);
}

void loop_stop(struct loop *l)
{
    if (!l->is_started)
        return;
    assert(!loop_is_mine(l));
    l->is_started = false;
    l->stop.run = run_stop;
    loop_post(l, &l->stop);
    pthread_join(l->thread, NULL);
    atomic_store(&l->owner, (uintptr_t)pthread_self());
}

void loop_free(struct loop *l)
{
    assert(!l->is_started);
    if (!l->is_closed)
        loop_close(l);
    run_posted(l); /* tasks that came after the stop: their owners count on them */
    while (l->made != NULL) {
        struct loop_timer *t = l->made;
        l->made = t->next_made;
        free(t);
    }
    free(l);
}

int loop_index(const struct loop *l) { return l->index; }

bool loop_is_mine(const struct loop *l) { return atomic_load(&l->owner) == (uintptr_t)pthread_self(); }

struct uv_loop_s *loop_uv(struct loop *l) { return &l->uv; }

char *loop_scratch(struct loop *l) { return l->scratch; }

char *loop_sealed(struct loop *l) { return l->sealed; }

int64_t loop_now_ms(struct loop *l) { return (int64_t)uv_now(&l->uv); }

struct slice loop_date(struct loop *l)
{
    int64_t now_ms = loop_now_ms(l);

    if (l->date[0] == '\0' || now_ms - l->date_ms >= 500) {
        time_t    s = (time_t)(clock_real_ns() / NS_PER_S);
        struct tm tm;
        gmtime_r(&s, &tm);
        strftime(l->date, sizeof l->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        l->date_ms = now_ms;
    }
    return slice_make(l->date, 29);
}

/* Timers are never given back before the loop: a request takes a spare one, so a deadline costs two heap operations. */
struct loop_timer *loop_timer_new(struct loop *l, timer_fn *fn, void *arg)
{
    struct loop_timer *t = l->spare;

    assert(loop_is_mine(l));
    if (t != NULL) {
        l->spare = t->next_free;
    } else {
        t = mem_zalloc(sizeof *t);
        uv_timer_init(&l->uv, &t->uv);
        t->loop = l;
        t->next_made = l->made;
        l->made = t;
    }
    t->fn = fn;
    t->arg = arg;
    return t;
}

static void on_timer(uv_timer_t *uv)
{
    struct loop_timer *t = (struct loop_timer *)uv;

    t->fn(t->arg);
}

/* libuv counts from the beginning of the turn, in whole milliseconds; a timer must not fire early by a part of one. */
void loop_timer_arm(struct loop_timer *t, int64_t after_ns)
{
    int64_t now_ns = (int64_t)uv_hrtime();
    int64_t late_ms = now_ns / NS_PER_MS - loop_now_ms(t->loop);
    int64_t part_ns = now_ns % NS_PER_MS + after_ns % NS_PER_MS;
    int64_t ms = after_ns > 0 ? after_ns / NS_PER_MS + (part_ns + NS_PER_MS - 1) / NS_PER_MS : 0;

    assert(loop_is_mine(t->loop));
    if (!t->loop->is_closed)
        uv_timer_start(&t->uv, on_timer, (uint64_t)(ms + (late_ms > 0 ? late_ms : 0)), 0);
}

void loop_timer_stop(struct loop_timer *t)
{
    if (!t->loop->is_closed)
        uv_timer_stop(&t->uv);
}

void loop_timer_free(struct loop_timer *t)
{
    if (t == NULL)
        return;
    loop_timer_stop(t);
    t->next_free = t->loop->spare;
    t->loop->spare = t;
}
