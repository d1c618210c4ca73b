#include "shard/keeper.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "index/bucket.h"
#include "shard/load.h"
#include "shard/record.h"
#include "shard/wal.h"

enum { STEP_MAX = 256, STEP_LOG_BYTES = 4 << 20 };

#define RELEASE_NS NS_PER_S /* how often it is asked which segments may go: that looks at every bucket */

struct keeper {
    struct keeper_config config;
    struct wal          *wal; /* NULL: memory only, or not yet loaded */
    struct append       *taken[STEP_MAX];
    size_t               n;
    struct buf           redo, record; /* of one append */
    bool                 is_sync;      /* one of those taken has to be on disk before it is answered */
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

enum code keeper_load(struct keeper *k, int64_t now_ns, struct fault *why)
{
    const struct keeper_config *c = &k->config;
    struct wal_config           wc = { .disk = c->disk,
                                       .shard = shard_name(c->shard),
                                       .segment_bytes = c->segment_bytes,
                                       .interval_ns = c->interval_ns,
                                       .salt = c->salt };
    struct wal_found            found;

    enum code code = load_all(c->shard, c->disk, now_ns, &found, why);
    wc.first_seq = shard_newest_seq(c->shard) + 1;
    if (code == CODE_OK)
        code = wal_open(&wc, &found, &k->wal, why);
    wal_found_free(&found);
    return code;
}

/* ---- steps */

/* What an append added, as a record to be committed. */
static void log_one(struct keeper *k, const struct append *a, int64_t now_ns)
{
    struct record r = { .start_ns = a->start_ns,
                        .generation = a->generation,
                        .key = a->batch->key,
                        .tenant = a->batch->tenant,
                        .redo = buf_view(&k->redo) };

    k->record.n = 0;
    record_write(&k->record, &r);
    wal_add(k->wal, buf_view(&k->record), now_ns);
    k->is_sync = k->is_sync || a->batch->mode == BATCH_SYNC;
}

static bool is_too_large(const struct batch *b)
{
    return bucket_redo_bytes_max(b) > WAL_PAYLOAD_BYTES_MAX - RECORD_BYTES_MAX - b->tenant.n;
}

void keeper_warm(const struct keeper *k, const struct append *a) { shard_warm(k->config.shard, a->batch); }

bool keeper_take(struct keeper *k, struct append *a, int64_t now_ns)
{
    bool is_logged = k->wal != NULL && a->batch->mode != BATCH_MEMORY;

    assert(k->n < STEP_MAX && (k->wal != NULL) == keeper_has_log(k));
    if (k->n == 0)
        shard_tick(k->config.shard, now_ns);
    k->taken[k->n++] = a;
    a->seq = is_logged ? wal_next(k->wal) : 0;
    k->redo.n = 0;
    if (is_logged && is_too_large(a->batch))
        a->seq = 0, fail(&a->why, a->code = CODE_INVALID_ARGUMENT, "profile is larger than a record of the log may be");
    else
        shard_take(k->config.shard, a, now_ns, &k->redo);
    if (a->seq != 0)
        log_one(k, a, now_ns);
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

/* Not keys of zeros, which are none. */
static bool is_same_key(struct hash128 a, struct hash128 b)
{
    return a.lo == b.lo && a.hi == b.hi && (a.lo | a.hi) != 0;
}

/* Taken for known because of one that is refused now. */
static bool is_twin(const struct keeper *k, const struct append *a)
{
    for (size_t i = 0; i < k->n && a->code == CODE_OK; i++)
        if (k->taken[i]->seq != 0 && is_same_key(k->taken[i]->batch->key, a->batch->key))
            return true;
    return false;
}

static void refuse_logged(struct keeper *k, const struct fault *why)
{
    bool is_refused[STEP_MAX];

    for (size_t i = 0; i < k->n; i++)
        is_refused[i] = k->taken[i]->seq != 0 || is_twin(k, k->taken[i]);
    for (size_t i = 0; i < k->n; i++) {
        struct append *a = k->taken[i];
        if (!is_refused[i])
            continue;
        a->code = fail(&a->why, CODE_UNAVAILABLE, "shard %s: %.400s", shard_name(k->config.shard), why->text);
        a->seq = 0;
    }
}

/* R1: afterwards whatever has a record is durable, as its mode has it, and seen. */
static void settle_taken(struct keeper *k, int64_t now_ns)
{
    struct fault why;
    enum code    code = CODE_OK;

    if (k->wal != NULL && wal_pending_bytes(k->wal) > 0) {
        code = wal_commit(k->wal, k->is_sync, now_ns, &why);
        note(k, code, &why);
    }
    if (code == CODE_OK) {
        shard_publish(k->config.shard, now_ns);
        return;
    }
    refuse_logged(k, &why);
    shard_abandon(k->config.shard, now_ns);
}

/* What is left to do beside the appends. */
static void rest(struct keeper *k, int64_t now_ns)
{
    struct fault why;

    if (k->wal == NULL)
        return;
    if (k->n == 0 || now_ns >= wal_due_ns(k->wal)) {
        enum code code = wal_rest(k->wal, now_ns, &why);
        if (code != CODE_OK) {
            note(k, code, &why);
            shard_break(k->config.shard); /* R2 */
        }
    }
    if (now_ns >= k->release_ns || now_ns < k->release_ns - RELEASE_NS) {
        wal_release(k->wal, shard_oldest_seq(k->config.shard), now_ns); /* R4 */
        k->release_ns = now_ns + RELEASE_NS;
    }
}

void keeper_step(struct keeper *k, int64_t now_ns)
{
    if (k->n == 0)
        shard_tick(k->config.shard, now_ns);
    settle_taken(k, now_ns);
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
    buf_free(&k->redo);
    buf_free(&k->record);
    free(k);
}
