/*
 * Goal: a function that burns CPU, on any thread, is found in the CPU profile by its name, below its callers; one that
 * waits in the wall profile; and nothing is read that must not be.
 * Method: threads run known functions until the sampler has seen each often enough, however slow the machine is; the
 * pprofs are unpacked with the generated code and searched for stacks that have them in order.  Under ThreadSanitizer
 * the sampler must say that it cannot.
 */
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/profile.pb-c.h"
#include "server/stack_profile.h"

enum { SAMPLES_MIN = 10, WAIT_S = 300 };

static atomic_bool is_over;
static sem_t       forever;

__attribute__((noinline)) static uint64_t burn_inner(uint64_t x)
{
    for (int i = 0; i < 100000; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

__attribute__((noinline)) static uint64_t burn_outer(uint64_t x)
{
    while (!is_over)
        x ^= burn_inner(x) + 1;
    return x;
}

static void *burn_thread(void *arg)
{
    uint64_t *x = arg;

    *x = burn_outer(*x);
    return NULL;
}

__attribute__((noinline)) static void wait_inner(void)
{
    while (sem_wait(&forever) != 0)
        continue;
}

/* The loop keeps the call from being a jump. */
static void *wait_thread(void *arg)
{
    (void)arg;
    while (!is_over)
        wait_inner();
    return NULL;
}

static const char *function_of(const Google__V1__Profile *p, uint64_t location)
{
    for (size_t i = 0; i < p->n_location; i++)
        if (p->location[i]->id == location && p->location[i]->n_line == 1)
            return p->string_table[p->function[p->location[i]->line[0]->function_id - 1]->name];
    return "";
}

/* Samples whose stack has `inner` called by `outer`. */
static int64_t count_pair(const Google__V1__Profile *p, const char *inner, const char *outer)
{
    int64_t n = 0;

    for (size_t i = 0; i < p->n_sample; i++) {
        const Google__V1__Sample *s = p->sample[i];
        for (size_t k = 0; k + 1 < s->n_location_id; k++)
            if (strcmp(function_of(p, s->location_id[k]), inner) == 0 &&
                strcmp(function_of(p, s->location_id[k + 1]), outer) == 0) {
                n += s->value[0];
                break;
            }
    }
    return n;
}

/* Samples of `inner` below `outer` in what `profile` holds, which it loses. */
static int64_t take_pairs(struct stack_profile *profile, struct symbols *symbols, const char *kind, int64_t period_ns,
                          const char *inner, const char *outer)
{
    struct buf body = { 0 };

    stack_profile_write(profile, symbols, 1, 2, &body);
    assert(stack_profile_stacks(profile) == 0);
    Google__V1__Profile *p = google__v1__profile__unpack(NULL, body.n, (const uint8_t *)body.p);
    assert(p && p->n_sample_type == 2 && p->period == period_ns && p->time_nanos == 1 && p->duration_nanos == 2);
    assert(strcmp(p->string_table[p->sample_type[1]->type], kind) == 0 && p->string_table[0][0] == '\0');
    assert(strcmp(p->string_table[p->period_type->type], kind) == 0);
    assert(strcmp(p->string_table[p->period_type->unit], "nanoseconds") == 0);
    for (size_t i = 0; i < p->n_sample; i++)
        assert(p->sample[i]->value[0] > 0 && p->sample[i]->value[1] == p->sample[i]->value[0] * period_ns);
    int64_t n = count_pair(p, inner, outer);
    google__v1__profile__free_unpacked(p, NULL);
    buf_free(&body);
    return n;
}

struct seen {
    struct stack_profile *profiles[SAMPLE_CLOCKS];
    struct symbols       *symbols;
    int64_t               n_burnt, n_waited;
};

static void add(void *arg, const struct sample *sample)
{
    struct seen *s = arg;

    assert(sample->count > 0 && sample->n > 0 && sample->n <= SAMPLE_DEPTH_MAX);
    stack_profile_add(s->profiles[sample->clock], sample);
}

static bool is_enough(const struct seen *s) { return s->n_burnt >= SAMPLES_MIN && s->n_waited >= SAMPLES_MIN; }

/* Meanwhile this thread burns too: the main thread's stack has bounds of its own. */
static void sample_until_enough(struct sampler *sampler, struct seen *s)
{
    int64_t           end = clock_mono_ns() + WAIT_S * NS_PER_S;
    volatile uint64_t x = 1;

    while (!is_enough(s) && clock_mono_ns() < end) {
        int64_t drain = clock_mono_ns() + NS_PER_S / 4;
        while (clock_mono_ns() < drain)
            x = burn_inner(x);
        sampler_scan(sampler);
        sampler_drain(sampler, add, s);
        s->n_burnt += take_pairs(s->profiles[SAMPLE_CPU], s->symbols, "cpu", SAMPLE_PERIOD_NS(SAMPLE_CPU), "burn_outer",
                                 "burn_thread");
        s->n_waited += take_pairs(s->profiles[SAMPLE_WALL], s->symbols, "wall", SAMPLE_PERIOD_NS(SAMPLE_WALL),
                                  "wait_inner", "wait_thread");
    }
    printf("%lld samples of burning, %lld of waiting\n", (long long)s->n_burnt, (long long)s->n_waited);
    assert(is_enough(s));
}

int main(void)
{
    struct sampler *sampler;
    struct seen     s = { 0 };
    struct fault    why;
    pthread_t       burns, waits;
    uint64_t        x = 7;

    enum code code = sampler_start(&sampler, &why);
    if (code != CODE_OK) {
        printf("skipped: %s\n", why.text);
        return code == CODE_UNIMPLEMENTED ? 0 : 1;
    }
    for (int clock = 0; clock < SAMPLE_CLOCKS; clock++)
        s.profiles[clock] = stack_profile_new((enum sample_clock)clock);
    s.symbols = symbols_new();
    assert(sem_init(&forever, 0, 0) == 0);
    assert(pthread_create(&burns, NULL, burn_thread, &x) == 0);
    assert(pthread_create(&waits, NULL, wait_thread, NULL) == 0);
    sampler_scan(sampler);
    sample_until_enough(sampler, &s);
    is_over = true;
    sem_post(&forever);
    pthread_join(burns, NULL);
    pthread_join(waits, NULL);
    sampler_scan(sampler); /* the threads that went */
    sampler_stop(sampler);
    symbols_free(s.symbols);
    for (int clock = 0; clock < SAMPLE_CLOCKS; clock++)
        stack_profile_free(s.profiles[clock]);
    return 0;
}
