/*
 * Retention: by time, and by memory.
 *
 * Memory is given back in buckets, the oldest first, and fairly: whoever holds most gives first, and nobody has to give
 * to one who holds more than himself.  So a tenant that pushes twenty times as much as the others loses its own past,
 * and is refused when it has none left to lose.
 *
 * Dropping begins an eighth below the limit.  Between the two there is room for buckets that were dropped and are still
 * being read; only when queries hold more than that is a batch refused that would otherwise fit.
 */
#include <assert.h>

#include "base/clock.h"
#include "index/bucket.h"
#include "shard/shard_priv.h"

static void drop(struct shard *s, struct tenant *t, int64_t start_ns, enum drop_reason reason)
{
    struct held *h = tenant_held(t, start_ns);
    int64_t      end_ns = start_ns + s->config.span_ns, bytes = (int64_t)h->bytes;

    if (end_ns > s->data_since_ns)
        s->data_since_ns = end_ns;
    s->dropped_buckets++;
    s->dropped_bytes += bytes;
    metric_add(s->metrics.dropped_buckets[reason], 1);
    metric_add(s->metrics.dropped_bytes[reason], bytes);
    directory_drop(s->directory, t, start_ns);
}

/* Drops a tenant's buckets that end at or before `oldest_ns`, and with the last one the tenant. */
static void drop_before(struct shard *s, struct tenant *t, int64_t oldest_ns)
{
    size_t n;

    do {
        const struct held *row = tenant_row(t, &n);
        int64_t            start_ns = row[0].start_ns;
        if (start_ns + s->config.span_ns > oldest_ns)
            return;
        drop(s, t, start_ns, DROP_RETENTION);
    } while (n > 1);
}

void retain_by_time(struct shard *s, int64_t now_ns)
{
    int64_t oldest_ns;

    if (s->config.retention_ns == INT64_MAX || now_ns < s->next_retention_ns ||
        __builtin_sub_overflow(now_ns, s->config.retention_ns, &oldest_ns))
        return;
    s->next_retention_ns = now_ns + NS_PER_S;
    for (struct tenant *t = directory_next(s->directory, NULL), *next; t != NULL; t = next) {
        next = directory_next(s->directory, t); /* t may go */
        drop_before(s, t, oldest_ns);
    }
}

/* The oldest bucket of `t` that is not the one to be kept. */
static bool oldest_but(const struct tenant *t, struct slice tenant, int64_t keep_ns, int64_t *start_ns)
{
    size_t             n;
    const struct held *row = tenant_row(t, &n);
    size_t             i = row[0].start_ns == keep_ns && slice_eq(tenant_name(t), tenant);

    if (i >= n)
        return false;
    *start_ns = row[i].start_ns;
    return true;
}

/*
 * Who has to give: whoever holds most, unless the tenant that asks would then hold more than he; then the asking one
 * himself.  NULL: that one has nothing to give but the bucket at keep_ns.
 */
static struct tenant *giver(struct shard *s, struct slice tenant, int64_t keep_ns, size_t grows)
{
    struct tenant *self = directory_tenant(s->directory, tenant), *richest = directory_richest(s->directory);
    size_t         after = (self ? tenant_bytes(self) : 0) + grows;
    int64_t        start_ns;

    if (richest != NULL && richest != self && tenant_bytes(richest) >= after)
        return richest;
    return self != NULL && oldest_but(self, tenant, keep_ns, &start_ns) ? self : NULL;
}

/* What is in sight and what it will be: without what is only pinned. */
static size_t used_in_sight(const struct shard *s)
{
    const struct directory_sums *sums = directory_sums(s->directory);

    return sums->bucket_bytes + sums->own_bytes;
}

static bool fits(size_t used, size_t grows, size_t limit) { return used <= limit && grows <= limit - used; }

enum code retain_room(struct shard *s, struct slice tenant, int64_t keep_ns, size_t grows, struct fault *why)
{
    size_t         limit = s->config.limit_bytes, begin = limit - limit / 8;
    struct tenant *t;
    int64_t        start_ns;

    if (limit == SIZE_MAX || fits(shard_used(s), grows, begin))
        return CODE_OK;
    while (!fits(used_in_sight(s), grows, begin) && (t = giver(s, tenant, keep_ns, grows)) != NULL &&
           oldest_but(t, tenant, keep_ns, &start_ns))
        drop(s, t, start_ns, DROP_MEMORY);
    epoch_poll(s->epoch);
    if (fits(shard_used(s), grows, limit))
        return CODE_OK;
    if (fits(used_in_sight(s), grows, limit))
        return fail(why, CODE_RESOURCE_EXHAUSTED,
                    "shard %s: memory limit of %zu bytes: running queries still hold %zu bytes that were dropped",
                    s->config.name, limit, shard_used(s) - used_in_sight(s));
    return fail(
        why, CODE_RESOURCE_EXHAUSTED,
        "shard %s: memory limit of %zu bytes: %zu in use, %zu more needed, and tenant %.*s has no older data to give",
        s->config.name, limit, used_in_sight(s), grows, SLICE_ARGS(tenant));
}
