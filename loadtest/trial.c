#include "loadtest/trial.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loadtest/schedule.h"
#include "loadtest/vitals.h"
#include "oracle/dice.h"

enum { CLOSED_RATE_MAX = 20000 };

#define NAP_NS (50 * NS_PER_MS)
#define LEAD_NS (20 * NS_PER_MS) /* from the start of the threads to the first request */

static _Atomic bool is_stopped; /* set by a signal, on whichever thread it finds */

void trials_stop(void) { is_stopped = true; }

bool trials_are_stopped(void) { return is_stopped; }

bool trial_sleep(struct trial *t, int64_t until_ns)
{
    int64_t now_ns;

    while (!t->is_over && !is_stopped && (now_ns = clock_mono_ns()) < until_ns) {
        int64_t         wake_ns = until_ns - now_ns > NAP_NS ? now_ns + NAP_NS : until_ns;
        struct timespec at = { wake_ns / NS_PER_S, wake_ns % NS_PER_S };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    return !t->is_over && !is_stopped;
}

/* ---- what is made before ---- */

static void plan(struct trial *t, double rate)
{
    const struct settings *s = t->settings;
    enum shape             shape = SHAPE_CONSTANT;

    if (s->is_closed) {
        double room = (double)s->duration_ns / 1e9 * CLOSED_RATE_MAX, most = SCHEDULE_MAX / (double)s->batch;
        t->n_requests = (size_t)(room < most ? room : most);
        t->at_ns = mem_zalloc(t->n_requests * sizeof *t->at_ns);
        return;
    }
    (void)shape_named(slice_of(s->shape), &shape); /* settings_check has seen to it */
    t->at_ns = schedule_make(shape, rate, s->duration_ns, &t->n_requests);
}

static void kinds_take(const struct settings *s, const struct seeds *seeds, struct workload_spec *spec)
{
    struct slice list = slice_of(s->kinds), word;

    if (seeds->n > 0) {
        memcpy(spec->kinds, seeds->kinds, seeds->n * sizeof *spec->kinds);
        spec->n_kinds = seeds->n;
        spec->seeds = seeds->pools;
        return;
    }
    while (word_next(&list, &word))
        spec->kinds[spec->n_kinds++] = *kind_named(word);
}

struct slice trial_name(const struct settings *s, int64_t base_ns, unsigned number, struct arena *a)
{
    long long slot = (long long)(base_ns / SLOT_NS);
    uint32_t  own;

    if (s->start_time != 0)
        return arena_printf(a, "%llx-%u", slot, number);
    if (getrandom(&own, sizeof own, 0) != sizeof own)
        abort();
    return arena_printf(a, "%llx-%08x-%u", slot, own, number);
}

static void workload_make(struct trial *t, const struct seeds *seeds, unsigned number)
{
    const struct settings *s = t->settings;
    int64_t                now_ns = s->start_time ? s->start_time * NS_PER_S : clock_real_ns();
    struct workload_spec   spec = { .seed = (uint64_t)s->seed,
                                    .base_ns = now_ns / SLOT_NS * SLOT_NS,
                                    .tenants = (uint32_t)s->tenants,
                                    .services = (uint32_t)s->services,
                                    .pods = (uint32_t)s->pods,
                                    .batch = (uint32_t)s->batch,
                                    .samples = (uint32_t)s->samples,
                                    .shape = { (uint32_t)s->stacks, (uint32_t)s->functions, (uint32_t)s->depth_min,
                                               (uint32_t)s->depth_max },
                                    .stack_zipf = s->stack_zipf,
                                    .service_zipf = s->service_zipf,
                                    .hot_percent = (uint32_t)s->hot_percent,
                                    .churn_ns = s->churn_ns,
                                    .is_round_robin = s->is_round_robin };

    spec.run = trial_name(s, spec.base_ns, number, t->arena);
    kinds_take(s, seeds, &spec);
    t->base_ns = spec.base_ns;
    t->oracle.w = workload_new(&spec, t->at_ns, t->arena);
    t->oracle.l = ledger_new(t->n_requests * (uint64_t)s->batch);
}

/* ---- beside the load ---- */

void *check_beside(void *trial)
{
    struct trial   *t = trial;
    struct verifier v = { t->oracle, t->target, &t->verdict, arena_new(0), &t->n_used, true };
    int64_t         step_ns = (int64_t)(1e9 / t->settings->verify_rate);

    for (uint64_t i = 1; trial_sleep(t, t->stats.start_ns + (int64_t)i * step_ns); i++) {
        verify_random(&v, ledger_settled(t->oracle.l), dice_at((uint64_t)t->settings->seed, 0xC4EC, i));
    }
    arena_free(v.arena);
    return NULL;
}

static void say_progress(const struct trial *t, size_t second, const struct vitals *v)
{
    const struct stats *s = &t->stats;

    fprintf(stderr, "%5zu s: %ld sent, %ld acked, %ld refused, %ld unanswered, %ld open; %ld questions, %ld wrong; ",
            second, s->n_sent, s->n_acked, s->n_refused, s->n_unknown, t->n_open, t->verdict.n_asked,
            t->verdict.n_wrong);
    fprintf(stderr, "server %.0f MB, %.1f CPU s\n", (double)v->rss_bytes / 1e6, v->cpu_s);
}

static void *watch_beside(void *trial)
{
    struct trial *t = trial;

    for (size_t i = 0; trial_sleep(t, t->stats.start_ns + (int64_t)i * NS_PER_S); i++) {
        struct vitals v = { 0 };
        if (vitals_read(t->target, t->settings->server_pid, &v))
            stats_vitals(&t->stats, i, v.rss_bytes, v.cpu_s);
        if (!t->settings->is_quiet && i % 5 == 0)
            say_progress(t, i, &v);
    }
    return NULL;
}

/* Until every answer has come; each comes by its own timeout. */
static void drain(const _Atomic long *n_open)
{
    struct timespec nap = { 0, NS_PER_MS };

    while (*n_open > 0)
        nanosleep(&nap, NULL);
}

static void load(struct trial *t)
{
    void *(*const bodies[])(void *) = { watch_beside, read_beside, check_beside };
    const bool    is_wanted[] = { true, t->settings->read_rate > 0, t->settings->verify_rate > 0 };
    pthread_t     threads[3];
    struct vitals before = { 0 }, after = { 0 };

    (void)vitals_read(t->target, t->settings->server_pid, &before);
    stats_open(&t->stats, clock_mono_ns() + LEAD_NS);
    for (int i = 0; i < 3; i++)
        if (is_wanted[i] && pthread_create(&threads[i], NULL, bodies[i], t) != 0)
            abort();
    send_all(t);
    drain(&t->n_open);
    t->seconds = (double)(clock_mono_ns() - t->stats.start_ns) / 1e9;
    t->is_over = true;
    for (int i = 0; i < 3; i++)
        if (is_wanted[i])
            pthread_join(threads[i], NULL);
    drain(&t->n_reads_open);
    if (vitals_read(t->target, t->settings->server_pid, &after)) {
        t->server_cpu_s = after.cpu_s - before.cpu_s;
        t->server_rss_bytes = after.rss_bytes;
    }
    stats_close(&t->stats);
}

static void verifying(void *trial, uint64_t done, uint64_t all)
{
    const struct trial *t = trial;

    if (!t->settings->is_quiet && (done == all || done % (all / 10 + 1) == 0))
        fprintf(stderr, "verified %llu of %llu services: %ld questions, %ld wrong\n", (unsigned long long)done,
                (unsigned long long)all, t->verdict.n_asked, t->verdict.n_wrong);
}

void trial_run(const struct settings *s, struct target *target, const struct seeds *seeds, double rate, unsigned number,
               struct trial *out)
{
    struct trial *t = out;

    *t = (struct trial){ .settings = s, .target = target, .arena = arena_new(0), .rate = rate };
    plan(t, rate);
    workload_make(t, seeds, number);
    if (!s->is_quiet)
        fprintf(stderr, "loading %s, run %.*s\n", s->url, SLICE_ARGS(workload_spec_of(t->oracle.w)->run));
    load(t);
    if (!s->is_quiet)
        fprintf(stderr, "loaded, %ld acked; verifying\n", t->stats.n_acked);
    struct timespec settle = { s->settle_ns / NS_PER_S, s->settle_ns % NS_PER_S };
    nanosleep(&settle, NULL);
    struct verifier v = { t->oracle, target, &t->verdict, arena_new(0), &t->n_used, false };
    verify_all(&v, verifying, t);
    arena_free(v.arena);
}

void trial_free(struct trial *t)
{
    stats_free(&t->stats);
    ledger_free(t->oracle.l);
    free(t->at_ns);
    arena_free(t->arena);
}

/* ---- the verdict ---- */

static bool is_over(double value, double most) { return most > 0 && value > most; }

static bool misses(const struct trial *t, struct buf *why)
{
    const struct settings *s = t->settings;
    const struct stats    *st = &t->stats;
    double                 asked = (double)(st->n_sent + st->n_reads),
           bad = (double)(st->n_refused + st->n_unknown + st->n_reads_failed);
    const struct {
        const char *name;
        double      value, most;
    } thresholds[] = { { "ack-p50-ms-max", (double)hist_at(&st->from_intended, 50) / 1e6, s->ack_p50_ms_max },
                       { "ack-p99-ms-max", (double)hist_at(&st->from_intended, 99) / 1e6, s->ack_p99_ms_max },
                       { "read-p99-ms-max", (double)hist_at(&st->reads, 99) / 1e6, s->read_p99_ms_max },
                       { "refused-percent-max", asked > 0 ? 100 * bad / asked : 0, s->refused_percent_max } };
    bool is_missed = false;

    for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++)
        if (is_over(thresholds[i].value, thresholds[i].most)) {
            buf_printf(why, "%s: %.2f, more than %.2f\n", thresholds[i].name, thresholds[i].value, thresholds[i].most);
            is_missed = true;
        }
    if (st->n_acked == 0) {
        buf_printf(why, "nothing was acked: %s\n", st->first_refusal);
        is_missed = true;
    }
    return is_missed;
}

enum result trial_result(const struct trial *t, struct buf *why)
{
    const struct verdict *v = &t->verdict;
    const struct stats   *s = &t->stats;
    double                late = 100.0 * (double)(s->n_late + s->n_missed) / (double)(t->n_used ? t->n_used : 1);

    for (size_t i = 0; i < v->n_faults; i++)
        buf_printf(why, "%s\n", v->faults[i]);
    if (v->n_wrong > 0)
        return RESULT_WRONG;
    if (v->is_unreachable)
        return RESULT_UNREACHABLE;
    if (v->n_faults > 0)
        return RESULT_WRONG; /* a question of the last verification that had no answer */
    if (!t->settings->is_closed && is_over(late, t->settings->late_percent_max)) {
        buf_printf(why, "late-percent-max: %.2f %% were sent late or not at all: the generator is saturated\n", late);
        return RESULT_SATURATED;
    }
    return misses(t, why) ? RESULT_SLOW : RESULT_FINE;
}
