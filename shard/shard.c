#include "shard/shard.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/block.h"
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
    assert(s->config.span_ns > 0 && s->config.retention_ns > 0);
    s->epoch = epoch_new();
    s->directory = directory_new(s->epoch);
    s->dedup = dedup_new(s->config.limit_bytes / DEDUP_SHARE, s->config.seed);
    s->data_since_ns = INT64_MIN; /* nobody has told the time yet */
    stats_open(s);
    return s;
}

void shard_free(struct shard *s)
{
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

/* The start of the span that a time lies in; false: so far out that the span has no end. */
static bool span_start(int64_t time_ns, int64_t span_ns, int64_t *start_ns)
{
    int64_t into = time_ns % span_ns;

    if (into < 0)
        into += span_ns;
    return !__builtin_sub_overflow(time_ns, into, start_ns) && *start_ns <= INT64_MAX - span_ns;
}

static bool is_too_old(const struct shard *s, int64_t start_ns, int64_t now_ns)
{
    int64_t oldest;

    return s->config.retention_ns != INT64_MAX && !__builtin_sub_overflow(now_ns, s->config.retention_ns, &oldest) &&
           start_ns + s->config.span_ns <= oldest;
}

/* A new bucket is seen by nobody before the append has succeeded. */
static enum code append_new(struct shard *s, const struct batch *b, int64_t start_ns, struct fault *why)
{
    struct bucket *fresh = bucket_new(b->tenant, start_ns, start_ns + s->config.span_ns, &s->meter);
    enum code      code = bucket_append(fresh, b, why);

    if (code == CODE_OK)
        directory_add(s->directory, b->tenant, start_ns, fresh);
    else
        bucket_unref(fresh);
    return code;
}

/* After an append: what the batch's bucket holds now, and which part of the log it needs. */
static void account(struct shard *s, const struct append *a, int64_t start_ns, int64_t now_ns)
{
    struct tenant *t = directory_tenant(s->directory, a->batch->tenant);
    struct held   *h = tenant_held(t, start_ns);

    directory_weigh(s->directory, t, h);
    if (a->seq != 0 && (h->oldest_seq == 0 || a->seq < h->oldest_seq))
        h->oldest_seq = a->seq;
    if (a->seq > h->newest_seq)
        h->newest_seq = a->seq;
    h->touched_ns = now_ns;
    seal_full(s, h);
}

static enum code append_batch(struct shard *s, const struct append *a, int64_t now_ns, struct fault *why)
{
    const struct batch *b = a->batch;
    int64_t             start_ns;

    if (b->n_rows == 0)
        return CODE_OK; /* nothing in it to keep */
    if (!span_start(b->time_ns, s->config.span_ns, &start_ns))
        return fail(why, CODE_INVALID_ARGUMENT, "profile time %lld ns is out of range", (long long)b->time_ns);
    if (is_too_old(s, start_ns, now_ns))
        return fail(why, CODE_INVALID_ARGUMENT, "profile time %lld ns is older than the retention of %lld s",
                    (long long)b->time_ns, (long long)(s->config.retention_ns / NS_PER_S));
    if (seal_has(s, b, start_ns, a->seq))
        return CODE_OK;

    struct bucket *into = retain_target(s, b->tenant, start_ns);
    enum code      code = retain_room(s, b, &into, why);
    if (code == CODE_OK)
        code = into != NULL ? bucket_append(into, b, why) : append_new(s, b, start_ns, why);
    if (code == CODE_OK)
        account(s, a, start_ns, now_ns);
    return code;
}

bool shard_wants(const struct shard *s, const struct batch *b, int64_t now_ns)
{
    int64_t start_ns;

    return b->n_rows > 0 && span_start(b->time_ns, s->config.span_ns, &start_ns) && !is_too_old(s, start_ns, now_ns) &&
           !dedup_has(s->dedup, b->key);
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

/* Once: a key that is known is a profile that was taken before. */
static enum code append_once(struct shard *s, struct append *a, int64_t now_ns, int64_t *known)
{
    if (dedup_has(s->dedup, a->batch->key)) {
        ++*known;
        return CODE_OK;
    }
    enum code code = append_batch(s, a, now_ns, &a->why);
    if (code == CODE_OK)
        dedup_add(s->dedup, a->batch->key, now_ns);
    return code;
}

void shard_step(struct shard *s, struct append *const *appends, size_t n, int64_t now_ns)
{
    int64_t refused = 0, known = 0;

    if (s->data_since_ns == INT64_MIN)
        s->data_since_ns = now_ns;
    seal_swap(s);
    retain_by_rule(s, now_ns);
    for (size_t i = 0; i < n; i++) {
        struct append *a = appends[i];
        a->code = append_once(s, a, now_ns, &known);
        refused += a->code != CODE_OK;
    }
    seal_pick(s, now_ns);
    epoch_poll(s->epoch);
    metric_add(s->metrics.appended, (int64_t)n - refused - known);
    metric_add(s->metrics.duplicates, known);
    metric_add(s->metrics.refused, refused);
    stats_show(s);
}

/* Takes a reference on each bucket in the range, at most `room`; returns how many there are. */
static size_t pin_some(struct shard *s, struct slice tenant, int64_t start_ns, int64_t end_ns, struct bucket **out,
                       size_t room)
{
    size_t             n, found = 0;
    const struct held *at = directory_look(s->directory, tenant, &n);

    for (size_t i = 0; i < n && at[i].start_ns <= end_ns; i++) {
        if (at[i].start_ns + s->config.span_ns <= start_ns)
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

void shard_load_begin(struct shard *s) { atomic_store(&s->is_loading, true); }

void shard_load_show(struct shard *s, uint64_t bytes, uint64_t of_bytes)
{
    atomic_store_explicit(&s->load_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&s->load_of_bytes, of_bytes, memory_order_relaxed);
    metric_set(s->metrics.load_bytes, (int64_t)bytes);
    metric_set(s->metrics.load_of_bytes, (int64_t)of_bytes);
}

/* Release: who sees it ended sees all that was loaded. */
void shard_load_end(struct shard *s) { atomic_store_explicit(&s->is_loading, false, memory_order_release); }

enum code shard_check_loaded(struct shard *s, struct fault *why)
{
    if (!atomic_load_explicit(&s->is_loading, memory_order_acquire))
        return CODE_OK;
    return fail(why, CODE_UNAVAILABLE, "shard %s is replaying %llu of %llu bytes of its log", s->config.name,
                (unsigned long long)atomic_load_explicit(&s->load_bytes, memory_order_relaxed),
                (unsigned long long)atomic_load_explicit(&s->load_of_bytes, memory_order_relaxed));
}

void shard_unpin(struct pin *p)
{
    for (size_t i = 0; i < p->n; i++) {
        block_rest(p->buckets[i]);
        bucket_unref(p->buckets[i]);
    }
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
    for (size_t i = 0; i < n && at[i].start_ns == at[0].start_ns; i++) /* a later generation may have earlier times */
        *oldest_ns = lesser(*oldest_ns, bucket_stats(at[i].bucket).oldest_ns);
    for (size_t i = n; i > 0 && at[i - 1].start_ns == at[n - 1].start_ns; i--)
        *newest_ns = greater(*newest_ns, bucket_stats(at[i - 1].bucket).newest_ns);
    epoch_leave(r);
    epoch_reader_give(s->epoch, r);
    return n > 0;
}
