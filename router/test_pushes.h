/* For tests of the router: a push of many batches, of which each has to be answered once. */
#pragma once

#include "router/test_cluster.h"

enum { BATCHES = 120 };

static bool     have_keys; /* from now on */
static uint64_t keys;

struct push_test {
    struct arena *arena;
    struct batch  batches[BATCHES];
    struct parcel parcels[BATCHES];
    struct label  at[BATCHES][2];
    _Atomic int   answers[BATCHES], dones;
    enum code     codes[BATCHES];
    char          texts[BATCHES][480];
    sem_t         done;
};

static inline void on_each(void *arg, size_t i, enum code code, const char *text)
{
    struct push_test *t = arg;

    t->codes[i] = code;
    snprintf(t->texts[i], sizeof t->texts[i], "%s", text);
    assert(atomic_fetch_add(&t->answers[i], 1) == 0);
}

static inline void on_done(void *arg)
{
    struct push_test *t = arg;

    assert(atomic_fetch_add(&t->dones, 1) == 0);
    sem_post(&t->done);
}

static inline struct push_test *push_begin(struct router *r, int64_t deadline_ns)
{
    struct push_test *t = mem_zalloc(sizeof *t);

    t->arena = arena_new(0);
    sem_init(&t->done, 0, 0);
    for (int i = 0; i < BATCHES; i++) {
        struct slice service = arena_printf(t->arena, "svc-%d", i % 12), pod = arena_printf(t->arena, "pod-%d", i);
        t->batches[i] = *test_batch(t->arena, &(struct test_profile){ "t", service.p, pod.p, T0, 1, 1, 100 });
        if (have_keys)
            t->batches[i].key = (struct hash128){ (uint64_t)i, ++keys };
        t->at[i][0] = (struct label){ SLICE("pod"), pod };
        t->at[i][1] = (struct label){ SLICE("service_name"), service };
        t->parcels[i] = (struct parcel){
            .tenant = SLICE("t"), .service = service, .labels = { t->at[i], 2 }, .batch = &t->batches[i]
        };
    }
    router_push(r, t->parcels, BATCHES, deadline_ns, on_each, on_done, t);
    return t;
}

static inline void push_wait(struct push_test *t)
{
    while (sem_wait(&t->done) != 0)
        ;
    for (int i = 0; i < BATCHES; i++)
        assert(atomic_load(&t->answers[i]) == 1);
}

static inline int push_count(const struct push_test *t, enum code code)
{
    int n = 0;

    for (int i = 0; i < BATCHES; i++)
        n += t->codes[i] == code;
    return n;
}

static inline void push_free(struct push_test *t)
{
    sem_destroy(&t->done);
    arena_free(t->arena);
    free(t);
}

/* Pushes and waits; how many were acked. */
static inline int push_all(struct router *r)
{
    struct push_test *t = push_begin(r, NEVER);

    push_wait(t);
    int ok = push_count(t, CODE_OK);
    push_free(t);
    return ok;
}
