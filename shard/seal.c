/*
 * Which buckets are sealed, and the exchange of a bucket for its sealed form.
 *
 *     full   32 MiB, or a sixteenth of the limit; the next batch of its span opens a new generation
 *     old    its span ended as long ago as it is, and nothing has come for five seconds
 *     idle   more than an eighth of a full one, and nothing for five seconds
 *
 * A bucket is closed when it is sent: whatever comes for its span afterwards goes to a new generation.  It stays in its
 * place, live, until the sealed one takes it by one publish (directory.h); queries have pinned one or the other.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "index/block.h"
#include "shard/shard_priv.h"
#include "shard/store.h"

#define SEAL_BYTES ((size_t)32 << 20)
#define SEAL_MIN ((size_t)256 << 10)
#define IDLE_NS (5 * NS_PER_S)

size_t seal_bytes(const struct shard *s)
{
    size_t bytes = s->config.seal_bytes ? s->config.seal_bytes : SEAL_BYTES, share = s->config.limit_bytes / 16;

    if (s->config.store == NULL)
        return SIZE_MAX;
    if (share < SEAL_MIN)
        share = SEAL_MIN;
    return bytes < share ? bytes : share;
}

bool seal_has_files(const struct shard *s) { return s->config.store != NULL && store_has_files(s->config.store); }

/* False: too many are on their way; it is tried again by and by. */
static bool send(struct shard *s, struct held *h)
{
    struct sealing *x = sealing_new(h->bucket, &s->meter);

    assert(h->state < HELD_SEALING && !h->is_pending && !h->is_making);
    x->first_seq = h->oldest_seq;
    x->last_seq = h->newest_seq;
    if (!store_submit(s->config.store, x)) {
        sealing_free(x);
        return false;
    }
    h->state = HELD_SEALING;
    return true;
}

void seal_full(struct shard *s, struct held *h)
{
    if (h->state < HELD_SEALING && h->bytes >= seal_bytes(s))
        send(s, h);
}

void seal_early(struct shard *s, struct held *h) { send(s, h); }

static bool is_complete(const struct held *h)
{
    return h->state < HELD_SEALING && h->newest_seq >= h->until_seq && !h->is_making;
}

void seal_complete(struct shard *s)
{
    size_t n;

    for (struct tenant *t = directory_next(s->directory, NULL); t != NULL; t = directory_next(s->directory, t)) {
        struct held *row = tenant_row(t, &n);
        for (size_t i = 0; i < n; i++)
            if (is_complete(&row[i]) && !send(s, &row[i]))
                return;
    }
}

static bool is_due(const struct shard *s, const struct held *h, int64_t now_ns)
{
    size_t  full = seal_bytes(s);
    int64_t age_ns;
    bool    is_idle = now_ns - h->touched_ns >= IDLE_NS;
    bool    is_old = !__builtin_sub_overflow(now_ns, h->start_ns, &age_ns) && age_ns >= 2 * s->config.span_ns;

    return h->state < HELD_SEALING && (h->bytes >= full || (is_idle && (is_old || h->bytes > full / 8)));
}

void seal_pick(struct shard *s, int64_t now_ns)
{
    size_t n;

    if (s->config.store == NULL || now_ns < s->next_seal_ns)
        return;
    s->next_seal_ns = now_ns + NS_PER_S;
    for (struct tenant *t = directory_next(s->directory, NULL); t != NULL; t = directory_next(s->directory, t)) {
        struct held *row = tenant_row(t, &n);
        for (size_t i = 0; i < n; i++)
            if (is_due(s, &row[i], now_ns) && !send(s, &row[i]))
                return;
    }
}

/* The sealed one of a bucket that was dropped goes, too. */
static void swap(struct shard *s, struct sealing *x)
{
    struct tenant *t;
    size_t         i;
    struct held   *h = directory_find(s->directory, x->live, &t, &i);

    if (h != NULL)
        h->state = x->code == CODE_OK ? HELD_SEALED : HELD_KEPT;
    if (h != NULL && x->code == CODE_OK) {
        h->file = x->file;
        s->n_demotable += x->file != 0 && block_is_demotable(x->sealed);
        directory_replace(s->directory, t, i, x->sealed);
        x->sealed = NULL;
    } else if (x->file != 0) {
        store_remove(s->config.store, x->sealed, x->file);
    }
}

static void say_failed(const struct shard *s, const struct sealing *x)
{
    if (x->code != CODE_OK)
        log_error("a bucket was not sealed and stays live", log_str("shard", s->config.name),
                  log_str("why", x->why.text));
    else if (x->why.code != CODE_OK)
        log_error("a block is in memory only", log_str("shard", s->config.name), log_str("why", x->why.text));
}

void seal_swap(struct shard *s)
{
    for (struct sealing *x; s->config.store != NULL && (x = store_take(s->config.store)) != NULL; sealing_free(x)) {
        if (x->n_from > 0) {
            merge_swap(s, x);
            continue;
        }
        say_failed(s, x);
        swap(s, x);
    }
}
