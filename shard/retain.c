/*
 * Retention: by time, by bytes of a tenant, and by memory.
 *
 * Blocks that have files give their memory back first: they are still there, and are read from the file.  So is what is
 * live, when it can be sealed into a file: it must not be lost while what is older stays.
 *
 * Other memory is given back in buckets, the oldest first, and fairly: whoever holds most gives first, and nobody has to give
 * to one who holds more than himself.  So a tenant that pushes twenty times as much as the others loses its own past.
 *
 * A bucket that has grown large gets no more: the next batch opens a new generation of its span, so that nobody has to
 * give much at once, and there is nearly always something older to give (docs/decisions/043-generations.md).
 *
 * Dropping begins an eighth below the limit.  Between the two there is room for buckets that were dropped and are still
 * being read; only when queries hold more than that is a batch refused that would otherwise fit.
 */
#include <assert.h>

#include "base/clock.h"
#include "index/block.h"
#include "shard/shard_priv.h"
#include "shard/store.h"

/* What is in sight and what it will be: without what is only pinned. */
static size_t used_in_sight(const struct shard *s)
{
    const struct directory_sums *sums = directory_sums(s->directory);

    return sums->bucket_bytes + sums->own_bytes + dedup_bytes(s->dedup);
}

/*
 * How large a generation grows.  Each learns symbols and stacks again, so as large as may be
 * (docs/decisions/043-generations.md):
 *
 *     an eighth of the limit      what lies between the two marks: queries may hold one that was dropped
 *     a third of its tenant's     so that one of many tenants does not lose most of what it has at once; only when a
 *                                 quarter of the memory is full, since before nobody has to give soon
 *     1 GiB                       far from where 32-bit ids end
 *     not below 256 KiB           there it is mostly tables and first symbols
 *     what is sealed at once      where there is a store
 */
#define GENERATION_MIN ((size_t)256 << 10)
#define GENERATION_MAX ((size_t)1 << 30)

static size_t lesser(size_t a, size_t b) { return a < b ? a : b; }
static size_t greater(size_t a, size_t b) { return a > b ? a : b; }

/* From here on the next batch opens a new one. */
static size_t generation_bytes(const struct shard *s, const struct tenant *t)
{
    size_t limit = s->config.limit_bytes, bytes = lesser(limit / 8, GENERATION_MAX);

    if (limit == SIZE_MAX)
        return seal_bytes(s); /* nothing will ever be given back */
    if (used_in_sight(s) > limit / 4)
        bytes = lesser(bytes, tenant_bytes(t) / 3);
    return lesser(greater(bytes, GENERATION_MIN), seal_bytes(s));
}

struct bucket *retain_target(struct shard *s, struct slice tenant, int64_t start_ns, bool is_logged)
{
    struct tenant *t = directory_tenant(s->directory, tenant);
    struct held   *h = t ? tenant_held(t, start_ns) : NULL;

    if (h == NULL || h->state != HELD_LIVE || (h->oldest_seq != 0) != is_logged)
        return NULL;
    return h->bytes < generation_bytes(s, t) ? h->bucket : NULL;
}

/*
 * What is incomplete from now on: for memory, up to the newest profile that went, as the rest of the span is still
 * there; by time the whole span, which takes no profiles any more.
 */
static int64_t incomplete_until(const struct held *h, enum drop_reason reason)
{
    return reason == DROP_MEMORY ? bucket_stats(h->bucket).newest_ns + 1 : h->end_ns;
}

static void drop(struct shard *s, struct tenant *t, size_t i, enum drop_reason reason)
{
    size_t             n;
    const struct held *h = tenant_row(t, &n) + i;
    int64_t            since_ns = incomplete_until(h, reason), bytes = (int64_t)h->bytes;

    if (since_ns > s->data_since_ns)
        s->data_since_ns = since_ns;
    s->dropped_buckets++;
    s->dropped_bytes += bytes;
    metric_add(s->metrics.dropped_buckets[reason], 1);
    metric_add(s->metrics.dropped_bytes[reason], bytes);
    if (h->file != 0) {
        s->n_demotable -= block_is_demotable(h->bucket);
        store_remove(s->config.store, h->bucket, h->file);
    }
    directory_drop(s->directory, t, i);
}

struct retention retain_rule(const struct shard *s, struct slice tenant)
{
    const struct shard_config *c = &s->config;

    return c->retention_of ? c->retention_of(c->retention_arg, tenant)
                           : (struct retention){ c->retention_ns, c->retention_bytes };
}

/*
 * Drops a tenant's buckets that are older than its retention, and with the last one the tenant.  What is late waits for the merged
 * one that lies before it, so there is never a gap.
 */
static void drop_older(struct shard *s, struct tenant *t, int64_t now_ns, int64_t age_ns)
{
    size_t  n;
    int64_t oldest_ns;

    if (age_ns == INT64_MAX || __builtin_sub_overflow(now_ns, age_ns, &oldest_ns))
        return;
    do {
        if (tenant_row(t, &n)->end_ns > oldest_ns)
            return;
        drop(s, t, 0, DROP_RETENTION);
    } while (n > 1);
}

/* Wherever they are. */
static size_t held_bytes(const struct held *h)
{
    return bucket_is_sealed(h->bucket) ? block_image(h->bucket).n : h->bytes;
}

/* Drops a tenant's oldest buckets, but never the newest, until it has no more than `bytes`. */
static void drop_beyond(struct shard *s, struct tenant *t, size_t bytes)
{
    size_t             n, sum = 0;
    const struct held *row = tenant_row(t, &n);

    if (bytes == 0)
        return;
    for (size_t i = 0; i < n; i++)
        sum += held_bytes(&row[i]);
    for (; n > 1 && sum > bytes; row = tenant_row(t, &n)) {
        sum -= held_bytes(&row[0]);
        drop(s, t, 0, DROP_RETENTION);
    }
}

void retain_by_rule(struct shard *s, int64_t now_ns)
{
    if (now_ns < s->next_retention_ns)
        return;
    s->next_retention_ns = now_ns + NS_PER_S;
    for (struct tenant *t = directory_next(s->directory, NULL), *next; t != NULL; t = next) {
        struct retention rule = retain_rule(s, tenant_name(t));
        next = directory_next(s->directory, t); /* t may go */
        drop_beyond(s, t, rule.bytes);
        drop_older(s, t, now_ns, rule.age_ns);
    }
}

static bool is_demoted(const struct held *h) { return h->file != 0 && !block_is_demotable(h->bucket); }

/*
 * The oldest bucket of `t` but the one to be kept and those that take no memory.  False: none, or it is being sealed: nothing
 * newer goes before it.
 */
static bool oldest_but(const struct tenant *t, const struct bucket *keep, size_t *i)
{
    size_t             n;
    const struct held *row = tenant_row(t, &n);

    for (*i = 0; *i < n; ++*i)
        if (row[*i].bucket != keep && !is_demoted(&row[*i]))
            return row[*i].state != HELD_SEALING && !row[*i].is_merging;
    return false;
}

static bool demote_of(struct shard *s, struct tenant *t)
{
    size_t       n;
    struct held *row = tenant_row(t, &n);

    for (size_t i = 0; i < n; i++)
        if (row[i].file != 0 && block_is_demotable(row[i].bucket)) {
            block_demote(row[i].bucket);
            directory_weigh_less(s->directory, t, &row[i]);
            s->n_demotable--;
            metric_add(s->metrics.demoted, 1);
            return true;
        }
    return false;
}

/* Leaves a block to its file, the oldest of whoever holds most, or else of anybody; false: there is none in memory. */
static bool demote_one(struct shard *s)
{
    struct tenant *t = s->n_demotable > 0 ? directory_richest(s->directory) : NULL;

    if (t == NULL || demote_of(s, t))
        return t != NULL;
    for (t = directory_next(s->directory, NULL); t != NULL && !demote_of(s, t);)
        t = directory_next(s->directory, t);
    assert(t != NULL);
    return true;
}

/*
 * Who has to give: whoever holds most, unless the tenant that asks would then hold more than he; then the asking one
 * himself.  NULL: that one has nothing to give but the bucket to be kept.
 */
static struct tenant *giver(struct shard *s, struct slice tenant, const struct bucket *keep, size_t grows, size_t *i)
{
    struct tenant *self = directory_tenant(s->directory, tenant), *richest = directory_richest(s->directory);
    size_t         after = (self ? tenant_bytes(self) : 0) + grows;
    struct tenant *t = richest != NULL && richest != self && tenant_bytes(richest) >= after ? richest : self;

    return t != NULL && oldest_but(t, keep, i) ? t : NULL;
}

/*
 * The i-th bucket gives its memory back.  What is live and can have a file is not lost for it: it is sealed before its time,
 * and false says that its memory comes by and by.
 */
static bool give(struct shard *s, struct tenant *t, size_t i)
{
    size_t       n;
    struct held *h = tenant_row(t, &n) + i;

    if (h->state < HELD_SEALING && seal_has_files(s)) {
        if (!h->is_pending)
            seal_early(s, h);
        return false;
    }
    drop(s, t, i, DROP_MEMORY);
    return true;
}

static bool fits(size_t used, size_t grows, size_t limit) { return used <= limit && grows <= limit - used; }

/* Where making room begins. */
static size_t begin(size_t limit) { return limit - limit / 8; }

static size_t cost_roughly(const struct batch *b, const struct bucket *into)
{
    return bucket_cost_roughly(into, b) + (into ? 0 : directory_growth(b->tenant));
}

/* Where `grows` more bytes in `into` do not fit, drops what may fairly be dropped. */
static void drop_for(struct shard *s, struct slice tenant, const struct bucket *into, size_t grows)
{
    size_t         limit = s->config.limit_bytes, i;
    struct tenant *t;

    if (grows > limit || fits(shard_used(s), grows, begin(limit)))
        return; /* what cannot fit pushes nobody out */
    while (!fits(used_in_sight(s), grows, begin(limit)) && demote_one(s))
        continue;
    while (!fits(used_in_sight(s), grows, begin(limit)) && (t = giver(s, tenant, into, grows, &i)) != NULL &&
           give(s, t, i))
        continue;
    epoch_poll(s->epoch);
}

/* The bytes by which the shard grows with `b` in `into`, for which room was made as far as may be. */
static size_t make_room(struct shard *s, const struct batch *b, const struct bucket *into)
{
    size_t grows = bucket_cost_max(into, b) + (into ? 0 : directory_growth(b->tenant));

    drop_for(s, b->tenant, into, grows);
    return grows;
}

bool retain_redo_room(struct shard *s, struct slice tenant, struct slice redo, const struct bucket *into)
{
    size_t limit = s->config.limit_bytes, grows;

    if (limit == SIZE_MAX)
        return true;
    grows = bucket_redo_cost(into, tenant, redo) + (into ? 0 : directory_growth(tenant));
    if (!seal_has_files(s))
        drop_for(s, tenant, into, grows);
    while (!fits(used_in_sight(s), grows, begin(limit)) && demote_one(s))
        continue;
    return fits(used_in_sight(s), grows, limit);
}

void retain_drop(struct shard *s, struct tenant *t, size_t i) { drop(s, t, i, DROP_MEMORY); }

enum code retain_room(struct shard *s, const struct batch *b, struct bucket **into, struct fault *why)
{
    size_t limit = s->config.limit_bytes, grows;

    if (limit == SIZE_MAX || fits(shard_used(s), cost_roughly(b, *into), begin(limit)))
        return CODE_OK;
    grows = make_room(s, b, *into);
    if (*into != NULL && !fits(used_in_sight(s), grows, limit)) {
        *into = NULL;
        grows = make_room(s, b, NULL);
    }
    if (fits(shard_used(s), grows, limit))
        return CODE_OK;
    if (fits(used_in_sight(s), grows, limit))
        return fail(why, CODE_RESOURCE_EXHAUSTED,
                    "shard %s: memory limit of %zu bytes: running queries and the store still hold %zu bytes that were let go",
                    s->config.name, limit, shard_used(s) - used_in_sight(s));
    return fail(
        why, CODE_RESOURCE_EXHAUSTED,
        "shard %s: memory limit of %zu bytes: %zu in use, %zu more needed, and tenant %.*s has no older data to give now%s",
        s->config.name, limit, used_in_sight(s), grows, SLICE_ARGS(b->tenant),
        s->config.store == NULL || store_is_idle(s->config.store) ? "" : ": it is being sealed, try again");
}
