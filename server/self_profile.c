#include "server/self_profile.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/stack_profile.h"
#include "server/intake.h"
#include "server/wiring.h"
#include "tenant/tenant_id.h"

/* Scans, one a second. */
enum { PUSH_FIRST = 2, PUSH_EVERY = 10 };

struct self_profile {
    struct app           *app;
    struct sampler       *sampler;
    struct symbols       *symbols;
    struct stack_profile *profiles[SAMPLE_CLOCKS];
    struct arena         *arena; /* of one push */
    struct limits         limits;
    pthread_t             thread;
    sem_t                 stop; /* posted by self_profile_stop */
    sem_t                 pushed;
    int64_t               since_ns;
    bool                  is_failing; /* said so already */
};

static void on_pushed(void *arg, const struct intake_outcome *outcomes, size_t n)
{
    struct self_profile         *p = arg;
    const struct intake_outcome *bad = NULL;

    for (size_t i = 0; i < n && bad == NULL; i++)
        if (outcomes[i].code != CODE_OK)
            bad = &outcomes[i];
    if (bad != NULL && !p->is_failing)
        log_warn("self-profile not stored", log_str("error", bad->text));
    p->is_failing = bad != NULL;
    sem_post(&p->pushed);
}

/* The profiles that have a stack, as items of one push. */
static size_t items_write(struct self_profile *p, int64_t since_ns, int64_t now_ns, struct buf *bodies,
                          struct intake_item *items)
{
    static const struct label labels[SAMPLE_CLOCKS][2] = {
        [SAMPLE_CPU] = { { { "__name__", 8 }, { "process_cpu", 11 } }, { { "service_name", 12 }, { "hearth", 6 } } },
        [SAMPLE_WALL] = { { { "__name__", 8 }, { "wall", 4 } }, { { "service_name", 12 }, { "hearth", 6 } } },
    };
    size_t n = 0;

    for (int clock = 0; clock < SAMPLE_CLOCKS; clock++) {
        if (stack_profile_stacks(p->profiles[clock]) == 0)
            continue;
        stack_profile_write(p->profiles[clock], p->symbols, since_ns, now_ns - since_ns, &bodies[clock]);
        items[n++] = (struct intake_item){ .body = buf_view(&bodies[clock]), .labels = { labels[clock], 2 } };
    }
    return n;
}

/* Waits for the answer: what it was made of is reused. */
static void push(struct self_profile *p)
{
    struct buf          bodies[SAMPLE_CLOCKS] = { 0 };
    int64_t             now = clock_real_ns(), since = p->since_ns;
    struct intake_item *items = arena_array(p->arena, SAMPLE_CLOCKS, sizeof *items);
    size_t              n = items_write(p, since, now, bodies, items);

    p->since_ns = now;
    if (n > 0) {
        policy_limits(server_policy(p->app->server), &TENANT_ANONYMOUS, 1, &p->limits);
        intake_run(&(struct intake){ .app = p->app,
                                     .tenant = TENANT_ANONYMOUS,
                                     .limits = &p->limits,
                                     .arena = p->arena,
                                     .items = items,
                                     .n_items = n,
                                     .now_ns = now,
                                     .deadline_ns = clock_mono_ns() + PUSH_EVERY * NS_PER_S,
                                     .done = on_pushed,
                                     .arg = p });
        while (sem_wait(&p->pushed) != 0 && errno == EINTR)
            ;
    }
    for (int clock = 0; clock < SAMPLE_CLOCKS; clock++)
        buf_free(&bodies[clock]);
    arena_reset(p->arena);
}

static void add(void *arg, const struct sample *sample)
{
    struct self_profile *p = arg;

    stack_profile_add(p->profiles[sample->clock], sample);
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

    pthread_setname_np(pthread_self(), "self-profile");
    for (int second = 1;; second++) {
        sampler_scan(p->sampler);
        if (stops_within_a_second(p))
            return NULL;
        sampler_drain(p->sampler, add, p);
        if (second == PUSH_FIRST || second % PUSH_EVERY == 0)
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
    for (int clock = 0; clock < SAMPLE_CLOCKS; clock++)
        p->profiles[clock] = stack_profile_new((enum sample_clock)clock);
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
    for (int clock = 0; clock < SAMPLE_CLOCKS; clock++)
        stack_profile_free(p->profiles[clock]);
    symbols_free(p->symbols);
    arena_free(p->arena);
    free(p);
}
