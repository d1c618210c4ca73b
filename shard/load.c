#include "shard/load.h"

#include "base/clock.h"
#include "base/log.h"
#include "index/block.h"
#include "shard/ends.h"
#include "shard/maker.h"
#include "shard/record.h"
#include "shard/shard_priv.h"
#include "shard/store.h"
#include "shard/wal.h"

struct loading {
    struct shard *shard;
    int64_t       now_ns, said_ns;
    struct ends   ends;
    uint64_t      records, of_bytes; /* of the log */
    int64_t       tick_ns;
};

/* ---- how far it is */

void shard_load_begin(struct shard *s) { atomic_store(&s->loading.is_on, true); }

/* Release: who sees it ended sees all that was loaded. */
void shard_load_end(struct shard *s) { atomic_store_explicit(&s->loading.is_on, false, memory_order_release); }

void shard_load_cancel(struct shard *s) { atomic_store_explicit(&s->loading.is_cancelled, true, memory_order_relaxed); }

static enum code show(struct loading *l, enum load_phase phase, uint64_t done, uint64_t of, struct fault *why)
{
    struct shard *s = l->shard;
    int64_t       now_ns = clock_mono_ns();

    atomic_store_explicit(&s->loading.phase, (int)phase, memory_order_relaxed);
    atomic_store_explicit(&s->loading.done, done, memory_order_relaxed);
    atomic_store_explicit(&s->loading.of, of, memory_order_relaxed);
    metric_set(s->metrics.loaded[phase], (int64_t)done);
    metric_set(s->metrics.to_load[phase], (int64_t)of);
    if (now_ns - l->said_ns >= NS_PER_S) {
        log_info(phase == LOAD_BLOCKS ? "opening block files" : "replaying the log", log_int("done", (int64_t)done),
                 log_int("of", (int64_t)of));
        l->said_ns = now_ns;
    }
    if (atomic_load_explicit(&s->loading.is_cancelled, memory_order_relaxed))
        return fail(why, CODE_CANCELED, "shard %s was stopped while it began", s->config.name);
    return CODE_OK;
}

enum code shard_check_loaded(struct shard *s, struct fault *why)
{
    static const char *const says[LOAD_PHASES] = {
        [LOAD_BLOCKS] = "shard %s has opened %llu of %llu block files",
        [LOAD_LOG] = "shard %s is replaying %llu of %llu bytes of its log",
    };

    if (!atomic_load_explicit(&s->loading.is_on, memory_order_acquire))
        return CODE_OK;
    return fail(why, CODE_UNAVAILABLE, says[atomic_load_explicit(&s->loading.phase, memory_order_relaxed)],
                s->config.name, (unsigned long long)atomic_load_explicit(&s->loading.done, memory_order_relaxed),
                (unsigned long long)atomic_load_explicit(&s->loading.of, memory_order_relaxed));
}

/* ---- blocks */

/* Files are in the order of their making, so keys come about in the order of their times. */
static void adopt_keys(const struct loading *l, struct slice keys)
{
    struct bucket_key k;

    for (size_t at = 0; at + sizeof k <= keys.n; at += sizeof k) {
        memcpy(&k, keys.p + at, sizeof k);
        if (k.received_ns >= l->now_ns - DEDUP_NS && k.received_ns <= l->now_ns && !dedup_has(l->shard->dedup, k.key))
            dedup_add(l->shard->dedup, k.key, k.received_ns);
    }
}

/* Of what was on disk at the start: it is read when it is asked for. */
static enum code adopt(void *arg, struct bucket *b, uint64_t file, struct fault *why)
{
    const struct loading *l = arg;
    struct shard         *s = l->shard;
    struct block_origin   origin = block_origin(b);
    struct held          *h = directory_add(s->directory, bucket_tenant(b), bucket_start_ns(b), b);

    adopt_keys(l, origin.keys);
    if (block_is_demotable(b))
        block_demote(b);
    h->oldest_seq = origin.first_seq;
    h->newest_seq = origin.last_seq;
    h->file = file;
    h->state = HELD_SEALED;
    directory_weigh(s->directory, directory_tenant(s->directory, bucket_tenant(b)), h);
    return merge_adopted(s, b, why);
}

static enum code blocks_progress(void *arg, size_t files, size_t of_files, struct fault *why)
{
    return show(arg, LOAD_BLOCKS, files, of_files, why);
}

static enum code load_blocks(struct loading *l, struct fault *why)
{
    struct shard *s = l->shard;
    int64_t       began_ns = clock_mono_ns();

    if (!seal_has_files(s))
        return CODE_OK;
    enum code code = store_load(s->config.store, &s->meter, adopt, blocks_progress, l, why);
    if (code == CODE_OK && directory_sums(s->directory)->buckets > 0)
        log_info("block files opened", log_int("blocks", directory_sums(s->directory)->buckets),
                 log_int("profiles", directory_sums(s->directory)->profiles),
                 log_int("ms", (clock_mono_ns() - began_ns) / NS_PER_MS));
    return code;
}

/* ---- the log */

static void note_end(void *arg, const struct wal_record *w)
{
    struct record record;
    struct fault  ignored;

    if (record_read(w->payload, &record, &ignored) == CODE_OK) /* else the replay says so, in its turn */
        ends_note(arg, record.generation, w->seq);
}

static enum code not_ours(uint64_t seq, const struct fault *inner, struct fault *why)
{
    return fail(why, CODE_DATA_LOSS, "record %llu is whole, but not what this program writes: %.300s",
                (unsigned long long)seq, inner->text);
}

static enum code replay_record(void *arg, const struct wal_record *w, struct fault *why)
{
    struct loading *l = arg;
    struct record   record;
    struct fault    inner;

    if (l->records++ == 0 || w->now_ns != l->tick_ns)
        shard_tick(l->shard, w->now_ns);
    l->tick_ns = w->now_ns;
    enum code code = record_read(w->payload, &record, &inner);
    if (code == CODE_OK)
        code = shard_redo(l->shard, &record, w->seq, ends_of(&l->ends, w->seq), w->now_ns, &inner);
    if (code == CODE_OK)
        return code;
    return code == CODE_RESOURCE_EXHAUSTED ? fail(why, code, "%s", inner.text) : not_ours(w->seq, &inner, why);
}

static enum code replay_progress(void *arg, uint64_t bytes, struct fault *why)
{
    struct loading *l = arg;

    return show(l, LOAD_LOG, bytes, l->of_bytes, why);
}

/* Whatever stopped the replay stands behind the records of a bucket that was given to the maker before. */
static enum code replay(struct loading *l, struct disk *log, const struct wal_found *found, struct fault *why)
{
    struct shard *s = l->shard;

    s->maker = maker_new();
    enum code code = wal_replay(log, found, replay_record, replay_progress, l, why);
    redo_settle(s, true);
    const struct made *bad = maker_bad(s->maker);
    if (bad != NULL)
        code = not_ours(bad->seq, &bad->why, why);
    maker_free(s->maker);
    s->maker = NULL;
    return code;
}

static void say_replayed(const struct loading *l, const struct wal_found *found, int64_t began_ns)
{
    if (found->n > 0)
        log_info("log replayed", log_int("profiles", (int64_t)l->records), log_int("bytes", (int64_t)found->bytes),
                 log_int("ms", (clock_mono_ns() - began_ns) / NS_PER_MS));
    if (found->torn_bytes > 0)
        log_warn("cut off what a crash left behind the log, which was never acknowledged",
                 log_int("bytes", (int64_t)found->torn_bytes));
    if (found->lost > 0)
        log_error("profiles of mode interval are missing in the log", log_int("profiles", (int64_t)found->lost));
}

static enum code load_log(struct loading *l, struct disk *log, struct wal_found *found, struct fault *why)
{
    int64_t   began_ns = clock_mono_ns();
    enum code code = wal_inspect_each(log, shard_name(l->shard), note_end, &l->ends, found, why);

    if (code != CODE_OK)
        return code;
    l->of_bytes = found->bytes;
    code = replay_progress(l, 0, why);
    if (code == CODE_OK)
        code = replay(l, log, found, why);
    if (code == CODE_OK)
        say_replayed(l, found, began_ns);
    return code;
}

enum code load_all(struct shard *s, struct disk *log, int64_t now_ns, struct wal_found *found, struct fault *why)
{
    struct loading l = { .shard = s, .now_ns = now_ns, .said_ns = clock_mono_ns() };

    *found = (struct wal_found){ .next = 1 };
    enum code code = load_blocks(&l, why);
    if (code == CODE_OK && log != NULL)
        code = load_log(&l, log, found, why);
    ends_free(&l.ends);
    stats_show(s);
    return code;
}
