/* A record of the log comes back: into the bucket that it names, or nowhere. */
#include <unistd.h>

#include "base/clock.h"
#include "index/bucket.h"
#include "shard/record.h"
#include "shard/shard_priv.h"
#include "shard/store.h"

/* Room for a redo, also by waiting for what is being sealed. */
static bool make_room(struct shard *s, const struct record *r, struct bucket *into)
{
    while (!retain_redo_room(s, r->tenant, r->redo, into)) {
        if (s->config.store == NULL || store_is_idle(s->config.store))
            return false;
        usleep(1000);
        seal_swap(s);
        epoch_poll(s->epoch);
    }
    return true;
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
    struct tenant *t = directory_tenant(s->directory, r->tenant);
    struct held   *before = t ? tenant_held(t, r->start_ns) : NULL;

    if (before != NULL)
        seal_full(s, before); /* complete, now that another follows it */
    if (!make_room(s, r, NULL)) {
        metric_add(s->metrics.refused, 1);
        return CODE_OK;
    }
    struct bucket *b = bucket_new(r->tenant, r->start_ns, r->start_ns + s->config.span_ns, &s->meter);
    enum code      code = bucket_redo(b, r->redo, why);
    if (code != CODE_OK)
        return bucket_unref(b), code;
    *h = directory_add(s->directory, r->tenant, r->start_ns, b);
    (*h)->oldest_seq = seq;
    return CODE_OK;
}

/* One that does not fit beside the bucket it belongs to lets that go, as live (shard/retain.c). */
static enum code redo_more(struct shard *s, const struct record *r, struct held **h, struct fault *why)
{
    size_t i;

    if ((*h)->is_closed)
        return fail(why, CODE_DATA_LOSS, "its bucket was complete when another followed it");
    if (make_room(s, r, (*h)->bucket)) {
        *h = held_of(s, r, r->generation, &i); /* others before it may be gone */
        return bucket_redo((*h)->bucket, r->redo, why);
    }
    *h = held_of(s, r, r->generation, &i);
    retain_drop(s, directory_tenant(s->directory, r->tenant), i);
    *h = NULL;
    return CODE_OK;
}

static enum code redo_record(struct shard *s, const struct record *r, struct held **h, uint64_t seq, struct fault *why)
{
    size_t  i;
    int64_t start_ns;

    *h = NULL;
    if (!shard_span_start(s, r->start_ns, &start_ns) || start_ns != r->start_ns)
        return fail(why, CODE_DATA_LOSS, "its span begins at %lld ns, where none does", (long long)r->start_ns);
    *h = held_of(s, r, r->generation ? r->generation : seq, &i);
    if (*h != NULL && (*h)->file != 0) {
        *h = NULL; /* a block has it */
        return CODE_OK;
    }
    if (r->generation == 0)
        return redo_new(s, r, h, seq, why);
    return *h != NULL ? redo_more(s, r, h, why) : CODE_OK;
}

enum code shard_redo(struct shard *s, const struct record *r, uint64_t seq, int64_t now_ns, struct fault *why)
{
    struct held *h;
    enum code    code = redo_record(s, r, &h, seq, why);

    if (code != CODE_OK)
        return code;
    if (!dedup_has(s->dedup, r->key))
        dedup_add(s->dedup, r->key, now_ns);
    if (h == NULL)
        return CODE_OK;
    h->touched_ns = now_ns;
    h->newest_seq = h->pending_seq = seq;
    bucket_know(h->bucket, r->key, now_ns);
    bucket_publish(h->bucket);
    directory_weigh(s->directory, directory_tenant(s->directory, r->tenant), h);
    metric_add(s->metrics.appended, 1);
    return CODE_OK;
}
