#include <assert.h>

#include "router/router_priv.h"

/*
 * Whether the slot is ours as far as can be known.  The newest map decides.  Where the sender's is newer than ours it
 * is believed: it reached him first, and where a batch lives does not change an answer as long as it lives once.  But a
 * shard that has adopted a newer map than the one it can read now (a restart with an old file) does not believe an old
 * one.
 */
static enum code check_slot(const struct router *r, const struct shard_map *m, const struct batch *b, struct fault *why)
{
    uint64_t adopted = router_epoch(r);
    bool     is_current = m->epoch >= adopted;

    if (b->slot >= SLOTS)
        return fail(why, CODE_INVALID_ARGUMENT, "slot %u of %d", b->slot, SLOTS);
    if (b->map_epoch > m->epoch ? b->map_epoch >= adopted : is_current && m->owner[b->slot] == m->self)
        return CODE_OK;
    if (!is_current)
        return fail(why, CODE_FAILED_PRECONDITION, "shard %s has seen map epoch %llu and cannot use %llu",
                    r->config.self, (unsigned long long)adopted, (unsigned long long)b->map_epoch);
    return fail(why, CODE_FAILED_PRECONDITION, "slot %u belongs to shard %s by map epoch %llu, not to %s", b->slot,
                m->shards[m->owner[b->slot]].name, (unsigned long long)m->epoch, r->config.self);
}

enum code router_accept(struct router *r, const struct batch *b, struct append *a, struct fault *why)
{
    assert(r->config.shard != NULL && a->done != NULL);

    struct shard_map *m = router_map(r);
    enum code         code = check_slot(r, m, b, why);
    map_unref(m);
    if (code != CODE_OK)
        return code;
    a->batch = b;
    if (!writer_submit(r->config.writer, a))
        return fail(why, CODE_RESOURCE_EXHAUSTED, "shard %s: too many batches are waiting to be stored",
                    r->config.self);
    return CODE_OK;
}
