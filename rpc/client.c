#include "rpc/client_priv.h"

#include <assert.h>
#include <semaphore.h>

#include "base/clock.h"
#include "base/mem.h"

struct rpc_client *rpc_client_new(struct loop *const *loops, size_t n_loops, struct tls *tls)
{
    struct rpc_client *c = mem_zalloc(sizeof *c + n_loops * sizeof *c->lanes);

    assert(n_loops > 0);
    c->n = n_loops;
    c->retries = metric_counter("hearth_rpc_client_retries_total", "Calls to peers that were tried again.", "");
    c->withheld =
        metric_counter("hearth_rpc_client_retries_withheld_total", "Calls not tried again, since too many were.", "");
    for (size_t i = 0; i < n_loops; i++)
        c->lanes[i] =
            (struct lane_client){ .loop = loops[i], .tls = tls_ref(tls), .random = (uint64_t)clock_mono_ns() + i };
    return c;
}

/* A context on its way to a loop. */
struct renewal {
    struct task         task;
    struct lane_client *to;
    struct tls         *tls;
};

static void renew(struct task *t)
{
    struct renewal *r = (struct renewal *)t;

    tls_unref(r->to->tls);
    r->to->tls = r->tls;
    if (r->to->http != NULL)
        http_client_set_tls(r->to->http, r->tls);
    free(r);
}

void rpc_client_set_tls(struct rpc_client *c, struct tls *tls)
{
    for (size_t i = 0; i < c->n; i++) {
        struct renewal *r = mem_alloc(sizeof *r);
        *r = (struct renewal){ .task.run = renew, .to = &c->lanes[i], .tls = tls_ref(tls) };
        loop_post(c->lanes[i].loop, &r->task);
    }
}

/* Closing is the loop's to do, behind whatever was posted to it, while the one who closes waits. */
struct closing {
    struct task         task;
    struct lane_client *lane;
    sem_t               done;
};

static void close_lane(struct task *t)
{
    struct closing     *c = (struct closing *)t;
    struct lane_client *lane = c->lane;

    lane->is_closing = true;
    if (lane->http != NULL)
        http_client_free(lane->http);
    lane_forget_peers(lane);
    tls_unref(lane->tls);
    sem_post(&c->done);
}

static void lane_free(struct lane_client *lane)
{
    struct closing c = { .task.run = close_lane, .lane = lane };

    sem_init(&c.done, 0, 0);
    if (loop_is_mine(lane->loop))
        close_lane(&c.task);
    else
        loop_post(lane->loop, &c.task);
    while (sem_wait(&c.done) != 0)
        continue;
    sem_destroy(&c.done);
}

void rpc_client_free(struct rpc_client *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        lane_free(&c->lanes[i]);
    free(c);
}
