/*
 * Goal: a function that burns CPU, on any thread, is found in the pprof by its name, below its callers, and nothing is
 * read that must not be.
 * Method: two threads run known functions while the sampler samples; the pprof is unpacked with the generated code and
 * searched for a stack that has them in order.  Under ThreadSanitizer the sampler must say that it cannot.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "proto/profile.pb-c.h"
#include "server/cpu_profile.h"

static atomic_bool is_over;

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
    *(uint64_t *)arg = burn_outer(7);
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

static void check_profile(const struct buf *body)
{
    Google__V1__Profile *p = google__v1__profile__unpack(NULL, body->n, (const uint8_t *)body->p);

    assert(p && p->n_sample_type == 2 && p->period == SAMPLE_PERIOD_NS && p->time_nanos == 1 && p->duration_nanos == 2);
    assert(strcmp(p->string_table[p->sample_type[1]->type], "cpu") == 0 && p->string_table[0][0] == '\0');
    assert(strcmp(p->string_table[p->period_type->unit], "nanoseconds") == 0);
    int64_t pairs = count_pair(p, "burn_inner", "burn_outer"), threads = count_pair(p, "burn_outer", "burn_thread");
    printf("%lld samples in burn_inner below burn_outer, %lld of them on a thread\n", (long long)pairs,
           (long long)threads);
    assert(pairs > 10 && threads > 5 && threads <= pairs);
    for (size_t i = 0; i < p->n_sample; i++)
        assert(p->sample[i]->value[1] == p->sample[i]->value[0] * SAMPLE_PERIOD_NS);
    google__v1__profile__free_unpacked(p, NULL);
}

/* Until the process, that is, this thread and the other, has had `cpu_ns`, however busy the machine is. */
static void burn_for(int64_t cpu_ns)
{
    struct timespec   cpu;
    volatile uint64_t x = 1;

    do {
        x = burn_inner(x);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    } while (cpu.tv_sec * NS_PER_S + cpu.tv_nsec < cpu_ns);
}

int main(void)
{
    struct sampler *s;
    struct fault    why;
    pthread_t       thread;
    uint64_t        result;

    enum code code = sampler_start(&s, &why);
    if (code != CODE_OK) {
        printf("skipped: %s\n", why.text);
        return code == CODE_UNIMPLEMENTED ? 0 : 1;
    }
    struct cpu_profile *profile = cpu_profile_new();
    struct symbols     *symbols = symbols_new();
    struct buf          body = { 0 };
    assert(pthread_create(&thread, NULL, burn_thread, &result) == 0);
    sampler_scan(s);
    burn_for(2 * NS_PER_S);
    is_over = true;
    pthread_join(thread, NULL);
    sampler_scan(s); /* the thread that went */
    sampler_drain(s, cpu_profile_add, profile);
    cpu_profile_write(profile, symbols, 1, 2, &body);
    check_profile(&body);
    assert(cpu_profile_stacks(profile) == 0);
    sampler_stop(s);
    buf_free(&body);
    symbols_free(symbols);
    cpu_profile_free(profile);
    return 0;
}
