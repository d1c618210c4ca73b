/*
 * Which blocks are merged, and the exchange of several for one (docs/decisions/088-merging.md).
 *
 *     half an hour   blocks of up to 64 KiB       --+
 *     two hours      blocks of up to 512 KiB      --+--> one, in the place of the first
 *     a day          blocks of up to 32 KiB       --+
 *
 * A window is merged when it has been over for the length of a span and nothing has come for it for as long: whatever is late is
 * merged in its turn.  What is larger stays as it is: it would cost more to write again than it saves.
 *
 * J1  A merged block names the files and the generations that are in it, those they were merged from included.  So whatever of
 *     them a crash leaves, of files or of the log, is known and left out: a file when it is followed by the one that names it.
 *     Of files neither of which names the other no two have the same generation, unless one was put back that the log has replaced.
 * J2  The old files go after the new one is on disk (T4) and has been published.
 * J3  Only neighbours are merged, so a merged block does not reach over one that stays: what is dropped from the front of a row is
 *     the oldest.
 * J4  A bucket that was dropped meanwhile does not come back: what was merged with it is thrown away.
 */
#include "base/clock.h"
#include "base/log.h"
#include "index/block.h"
#include "shard/shard_priv.h"
#include "shard/store.h"

enum { SOURCES_MAX = 256, AT_ONCE = 32, FREE_SHARE = 8 };

#define AT_ONCE_BYTES ((size_t)4 << 20) /* what is to be sealed waits so long */
#define PAUSE_NS (600 * NS_PER_S)       /* after a failure */

static const struct level {
    int64_t spans;
    size_t  bytes;
} levels[] = { { 144, 32 << 10 },
               { 12, 512 << 10 },
               { 3, 64 << 10 } }; /* the widest that is over: once, not in steps */

/* What one look at all tenants may still send. */
struct picking {
    struct shard *shard;
    int64_t       now_ns;
    size_t        bytes, n;
};

struct window {
    const struct level *level;
    int64_t             end_ns;
};

static struct slice sources_of(const struct bucket *b)
{
    return bucket_is_sealed(b) ? block_origin(b).sources : SLICE("");
}

static bool source_next(struct slice *rest, struct block_source *out)
{
    if (rest->n < sizeof *out)
        return false;
    memcpy(out, rest->p, sizeof *out);
    *rest = slice_from(*rest, sizeof *out);
    return true;
}

bool merge_has(const struct held *h, uint64_t first_seq)
{
    struct slice        rest = sources_of(h->bucket);
    struct block_source from;

    while (source_next(&rest, &from))
        if (from.first_seq == first_seq)
            return true;
    return false;
}

static bool has_file(struct slice rest, uint64_t file)
{
    struct block_source from;

    while (source_next(&rest, &from))
        if (from.file == file)
            return true;
    return false;
}

static void drop_sources(struct shard *s, struct tenant *t, const struct bucket *b)
{
    struct slice sources = sources_of(b);
    size_t       n;
    struct held *row = tenant_row(t, &n);

    for (size_t i = n; i > 0 && sources.n > 0; i--) {
        if (row[i - 1].file == 0 || !has_file(sources, row[i - 1].file))
            continue;
        store_remove(s->config.store, row[i - 1].bucket, row[i - 1].file);
        directory_drop(s->directory, t, i - 1); /* not the last: b is there */
        row = tenant_row(t, &n);
    }
}

static bool has_generation(const struct held *h, uint64_t first_seq)
{
    return first_seq != 0 && (h->oldest_seq == first_seq || merge_has(h, first_seq));
}

/* J1: one that both have, 0: none. */
static uint64_t shared_generation(const struct held *h, const struct bucket *b)
{
    struct block_source from;

    if (h->end_ns <= bucket_start_ns(b) || h->start_ns >= bucket_end_ns(b))
        return 0;
    struct block_origin origin = block_origin(b);
    if (has_generation(h, origin.first_seq))
        return origin.first_seq;
    while (source_next(&origin.sources, &from))
        if (has_generation(h, from.first_seq))
            return from.first_seq;
    return 0;
}

enum code merge_adopted(struct shard *s, const struct bucket *b, struct fault *why)
{
    struct tenant *t = directory_tenant(s->directory, bucket_tenant(b));
    size_t         n;
    uint64_t       shared;

    drop_sources(s, t, b);
    const struct held *row = tenant_row(t, &n);
    for (size_t i = 0; i < n; i++)
        if (row[i].bucket != b && (shared = shared_generation(&row[i], b)) != 0)
            return fail(why, CODE_DATA_LOSS,
                        "block: what record %llu of the log began is in %016llx.block beside it, too, and would count "
                        "twice: was that set aside, and put back after the log had replaced it?  Take it away",
                        (unsigned long long)shared, (unsigned long long)row[i].file);
    return CODE_OK;
}

/* ---- picking -------------------------------------------------------------------------------------------------------- */

static void put_sources(struct buf *out, const struct held *h)
{
    buf_put(out, &(struct block_source){ h->file, h->oldest_seq }, sizeof(struct block_source));
    buf_slice(out, block_origin(h->bucket).sources);
}

static void add_seqs(struct sealing *x, const struct held *h)
{
    if (h->oldest_seq != 0 && (x->first_seq == 0 || h->oldest_seq < x->first_seq))
        x->first_seq = h->oldest_seq;
    if (h->newest_seq > x->last_seq)
        x->last_seq = h->newest_seq;
}

static void send(struct picking *p, struct held *of, size_t n)
{
    struct sealing *x = sealing_merge(n, &p->shard->meter);

    x->known_since_ns = p->now_ns - DEDUP_NS;
    for (size_t i = 0; i < n; i++) {
        bucket_ref(x->from[i] = of[i].bucket);
        put_sources(&x->sources, &of[i]);
        add_seqs(x, &of[i]);
    }
    if (!store_submit(p->shard->config.store, x)) {
        sealing_free(x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        of[i].is_merging = true;
        p->bytes -= block_image(of[i].bucket).n;
    }
    p->shard->n_merging++;
    p->n--;
}

/* Where a bucket of the window is live or was a moment ago all others wait. */
static bool is_warm(const struct picking *p, const struct held *h)
{
    return h->state <= HELD_SEALING || h->is_merging || p->now_ns - h->touched_ns < p->shard->config.span_ns;
}

static bool is_small(const struct picking *p, const struct window *w, const struct held *h)
{
    return bucket_is_sealed(h->bucket) && h->end_ns <= w->end_ns && block_image(h->bucket).n <= w->level->bytes &&
           (h->file != 0 || !store_has_files(p->shard->config.store));
}

/* How many of the row, side by side, are small and not too much at once (J3). */
static size_t run_of(const struct picking *p, const struct window *w, const struct held *row, size_t n)
{
    size_t i = 0, bytes = 0;

    for (; i < n && i < SOURCES_MAX && is_small(p, w, &row[i]); i++)
        if ((bytes += block_image(row[i].bucket).n) > p->bytes)
            break;
    return i;
}

static void pick_window(struct picking *p, const struct window *w, struct held *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_warm(p, &row[i]))
            return;
    for (size_t i = 0, run; i < n && p->n > 0; i += run > 0 ? run : 1) {
        run = run_of(p, w, row + i, n - i);
        if (run > 1)
            send(p, row + i, run);
    }
}

/* Rounded down, also below 0. */
static int64_t window_of(int64_t time_ns, int64_t width_ns) { return time_ns / width_ns - (time_ns % width_ns < 0); }

/* Is it over, for the length of a span? */
static bool is_over(const struct picking *p, int64_t number, int64_t width_ns, int64_t *end_ns)
{
    int64_t cold_ns;

    return !__builtin_mul_overflow(number + 1, width_ns, end_ns) &&
           !__builtin_add_overflow(*end_ns, p->shard->config.span_ns, &cold_ns) && cold_ns <= p->now_ns;
}

static void pick_tenant(struct picking *p, struct tenant *t, const struct level *level)
{
    int64_t      width_ns = level->spans * p->shard->config.span_ns;
    size_t       n, end;
    struct held *row = tenant_row(t, &n);

    if (width_ns > retain_rule(p->shard, tenant_name(t)).age_ns / 2)
        return; /* it would be kept much longer than it should be */
    for (size_t i = 0; i < n && p->n > 0; i = end) {
        struct window w = { .level = level };
        int64_t       number = window_of(row[i].start_ns, width_ns);
        for (end = i + 1; end < n && window_of(row[end].start_ns, width_ns) == number;)
            end++;
        if (end - i > 1 && is_over(p, number, width_ns, &w.end_ns))
            pick_window(p, &w, row + i, end - i);
    }
}

/* Live they take up to some five times as much, and that must not be why a batch is refused. */
static size_t bytes_at_once(const struct shard *s)
{
    size_t limit = s->config.limit_bytes, used = shard_used(s), share = used < limit ? (limit - used) / FREE_SHARE : 0;

    return share < AT_ONCE_BYTES ? share : AT_ONCE_BYTES;
}

void merge_pick(struct shard *s, int64_t now_ns)
{
    struct picking p = { s, now_ns, bytes_at_once(s), AT_ONCE };

    if (s->config.store == NULL || now_ns < s->next_merge_ns || s->n_merging > 0)
        return;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        for (struct tenant *t = directory_next(s->directory, NULL); t != NULL && p.n > 0;
             t = directory_next(s->directory, t))
            pick_tenant(&p, t, &levels[i]);
    s->next_merge_ns = now_ns + s->config.span_ns / (p.n < AT_ONCE ? 600 : 60); /* it looks at every bucket */
}

/* ---- the exchange --------------------------------------------------------------------------------------------------- */

static void replace(struct shard *s, struct tenant *t, struct sealing *x, const size_t *at)
{
    size_t             n;
    const struct held *row = tenant_row(t, &n);

    for (size_t i = 0; i < x->n_from; i++) {
        const struct held *h = &row[at[i]];
        s->n_demotable -= h->file != 0 && block_is_demotable(h->bucket);
        if (h->file != 0)
            store_remove(s->config.store, h->bucket, h->file); /* J2: it follows the others through the queue */
    }
    if (x->file != 0 && block_is_demotable(x->sealed))
        block_demote(x->sealed); /* who asks for what is so old reads it from the file */
    struct held *h = directory_merge(s->directory, t, at, x->n_from, x->sealed);
    h->oldest_seq = x->first_seq;
    h->newest_seq = x->last_seq;
    h->file = x->file;
    h->state = HELD_SEALED;
    x->sealed = NULL;
}

/* Are all that it was made from still there?  Where. */
static bool find_all(struct shard *s, const struct sealing *x, struct tenant **t, size_t *at)
{
    bool are_there = true;

    for (size_t i = 0; i < x->n_from; i++) {
        struct held *h = directory_find(s->directory, x->from[i], t, &at[i]);
        if (h != NULL)
            h->is_merging = false;
        are_there &= h != NULL;
    }
    return are_there;
}

void merge_swap(struct shard *s, struct sealing *x)
{
    struct tenant *t;
    size_t         at[SOURCES_MAX];
    bool           is_made = x->code == CODE_OK && (x->file != 0 || !store_has_files(s->config.store));
    bool           are_there = find_all(s, x, &t, at);

    s->n_merging--;
    if (!is_made) {
        log_error("blocks were not merged", log_str("shard", s->config.name), log_str("why", x->why.text));
        s->next_merge_ns += PAUSE_NS;
    }
    if (is_made && are_there)
        replace(s, t, x, at);
    else if (x->file != 0)
        store_remove(s->config.store, x->sealed, x->file); /* J4 */
}
