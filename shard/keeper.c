#include "shard/keeper.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "shard/wal.h"

enum { STEP_MAX = 256, STEP_LOG_BYTES = 4 << 20 };

#define RELEASE_NS NS_PER_S /* how often it is asked which segments may go: that looks at every bucket */

/* The steps of a replay: batches of the same step gather, and are decoded in place, until it is whole. */
struct replay {
    struct arena *arena;
    struct append appends[STEP_MAX];
    struct batch  batches[STEP_MAX];
    size_t        n;
    int64_t       now_ns, said_ns;
    uint64_t      records, of_bytes;
};

struct keeper {
    struct keeper_config config;
    struct wal          *wal; /* NULL: memory only, or not yet replayed */
    struct append       *taken[STEP_MAX];
    size_t               n;
    bool                 is_sync; /* one of those taken has to be on disk before it is answered */
    bool                 is_failing;
    int64_t              release_ns;
};

struct keeper *keeper_new(const struct keeper_config *config)
{
    struct keeper *k = mem_zalloc(sizeof *k);

    k->config = *config;
    return k;
}

struct shard *keeper_shard(const struct keeper *k) { return k->config.shard; }
bool          keeper_has_log(const struct keeper *k) { return k->config.disk != NULL; }

/* ---- replay */

static void replay_step(struct keeper *k, struct replay *r)
{
    struct append *all[STEP_MAX];

    for (size_t i = 0; i < r->n; i++)
        all[i] = &r->appends[i];
    if (r->n > 0)
        shard_step(k->config.shard, all, r->n, r->now_ns);
    r->n = 0;
    arena_reset(r->arena);
}

struct replaying {
    struct keeper *keeper;
    struct replay *replay;
};

static enum code replay_record(void *arg, const struct wal_record *record, struct fault *why)
{
    struct replaying *both = arg;
    struct replay    *r = both->replay;
    struct fault      inner;

    if (r->n == STEP_MAX || record->now_ns != r->now_ns)
        replay_step(both->keeper, r);
    r->now_ns = record->now_ns;
    if (batch_decode(record->payload, r->arena, &r->batches[r->n], &inner) != CODE_OK)
        return fail(why, CODE_DATA_LOSS, "log: record %llu is whole, but not what this program writes: %.300s",
                    (unsigned long long)record->seq, inner.text);
    r->appends[r->n] = (struct append){ .batch = &r->batches[r->n], .seq = record->seq };
    r->n++;
    r->records++;
    return CODE_OK;
}

static enum code replay_progress(void *arg, uint64_t bytes, struct fault *why)
{
    struct replaying *both = arg;
    struct replay    *r = both->replay;
    int64_t           now_ns = clock_mono_ns();

    (void)why;
    replay_step(both->keeper, r); /* the batches lie in a segment that goes now */
    shard_load_show(both->keeper->config.shard, bytes, r->of_bytes);
    if (now_ns - r->said_ns >= NS_PER_S)
        log_info("replaying the log", log_int("bytes", (int64_t)bytes), log_int("of_bytes", (int64_t)r->of_bytes));
    if (now_ns - r->said_ns >= NS_PER_S)
        r->said_ns = now_ns;
    return CODE_OK;
}

static enum code replay_found(struct keeper *k, const struct wal_found *found, struct fault *why)
{
    struct replay   *r = mem_zalloc(sizeof *r);
    struct replaying both = { k, r };
    int64_t          began_ns = clock_mono_ns();

    r->arena = arena_new(0);
    r->said_ns = began_ns;
    r->of_bytes = found->bytes;
    shard_load_show(k->config.shard, 0, found->bytes);
    enum code code = wal_replay(k->config.disk, found, replay_record, replay_progress, &both, why);
    if (code == CODE_OK && found->n > 0)
        log_info("log replayed", log_int("profiles", (int64_t)r->records), log_int("bytes", (int64_t)found->bytes),
                 log_int("ms", (clock_mono_ns() - began_ns) / NS_PER_MS));
    if (found->torn_bytes > 0)
        log_warn("cut off what a crash left behind the log, which was never acknowledged",
                 log_int("bytes", (int64_t)found->torn_bytes));
    if (found->lost > 0)
        log_error("profiles of mode interval are missing in the log", log_int("profiles", (int64_t)found->lost));
    arena_free(r->arena);
    free(r);
    return code;
}

enum code keeper_replay(struct keeper *k, struct fault *why)
{
    const struct keeper_config *c = &k->config;
    struct wal_config           wc = { .disk = c->disk,
                                       .shard = shard_name(c->shard),
                                       .segment_bytes = c->segment_bytes,
                                       .interval_ns = c->interval_ns,
                                       .salt = c->salt };
    struct wal_found            found;

    enum code code = wal_inspect(c->disk, wc.shard, &found, why);
    if (code == CODE_OK)
        code = replay_found(k, &found, why);
    wc.first_seq = shard_newest_seq(c->shard) + 1;
    if (code == CODE_OK)
        code = wal_open(&wc, &found, &k->wal, why);
    wal_found_free(&found);
    return code;
}

/* ---- steps */

bool keeper_take(struct keeper *k, struct append *a, int64_t now_ns)
{
    assert(k->n < STEP_MAX && (k->wal != NULL) == keeper_has_log(k));
    k->taken[k->n++] = a;
    a->seq = 0;
    a->code = CODE_OK;
    if (k->wal != NULL && a->batch->mode != BATCH_MEMORY && shard_wants(k->config.shard, a->batch, now_ns)) {
        a->seq = wal_add(k->wal, a->batch, now_ns);
        if (a->seq == 0)
            fail(&a->why, a->code = CODE_INVALID_ARGUMENT, "profile is larger than a record of the log may be");
        k->is_sync = k->is_sync || a->batch->mode == BATCH_SYNC;
    }
    return k->n < STEP_MAX && (k->wal == NULL || wal_pending_bytes(k->wal) < STEP_LOG_BYTES);
}

/* Says when it begins to fail and when it is over, not at every step. */
static void note(struct keeper *k, enum code code, const struct fault *why)
{
    if (code != CODE_OK && !k->is_failing)
        log_error("the log fails: profiles are refused until it can be written", log_str("error", why->text));
    if (code == CODE_OK && k->is_failing)
        log_info("the log can be written again");
    k->is_failing = code != CODE_OK;
}

static void refuse_logged(struct keeper *k, const struct fault *why)
{
    for (size_t i = 0; i < k->n; i++) {
        struct append *a = k->taken[i];
        if (a->seq == 0)
            continue;
        a->code = fail(&a->why, CODE_UNAVAILABLE, "shard %s: %.400s", shard_name(k->config.shard), why->text);
        a->seq = 0;
    }
}

/* R1: afterwards whatever has a record is durable, as its mode has it, and may be stepped. */
static void log_taken(struct keeper *k, int64_t now_ns)
{
    struct fault why;

    if (k->wal == NULL || wal_pending_bytes(k->wal) == 0)
        return;
    enum code code = wal_commit(k->wal, k->is_sync, now_ns, &why);
    note(k, code, &why);
    if (code != CODE_OK)
        refuse_logged(k, &why);
}

static void step_taken(struct keeper *k, int64_t now_ns)
{
    struct append *good[STEP_MAX];
    size_t         n = 0;

    for (size_t i = 0; i < k->n; i++)
        if (k->taken[i]->code == CODE_OK)
            good[n++] = k->taken[i];
    shard_step(k->config.shard, good, n, now_ns);
}

/* R2.  Where that fails it is not known whether a restart will find them: that is answered instead. */
static void log_refused(struct keeper *k, int64_t now_ns)
{
    uint64_t     seqs[STEP_MAX];
    size_t       n = 0;
    struct fault why;

    for (size_t i = 0; i < k->n; i++)
        if (k->taken[i]->code != CODE_OK && k->taken[i]->seq != 0)
            seqs[n++] = k->taken[i]->seq;
    if (n == 0)
        return;
    enum code code = wal_refuse(k->wal, seqs, n, now_ns, &why);
    note(k, code, &why);
    for (size_t i = 0; code != CODE_OK && i < k->n; i++)
        if (k->taken[i]->code != CODE_OK && k->taken[i]->seq != 0)
            k->taken[i]->code =
                fail(&k->taken[i]->why, CODE_UNAVAILABLE, "shard %s: %.400s", shard_name(k->config.shard), why.text);
}

/* What is left to do beside the appends. */
static void rest(struct keeper *k, int64_t now_ns)
{
    struct fault why;

    if (k->wal == NULL)
        return;
    if (k->n == 0 || now_ns >= wal_due_ns(k->wal)) {
        enum code code = wal_rest(k->wal, now_ns, &why);
        if (code != CODE_OK)
            note(k, code, &why);
    }
    if (now_ns >= k->release_ns || now_ns < k->release_ns - RELEASE_NS) {
        wal_release(k->wal, shard_oldest_seq(k->config.shard)); /* R4 */
        k->release_ns = now_ns + RELEASE_NS;
    }
}

void keeper_step(struct keeper *k, int64_t now_ns)
{
    log_taken(k, now_ns);
    step_taken(k, now_ns);
    log_refused(k, now_ns);
    for (size_t i = 0; i < k->n; i++)
        k->taken[i]->done(k->taken[i]); /* the append is its owner's again */
    rest(k, now_ns);
    k->n = 0;
    k->is_sync = false;
}

int64_t keeper_wait_ns(const struct keeper *k, int64_t now_ns)
{
    int64_t due_ns = k->wal ? wal_due_ns(k->wal) : INT64_MAX;

    if (due_ns <= now_ns)
        return 0;
    return due_ns - now_ns < NS_PER_S ? due_ns - now_ns : NS_PER_S;
}

void keeper_free(struct keeper *k, int64_t now_ns)
{
    assert(k->n == 0);
    if (k->wal != NULL)
        wal_close(k->wal, now_ns);
    free(k);
}
