#include "shard/shard.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/block.h"
#include "index/bucket.h"
#include "index/select.h"
#include "shard/shard_priv.h"

#define SPAN_NS (600 * NS_PER_S)
#define DEDUP_SHARE 16 /* of the limit, at most, goes to keys */

struct shard *shard_new(const struct shard_config *config)
{
    struct shard *s = mem_zalloc(sizeof *s);

    s->config = *config;
    s->config.name = strdup(config->name);
    if (s->config.name == NULL)
        abort();
    if (s->config.span_ns == 0)
        s->config.span_ns = SPAN_NS;
    assert(s->config.span_ns > 0 && (s->config.retention_of != NULL || s->config.retention_ns > 0));
    s->epoch = epoch_new();
    s->directory = directory_new(s->epoch);
    s->dedup = dedup_new(s->config.limit_bytes / DEDUP_SHARE, s->config.seed);
    s->data_since_ns = INT64_MIN; /* nobody has told the time yet */
    stats_open(s);
    return s;
}

void shard_free(struct shard *s)
{
    assert(s->pending.n_buckets == 0);
    free(s->pending.buckets);
    free(s->pending.keys);
    directory_free(s->directory);
    dedup_free(s->dedup);
    epoch_free(s->epoch);
    assert(atomic_load(&s->meter) == 0); /* somebody still has a bucket pinned */
    free((char *)s->config.name);
    free(s);
}

const char *shard_name(const struct shard *s) { return s->config.name; }

size_t shard_used(const struct shard *s)
{
    return atomic_load_explicit(&s->meter, memory_order_relaxed) + directory_sums(s->directory)->own_bytes +
           dedup_bytes(s->dedup);
}

bool shard_span_start(const struct shard *s, int64_t time_ns, int64_t *start_ns)
{
    int64_t into = time_ns % s->config.span_ns;

    if (into < 0)
        into += s->config.span_ns;
    return !__builtin_sub_overflow(time_ns, into, start_ns) && *start_ns <= INT64_MAX - s->config.span_ns;
}

static bool is_too_old(const struct shard *s, int64_t start_ns, int64_t now_ns, int64_t age_ns)
{
    int64_t oldest;

    return age_ns != INT64_MAX && !__builtin_sub_overflow(now_ns, age_ns, &oldest) &&
           start_ns + s->config.span_ns <= oldest;
}

/* A new bucket is in the directory only when it has taken the batch. */
static enum code take_new(struct shard *s, const struct append *a, int64_t start_ns, struct buf *redo,
                          struct fault *why)
{
    const struct batch *b = a->batch;
    struct bucket      *fresh = bucket_new(b->tenant, start_ns, start_ns + s->config.span_ns, &s->meter);
    enum code           code = bucket_take(fresh, b, redo, why);

    if (code == CODE_OK)
        directory_add(s->directory, b->tenant, start_ns, fresh)->oldest_seq = a->seq;
    else
        bucket_unref(fresh);
    return code;
}

/* After an append: what the batch's bucket holds now, and which part of the log it needs. */
static void account(struct shard *s, struct append *a, int64_t start_ns, int64_t now_ns)
{
    struct tenant *t = directory_tenant(s->directory, a->batch->tenant);
    struct held   *h = tenant_held(t, start_ns);

    bucket_know(h->bucket, a->batch->key, now_ns);
    directory_weigh(s->directory, t, h);
    h->touched_ns = now_ns;
    pending_add(s, h, a->seq);
    a->start_ns = start_ns;
    a->generation = h->oldest_seq == a->seq ? 0 : h->oldest_seq;
}

static enum code take_batch(struct shard *s, struct append *a, int64_t now_ns, struct buf *redo, struct fault *why)
{
    const struct batch *b = a->batch;
    int64_t             start_ns, age_ns = retain_rule(s, b->tenant).age_ns;

    if (!shard_span_start(s, b->time_ns, &start_ns))
        return fail(why, CODE_INVALID_ARGUMENT, "profile time %lld ns is out of range", (long long)b->time_ns);
    if (is_too_old(s, start_ns, now_ns, age_ns))
        return fail(why, CODE_INVALID_ARGUMENT, "profile time %lld ns is older than the retention of %lld s",
                    (long long)b->time_ns, (long long)(age_ns / NS_PER_S));

    struct bucket *into = retain_target(s, b->tenant, start_ns, a->seq != 0);
    enum code      code = retain_room(s, b, &into, why);
    if (code == CODE_OK)
        code = into != NULL ? bucket_take(into, b, redo, why) : take_new(s, a, start_ns, redo, why);
    if (code == CODE_OK)
        account(s, a, start_ns, now_ns);
    return code;
}

/* Once: a key that is known is a profile that was taken before. */
static enum code take_once(struct shard *s, struct append *a, int64_t now_ns, struct buf *redo)
{
    struct hash128 key = a->batch->key;
    uint64_t       seq = a->seq;

    a->seq = 0;
    if (dedup_has(s->dedup, key)) {
        metric_add(s->metrics.duplicates, 1);
        return CODE_OK;
    }
    if (a->batch->n_rows > 0) { /* else there is nothing in it to keep */
        a->seq = seq;
        enum code code = take_batch(s, a, now_ns, seq != 0 ? redo : NULL, &a->why);
        if (code != CODE_OK)
            return a->seq = 0, code;
        if (seq != 0)
            pending_key(s, key);
    }
    dedup_add(s->dedup, key, now_ns);
    metric_add(s->metrics.appended, 1);
    return CODE_OK;
}

void shard_warm(const struct shard *s, const struct batch *b)
{
    const struct tenant *t = directory_tenant(s->directory, b->tenant);
    int64_t              start_ns;
    const struct held   *h = t && shard_span_start(s, b->time_ns, &start_ns) ? tenant_held(t, start_ns) : NULL;

    dedup_warm(s->dedup, b->key);
    if (h != NULL)
        bucket_warm(h->bucket, b);
}

void shard_take(struct shard *s, struct append *a, int64_t now_ns, struct buf *redo)
{
    a->code = take_once(s, a, now_ns, redo);
    metric_add(s->metrics.refused, a->code != CODE_OK);
}

uint64_t shard_oldest_seq(const struct shard *s)
{
    uint64_t oldest = UINT64_MAX;
    size_t   n;

    for (struct tenant *t = directory_next(s->directory, NULL); t != NULL; t = directory_next(s->directory, t)) {
        const struct held *row = tenant_row(t, &n);
        for (size_t i = 0; i < n; i++)
            if (row[i].file == 0 && row[i].oldest_seq != 0 && row[i].oldest_seq < oldest)
                oldest = row[i].oldest_seq;
    }
    return oldest;
}

uint64_t shard_newest_seq(const struct shard *s)
{
    uint64_t newest = 0;
    size_t   n;

    for (struct tenant *t = directory_next(s->directory, NULL); t != NULL; t = directory_next(s->directory, t)) {
        const struct held *row = tenant_row(t, &n);
        for (size_t i = 0; i < n; i++)
            newest = row[i].newest_seq > newest ? row[i].newest_seq : newest;
    }
    return newest;
}

void shard_tick(struct shard *s, int64_t now_ns)
{
    if (s->data_since_ns == INT64_MIN)
        s->data_since_ns = now_ns;
    seal_swap(s);
    retain_by_rule(s, now_ns);
}

void shard_step(struct shard *s, struct append *const *appends, size_t n, int64_t now_ns)
{
    shard_tick(s, now_ns);
    for (size_t i = 0; i < n; i++)
        shard_take(s, appends[i], now_ns, NULL);
    shard_publish(s, now_ns);
}

/* Takes a reference on each bucket in the range, at most `room`; returns how many there are. */
static size_t pin_some(struct shard *s, struct slice tenant, int64_t start_ns, int64_t end_ns, struct bucket **out,
                       size_t room)
{
    size_t             n, found = 0;
    const struct held *at = directory_look(s->directory, tenant, &n);

    for (size_t i = 0; i < n && at[i].start_ns <= end_ns; i++) {
        if (at[i].end_ns <= start_ns)
            continue;
        if (found < room) {
            bucket_ref(at[i].bucket);
            out[found] = at[i].bucket;
        }
        found++;
    }
    return found;
}

struct pin shard_pin(struct shard *s, struct slice tenant, int64_t start_ns, int64_t end_ns)
{
    struct epoch_reader *r = epoch_reader_take(s->epoch);
    struct pin           p = { 0 };
    size_t               room = 64;

    for (;;) {
        p.buckets = mem_alloc(room * sizeof *p.buckets); /* never inside the section: E3 */
        epoch_enter(r);
        p.n = pin_some(s, tenant, start_ns, end_ns, p.buckets, room);
        epoch_leave(r);
        if (p.n <= room)
            break;
        size_t more = p.n + 16;
        p.n = room;
        shard_unpin(&p);
        room = more;
    }
    epoch_reader_give(s->epoch, r);
    metric_add(s->metrics.visited, (int64_t)p.n);
    atomic_fetch_add_explicit(&s->visited, (int64_t)p.n, memory_order_relaxed);
    return p;
}

static uint64_t add_saturating(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

uint64_t shard_effort(struct shard *s, struct slice tenant, int64_t start_ns, int64_t end_ns)
{
    struct epoch_reader *r = epoch_reader_take(s->epoch);
    uint64_t             sum = 0;
    size_t               n;

    epoch_enter(r);
    const struct held *at = directory_look(s->directory, tenant, &n);
    for (size_t i = 0; i < n && at[i].start_ns <= end_ns; i++)
        if (at[i].end_ns > start_ns)
            sum = add_saturating(sum, select_effort(at[i].bucket, start_ns, end_ns));
    epoch_leave(r);
    epoch_reader_give(s->epoch, r);
    return sum;
}

void shard_unpin(struct pin *p)
{
    for (size_t i = 0; i < p->n; i++)
        bucket_unref(p->buckets[i]);
    free(p->buckets);
    *p = (struct pin){ 0 };
}

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }

bool shard_span(struct shard *s, struct slice tenant, int64_t *oldest_ns, int64_t *newest_ns)
{
    struct epoch_reader *r = epoch_reader_take(s->epoch);
    size_t               n;

    epoch_enter(r);
    const struct held *at = directory_look(s->directory, tenant, &n);
    *oldest_ns = INT64_MAX;
    *newest_ns = INT64_MIN;
    for (size_t i = 0; i < n; i++) { /* a later generation may have earlier times, and one that nobody sees yet none */
        struct bucket_stats is = bucket_stats(at[i].bucket);
        *oldest_ns = lesser(*oldest_ns, is.oldest_ns);
        *newest_ns = greater(*newest_ns, is.newest_ns);
    }
    epoch_leave(r);
    epoch_reader_give(s->epoch, r);
    return *oldest_ns <= *newest_ns;
}
