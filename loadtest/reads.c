/*
 * The reader: queries beside the load, in the mix that Grafana Pyroscope recorded in production.  They are only to be
 * answered, and in time; whether answers are right is the checker's business.
 */
#include "base/clock.h"
#include "loadtest/ask.h"
#include "loadtest/trial.h"
#include "oracle/dice.h"

enum { NODES_OF_A_DASHBOARD = 8192 };

/* Of a thousand. */
static const struct {
    const char *method;
    uint32_t    share;
    int64_t     max_nodes;
} mix[] = { { "SelectMergeProfile", 780, 0 },
            { "SelectMergeStacktraces", 180, NODES_OF_A_DASHBOARD }, /* 15 % of it by /render in the original */
            { "LabelNames", 14, 0 },
            { "Series", 9, 0 },
            { "Diff", 7, 0 },
            { "SelectSeries", 10, 0 } };

static void on_read(struct shot *shot)
{
    struct trial *t = shot->arg;

    stats_read(&t->stats, shot);
    shot_free(shot);
    t->n_reads_open--;
}

static size_t method_draw(uint64_t dice)
{
    uint32_t at = dice_below(dice, 1000);
    size_t   i = 0;

    while (at >= mix[i].share)
        at -= mix[i++].share;
    return i;
}

/* What one service of one tenant did in the last five minutes, or since the load began. */
static struct shot *query_draw(struct trial *t, uint64_t dice)
{
    const struct workload_spec *spec = workload_spec_of(t->oracle.w);
    struct arena               *a = arena_new(0);
    struct question             q = { .by = BY_SERVICE };
    struct buf                  selector = { 0 };
    size_t                      i = method_draw(dice);
    int64_t                     now_ns = t->base_ns + clock_mono_ns() - t->stats.start_ns;

    q.like.tenant = dice_below(dice_mix(dice + 1), spec->tenants);
    q.like.service = dice_below(dice_mix(dice + 2), spec->services);
    q.like.kind = dice_below(dice_mix(dice + 3), spec->n_kinds);
    question_selector(t->oracle.w, &q, &selector);
    struct ask ask = { .tenant = workload_tenant(t->oracle.w, q.like.tenant, a),
                       .method = mix[i].method,
                       .selector = buf_view(&selector),
                       .type_id = kind_type_id(&spec->kinds[q.like.kind], 0, a),
                       .from_ms =
                           (now_ns - 300 * NS_PER_S > t->base_ns ? now_ns - 300 * NS_PER_S : t->base_ns) / NS_PER_MS,
                       .to_ms = now_ns / NS_PER_MS,
                       .max_nodes = mix[i].max_nodes };
    if (slice_is(slice_of(ask.method), "SelectSeries"))
        ask.step_ms = 15000, ask.label = SLICE("pod");
    struct shot *shot = ask_shot(t->target, &ask);
    buf_free(&selector);
    arena_free(a);
    return shot;
}

void *read_beside(void *trial)
{
    struct trial *t = trial;
    int64_t       step_ns = (int64_t)(1e9 / t->settings->read_rate);

    for (uint64_t i = 1; trial_sleep(t, t->stats.start_ns + (int64_t)i * step_ns); i++) {
        if (t->n_reads_open >= t->settings->in_flight) {
            t->stats.n_reads_failed++;
            continue;
        }
        struct shot *shot = query_draw(t, dice_at((uint64_t)t->settings->seed, 0x9EAD, i));
        shot->intended_ns = t->stats.start_ns + (int64_t)i * step_ns;
        shot->on_done = on_read;
        shot->arg = t;
        t->n_reads_open++;
        target_send(t->target, shot);
    }
    return NULL;
}
