/* A record of the log comes back: into the bucket that it names, or nowhere. */
#include <unistd.h>

#include "base/clock.h"
#include "index/block.h"
#include "index/bucket.h"
#include "shard/maker.h"
#include "shard/record.h"
#include "shard/shard_priv.h"
#include "shard/store.h"

#define NOW_MAX_NS (INT64_MAX / 2) /* the year 2116: differences of times are times */

/* One that was dropped meanwhile goes with its last reference. */
static void made(struct shard *s, struct bucket *b)
{
    struct tenant *t;
    size_t         i;
    struct held   *h = directory_find(s->directory, b, &t, &i);

    if (h != NULL) {
        h->is_making = false;
        bucket_publish(b);
        directory_weigh(s->directory, t, h);
        seal_full(s, h);
    }
    bucket_unref(b);
}

bool redo_settle(struct shard *s, bool is_waiting)
{
    bool           any = false;
    struct bucket *b;

    while (s->maker != NULL && (b = maker_take(s->maker, is_waiting)) != NULL) {
        made(s, b);
        any = true;
    }
    return any;
}

/* Room for a redo, also by sealing what is complete and waiting for it; false: there is none. */
static bool make_room(struct shard *s, const struct record *r, struct bucket *into)
{
    while (!retain_redo_room(s, r->tenant, r->redo, into)) {
        if (redo_settle(s, true))
            continue;
        if (!seal_has_files(s))
            return false;
        seal_complete(s);
        if (store_is_idle(s->config.store))
            return false;
        usleep(1000);
        seal_swap(s);
        epoch_poll(s->epoch);
    }
    return true;
}

/* What does not fit is lost only where nothing is in files: there memory is all that is promised. */
static enum code no_room(struct shard *s, struct fault *why)
{
    if (seal_has_files(s))
        return fail(
            why, CODE_RESOURCE_EXHAUSTED,
            "shard %s: the log holds more that cannot be sealed yet than fits into %zu bytes of memory, of which "
            "%zu are in use; start with a larger memory limit",
            s->config.name, s->config.limit_bytes, shard_used(s));
    metric_add(s->metrics.refused, 1);
    return CODE_OK;
}

static bool is_generation(const struct held *h, const struct record *r, uint64_t generation)
{
    return (h->start_ns == r->start_ns && h->oldest_seq == generation) ||
           (h->start_ns <= r->start_ns && r->start_ns < h->end_ns && merge_has(h, generation));
}

/* The bucket of the log that a generation is, or was merged into; NULL: it is not there. */
static struct held *held_of(struct shard *s, const struct record *r, uint64_t generation, size_t *i)
{
    struct tenant *t = directory_tenant(s->directory, r->tenant);
    size_t         n = 0;
    struct held   *row = t ? tenant_row(t, &n) : NULL;

    for (*i = n; *i > 0; --*i)
        if (is_generation(&row[*i - 1], r, generation))
            return &row[--*i];
    return NULL;
}

static enum code redo_new(struct shard *s, const struct record *r, struct held **h, uint64_t seq, struct fault *why)
{
    if (!make_room(s, r, NULL))
        return no_room(s, why);
    struct bucket *b = bucket_new(r->tenant, r->start_ns, r->start_ns + s->config.span_ns, &s->meter);
    enum code      code = bucket_redo(b, r->redo, why);
    if (code != CODE_OK)
        return bucket_unref(b), code;
    *h = directory_add(s->directory, r->tenant, r->start_ns, b);
    (*h)->oldest_seq = seq;
    return CODE_OK;
}

static enum code redo_more(struct shard *s, const struct record *r, struct held **h, struct fault *why)
{
    size_t i;

    if ((*h)->state != HELD_LIVE)
        return fail(why, CODE_DATA_LOSS, "its bucket was complete");
    bool has_room = make_room(s, r, (*h)->bucket);
    *h = held_of(s, r, r->generation, &i); /* others before it may be gone */
    if (has_room)
        return bucket_redo((*h)->bucket, r->redo, why);
    *h = NULL;
    if (!seal_has_files(s))
        retain_drop(s, directory_tenant(s->directory, r->tenant), i); /* as live */
    return no_room(s, why);
}

/*
 * The log has all of a bucket's records, and more of them than its block: that was set aside, the bucket went on, and the block was
 * put back.  Or those behind it are of a write that failed.  Either way the log alone has it whole, so the block goes.
 */
static bool is_outgrown(const struct held *h, const struct record *r, uint64_t last_seq)
{
    return r->generation == 0 && h->file != 0 && block_origin(h->bucket).sources.n == 0 && last_seq > h->newest_seq;
}

static void drop_outgrown(struct shard *s, const struct record *r, const struct held *h, size_t i)
{
    store_remove(s->config.store, h->bucket, h->file);
    directory_drop(s->directory, directory_tenant(s->directory, r->tenant), i);
}

static enum code redo_record(struct shard *s, const struct record *r, struct held **h, uint64_t seq, uint64_t last_seq,
                             struct fault *why)
{
    size_t  i;
    int64_t start_ns;

    *h = NULL;
    if (!shard_span_start(s, r->start_ns, &start_ns) || start_ns != r->start_ns)
        return fail(why, CODE_DATA_LOSS, "its span begins at %lld ns, where none does", (long long)r->start_ns);
    *h = held_of(s, r, r->generation ? r->generation : seq, &i);
    if (*h != NULL && is_outgrown(*h, r, last_seq)) {
        drop_outgrown(s, r, *h, i);
        *h = NULL;
    } else if (*h != NULL && (*h)->file != 0) {
        *h = NULL; /* a block has it */
        return CODE_OK;
    }
    if (r->generation == 0)
        return redo_new(s, r, h, seq, why);
    return *h != NULL ? redo_more(s, r, h, why) : CODE_OK;
}

/* The log has no more of it.  What takes long is made on another thread, and seen when it comes back from there. */
static enum code complete(struct shard *s, struct held *h, uint64_t seq, struct fault *why)
{
    redo_settle(s, false);
    h->is_making = s->maker != NULL && maker_give(s->maker, h->bucket, seq);
    if (h->is_making)
        return CODE_OK;
    enum code code = bucket_redone(h->bucket, why);
    if (code == CODE_OK)
        bucket_publish(h->bucket);
    return code;
}

enum code shard_redo(struct shard *s, const struct record *r, uint64_t seq, uint64_t last_seq, int64_t now_ns,
                     struct fault *why)
{
    struct held *h;

    if (now_ns < 0 || now_ns > NOW_MAX_NS)
        return fail(why, CODE_DATA_LOSS, "it was taken at %lld ns, which is no time", (long long)now_ns);
    enum code code = redo_record(s, r, &h, seq, last_seq, why);
    if (code != CODE_OK)
        return code;
    if (!dedup_has(s->dedup, r->key))
        dedup_add(s->dedup, r->key, now_ns);
    if (h == NULL)
        return CODE_OK;
    if (r->generation == 0)
        h->until_seq = last_seq;
    h->touched_ns = now_ns;
    h->newest_seq = h->pending_seq = seq;
    bucket_know(h->bucket, r->key, now_ns);
    if (seq == h->until_seq && (code = complete(s, h, seq, why)) != CODE_OK)
        return code;
    directory_weigh(s->directory, directory_tenant(s->directory, r->tenant), h);
    metric_add(s->metrics.appended, 1);
    if (seq == h->until_seq && !h->is_making)
        seal_full(s, h);
    return CODE_OK;
}
