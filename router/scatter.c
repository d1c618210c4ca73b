#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "router/router_priv.h"

enum { ANSWER_BYTES_MAX = 256 << 20 };

struct asked {
    struct scattered  *all;
    struct peer_fields fields;
    uint16_t           shard;
};

struct scattered {
    struct router    *router;
    struct shard_map *map; /* a query keeps to one map from beginning to end */
    struct scatter    what;
    _Atomic size_t    open; /* answers to come, and one while asking */
    struct asked      asked[];
};

static void finish_one(struct scattered *all)
{
    if (atomic_fetch_sub_explicit(&all->open, 1, memory_order_acq_rel) != 1)
        return;
    struct router *r = all->router;
    struct scatter what = all->what;
    map_unref(all->map);
    free(all);
    atomic_fetch_sub(&r->open, 1);
    what.done(what.arg);
}

static void on_answer(void *arg, enum code code, const char *text, bool was_sent, const ProtobufCMessage *answer)
{
    struct asked         *q = arg;
    const struct scatter *what = &q->all->what;
    const char           *name = q->all->map->shards[q->shard].name;
    char                  why[480];

    (void)was_sent;
    if (code != CODE_OK) {
        metric_add(q->all->router->metrics.unanswered, 1);
        snprintf(why, sizeof why, "shard %s: %s", name, text);
    }
    what->reply(what->arg, name, code, code == CODE_OK ? "" : why, answer);
    finish_one(q->all);
}

static void ask(struct asked *q)
{
    struct scattered  *all = q->all;
    struct rpc_request call = {
        .address = all->map->shards[q->shard].address,
        .path = all->what.path,
        .message = all->what.message,
        .response = all->what.response,
        .fields = q->fields.at,
        .deadline_ns = all->what.deadline_ns == INT64_MAX ? 0 : all->what.deadline_ns,
        .response_bytes_max = ANSWER_BYTES_MAX,
        .retry = { .attempts_max = 2, .is_idempotent = true }, /* a connection that died while idle */
        .on_reply = on_answer,
        .arg = q,
    };

    rpc_client_call(all->router->config.client, &call);
}

static bool is_to_be_asked(const struct shard_map *m, uint16_t shard)
{
    return shard != m->self && m->shards[shard].state != SHARD_LOST;
}

bool router_is_alone(struct router *r)
{
    struct shard_map *m = router_map(r);
    bool              is_alone = true;

    for (uint16_t i = 0; i < m->n_shards && is_alone; i++)
        is_alone = !is_to_be_asked(m, i);
    map_unref(m);
    return is_alone;
}

void router_scatter(struct router *r, const struct scatter *s)
{
    struct shard_map *m = router_map(r);
    struct scattered *all = mem_zalloc(sizeof *all + m->n_shards * sizeof *all->asked);

    *all = (struct scattered){ .router = r, .map = m, .what = *s, .open = 1 };
    atomic_fetch_add(&r->open, 1);
    for (uint16_t i = 0; i < m->n_shards; i++) {
        if (!is_to_be_asked(m, i))
            continue;
        all->asked[i] = (struct asked){ .all = all, .shard = i };
        peer_fields_make(r, m->shards[i].name, &all->asked[i].fields);
        atomic_fetch_add_explicit(&all->open, 1, memory_order_relaxed);
        ask(&all->asked[i]);
    }
    finish_one(all);
}
