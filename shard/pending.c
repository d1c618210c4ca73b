/* What was taken and not yet published: shown, or never. */
#include <assert.h>

#include "base/mem.h"
#include "index/bucket.h"
#include "shard/shard_priv.h"

void pending_add(struct shard *s, struct held *h, uint64_t seq)
{
    struct pending *p = &s->pending;

    h->pending_seq = seq;
    if (h->is_pending)
        return;
    h->is_pending = true;
    if (p->n_buckets == p->buckets_cap)
        p->buckets = mem_resize(p->buckets, (p->buckets_cap = p->buckets_cap * 2 + 16) * sizeof(struct bucket *));
    bucket_ref(h->bucket); /* memory may be short before the end of the step */
    p->buckets[p->n_buckets++] = h->bucket;
}

void pending_key(struct shard *s, struct hash128 key)
{
    struct pending *p = &s->pending;

    if (p->n_keys == p->keys_cap)
        p->keys = mem_resize(p->keys, (p->keys_cap = p->keys_cap * 2 + 16) * sizeof(struct hash128));
    p->keys[p->n_keys++] = key;
}

static void show(struct shard *s, struct bucket *b)
{
    struct tenant *t;
    size_t         i;
    struct held   *h = directory_find(s->directory, b, &t, &i);

    bucket_publish(b);
    if (h == NULL)
        return;
    h->is_pending = false;
    h->newest_seq = h->pending_seq;
    directory_weigh(s->directory, t, h);
    seal_full(s, h);
}

/* A bucket of the log whose last records are void: nothing follows them, and one that has no others goes. */
static void hide(struct shard *s, struct bucket *b)
{
    struct tenant *t;
    size_t         i;
    struct held   *h = directory_find(s->directory, b, &t, &i);

    if (h == NULL)
        return;
    h->is_pending = false;
    held_close(h);
    if (bucket_stats(b).profiles == 0)
        directory_drop(s->directory, t, i);
}

static bool is_logged(struct shard *s, const struct bucket *b)
{
    struct tenant *t;
    size_t         i;
    struct held   *h = directory_find(s->directory, b, &t, &i);

    return h == NULL || h->oldest_seq != 0;
}

static void settle(struct shard *s, int64_t now_ns)
{
    for (size_t i = 0; i < s->pending.n_buckets; i++)
        bucket_unref(s->pending.buckets[i]);
    s->pending.n_buckets = s->pending.n_keys = 0;
    seal_pick(s, now_ns);
    merge_pick(s, now_ns);
    epoch_poll(s->epoch);
    stats_show(s);
}

void shard_publish(struct shard *s, int64_t now_ns)
{
    for (size_t i = 0; i < s->pending.n_buckets; i++)
        show(s, s->pending.buckets[i]);
    settle(s, now_ns);
}

void shard_abandon(struct shard *s, int64_t now_ns)
{
    for (size_t i = 0; i < s->pending.n_keys; i++)
        dedup_forget(s->dedup, s->pending.keys[i]);
    for (size_t i = 0; i < s->pending.n_buckets; i++)
        if (is_logged(s, s->pending.buckets[i]))
            hide(s, s->pending.buckets[i]);
        else
            show(s, s->pending.buckets[i]);
    shard_break(s);
    settle(s, now_ns);
}

void shard_break(struct shard *s)
{
    size_t n;

    for (struct tenant *t = directory_next(s->directory, NULL); t != NULL; t = directory_next(s->directory, t)) {
        struct held *row = tenant_row(t, &n);
        for (size_t i = 0; i < n; i++)
            if (row[i].oldest_seq != 0)
                held_close(&row[i]);
    }
}
