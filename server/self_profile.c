#include "server/self_profile.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/cpu_profile.h"
#include "server/intake.h"
#include "server/wiring.h"
#include "tenant/tenant_id.h"

enum { PUSH_EVERY = 10 }; /* scans, one a second */

struct self_profile {
    struct app         *app;
    struct sampler     *sampler;
    struct symbols     *symbols;
    struct cpu_profile *profile;
    struct arena       *arena; /* of one push */
    struct limits       limits;
    pthread_t           thread;
    sem_t               stop; /* posted by self_profile_stop */
    sem_t               pushed;
    int64_t             since_ns;
    bool                is_failing; /* said so already */
};

static void on_pushed(void *arg, const struct intake_outcome *outcomes, size_t n)
{
    struct self_profile *p = arg;

    (void)n;
    if (outcomes[0].code != CODE_OK && !p->is_failing)
        log_warn("self-profile not stored", log_str("error", outcomes[0].text));
    p->is_failing = outcomes[0].code != CODE_OK;
    sem_post(&p->pushed);
}

/* Waits for the answer: what it was made of is reused. */
static void push(struct self_profile *p)
{
    static const struct label labels[] = { { { "__name__", 8 }, { "process_cpu", 11 } },
                                           { { "service_name", 12 }, { "hearth", 6 } } };
    struct buf                body = { 0 };
    int64_t                   now = clock_real_ns(), since = p->since_ns;

    p->since_ns = now;
    if (cpu_profile_stacks(p->profile) == 0)
        return;
    cpu_profile_write(p->profile, p->symbols, since, now - since, &body);
    policy_limits(server_policy(p->app->server), &p->limits);
    struct intake_item *item = arena_zalloc(p->arena, sizeof *item);
    *item = (struct intake_item){ .body = buf_view(&body), .labels = { labels, sizeof labels / sizeof *labels } };
    intake_run(&(struct intake){ .app = p->app,
                                 .tenant = TENANT_ANONYMOUS,
                                 .limits = &p->limits,
                                 .arena = p->arena,
                                 .items = item,
                                 .n_items = 1,
                                 .now_ns = now,
                                 .deadline_ns = clock_mono_ns() + PUSH_EVERY * NS_PER_S,
                                 .done = on_pushed,
                                 .arg = p });
    while (sem_wait(&p->pushed) != 0 && errno == EINTR)
        ;
    buf_free(&body);
    arena_reset(p->arena);
}

static bool stops_within_a_second(struct self_profile *p)
{
    struct timespec until;
    int             status;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    while ((status = sem_timedwait(&p->stop, &until)) != 0 && errno == EINTR)
        ;
    return status == 0;
}

static void *collect(void *arg)
{
    struct self_profile *p = arg;

    for (int second = 1;; second++) {
        sampler_scan(p->sampler);
        if (stops_within_a_second(p))
            return NULL;
        sampler_drain(p->sampler, cpu_profile_add, p->profile);
        if (second % PUSH_EVERY == 0)
            push(p);
    }
}

struct self_profile *self_profile_start(struct app *app)
{
    struct sampler *sampler;
    struct fault    why;

    if (sampler_start(&sampler, &why) != CODE_OK) {
        log_warn("no self-profile", log_str("error", why.text));
        return NULL;
    }
    struct self_profile *p = mem_zalloc(sizeof *p);
    p->app = app;
    p->sampler = sampler;
    p->symbols = symbols_new();
    p->profile = cpu_profile_new();
    p->arena = arena_new(0);
    p->since_ns = clock_real_ns();
    sem_init(&p->stop, 0, 0);
    sem_init(&p->pushed, 0, 0);
    if (pthread_create(&p->thread, NULL, collect, p) != 0)
        abort();
    return p;
}

void self_profile_stop(struct self_profile *p)
{
    sem_post(&p->stop);
    pthread_join(p->thread, NULL);
    sampler_stop(p->sampler);
    sem_destroy(&p->stop);
    sem_destroy(&p->pushed);
    cpu_profile_free(p->profile);
    symbols_free(p->symbols);
    arena_free(p->arena);
    free(p);
}
