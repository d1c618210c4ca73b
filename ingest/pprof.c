/*
 * A pprof's way to a batch, step by step; each step is a file of its own:
 *
 *     inflate -> pprof_read -> pprof_fix -> pprof_check -> go_shape -> pprof_symbols -> pprof_samples
 *             (pprof_groups) -> go_truncated -> pprof_split (label_rules) -> pprof_batch (pprof_stacks)
 *
 * All but the batch, whose tables are filled while they are read, lives in a scratch arena that is emptied at the end, the
 * inflated bytes too: the batch owns what it names.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/scratch.h"
#include "ingest/build_id.h"
#include "ingest/go_fix.h"
#include "ingest/label_rules.h"
#include "ingest/language.h"
#include "ingest/names.h"
#include "ingest/pprof_batch.h"
#include "ingest/pprof_check.h"
#include "ingest/pprof_fix.h"
#include "wire/zip.h"

enum { BATCH_FACTOR = 2 }; /* a batch has seldom more bytes than so many times those of its profile */
enum { SCRATCH_FACTOR = 12, SCRATCH_MIN = 64 << 10, SCRATCH_MAX = 64 << 20 };

struct job {
    struct slice                body;
    const struct ingest_source *source;
    const struct decode_limits *limits;
    struct arena               *scratch;
    struct fault               *why;
    struct pprof                p;
    struct labels               labels;    /* prepared */
    int64_t                     stated_ns; /* the time the client gave; 0: none */
};

static enum code inflate(struct job *j, struct slice *bytes)
{
    size_t max =
        (uint64_t)j->limits->profile_bytes_max < SIZE_MAX / 4 ? (size_t)j->limits->profile_bytes_max : SIZE_MAX / 4;

    *bytes = j->body;
    if (!zip_is_gzip(j->body))
        return CODE_OK;
    enum code code = zip_gunzip(j->body, max, j->scratch, bytes, j->why);
    if (code == CODE_RESOURCE_EXHAUSTED)
        return fail(j->why, CODE_INVALID_ARGUMENT, "uncompressed profile payload size exceeds limit of %.1f MB",
                    (double)max / 1e6);
    return code;
}

/* Sent by /ingest: without a name, with faults of its own. */
static enum code name_legacy(struct job *j, struct labels *labels)
{
    const struct pprof_hints *hints = &j->source->hints;
    struct label             *at = arena_array(j->scratch, j->source->labels.n + 1, sizeof *at);
    size_t                    n = 0;
    struct slice              name;
    enum code                 code = metric_name(&j->p, hints->type_config, &name, j->why);

    at[n++] = (struct label){ SLICE("__name__"), name };
    for (size_t i = 0; i < j->source->labels.n; i++)
        if (!slice_is(j->source->labels.at[i].name, "__name__"))
            at[n++] = j->source->labels.at[i];
    *labels = (struct labels){ at, n };
    return code;
}

static enum code tables_get(struct job *j, struct slice bytes, struct arena *a)
{
    const struct pprof_hints *hints = &j->source->hints;
    struct labels             labels = j->source->labels;
    enum code                 code = pprof_read(bytes, j->limits, j->scratch, a, &j->p, j->why);

    if (code != CODE_OK)
        return code;
    if (hints->is_legacy) {
        code = pprof_fix_legacy(&j->p, hints, config_is_dashed(hints->type_config), j->why);
        if (code != CODE_OK || (code = name_legacy(j, &labels)) != CODE_OK)
            return code;
    }
    j->stated_ns = j->p.time_ns;
    if (j->p.time_ns <= 0)
        j->p.time_ns = j->source->now_ns;
    if ((code = pprof_check_whole(&j->p, labels, j->why)) != CODE_OK ||
        (code = pprof_check_tables(&j->p, j->why)) != CODE_OK)
        return code;
    return labels_prepare(labels, j->limits, j->scratch, &j->labels, j->why);
}

static bool is_within(struct go_depths d, uint32_t depth) { return depth >= d.least && depth <= d.most; }

/*
 * Samples of Go may have to be read as they were sent, to be repaired.  Whether they must is known for sure only once
 * all are read; the longest tells beforehand, and when it was wrong they are read again.  Which language it is takes a
 * look at many strings, so that is asked last.
 */
static enum code samples_get(struct job *j, struct symbols *symbols, struct samples *s)
{
    struct pprof    *p = &j->p;
    struct go_depths cut = go_depths_of_cut(p);
    bool             is_go = p->has_brackets && language_is_go(p, j->labels);
    bool             is_guessed = is_within(cut, samples_depth(p->longest_sample));
    enum code        code = CODE_OK;

    if (is_go)
        go_shapes_drop(p);
    symbols_resolve(p, symbols);
    if (!is_guessed) {
        code = samples_read(p, &symbols->locations, false, j->labels, s, j->why);
        if (code != CODE_OK || !is_within(cut, s->depth_max))
            return code;
    }
    if (!is_go && !language_is_go(p, j->labels))
        return is_guessed ? samples_read(p, &symbols->locations, false, j->labels, s, j->why) : CODE_OK;
    struct symbols_sent sent = symbols_as_sent(p, symbols);
    code = samples_read(p, &sent.locations, true, j->labels, s, j->why);
    if (code == CODE_OK && is_within(cut, s->depth_max))
        go_stacks_repair(sent.order, s);
    return code;
}

/* What makes a second sending of the same profile the same: architecture.md §5. */
static struct hash128 key_of(const struct job *j)
{
    struct hash128 body = hash128(j->body.p, j->body.n);
    struct label   parts[] = { { SLICE("tenant"), j->source->tenant }, { SLICE("id"), j->source->client_id } };
    uint64_t       numbers[] = { body.lo, body.hi, (uint64_t)j->stated_ns, j->source->ordinal };
    struct buf     b = { 0 };

    buf_put(&b, numbers, sizeof numbers);
    labels_encode(&b, (struct labels){ parts, 2 });
    labels_encode(&b, j->labels);
    struct hash128 key = hash128(b.p, b.n);
    buf_free(&b);
    return key;
}

static enum code decode(struct job *j, struct slice bytes, struct arena *a, struct batch *out)
{
    struct symbols symbols;
    struct samples s;
    struct split   split;
    enum code      code = tables_get(j, bytes, a);

    if (code != CODE_OK || (code = samples_get(j, &symbols, &s)) != CODE_OK || s.n == 0)
        return code;
    build_ids_extend(&j->p, j->labels);
    if ((code = split_make(&j->p, &s, j->labels, &split, j->why)) != CODE_OK)
        return code;
    out->tenant = arena_copy(a, j->source->tenant);
    out->key = key_of(j);
    out->received_ns = j->source->now_ns;
    return pprof_batch(&j->p, &s, &split, j->labels, out, j->why);
}

enum code ingest_pprof(struct slice body, const struct ingest_source *source, const struct decode_limits *limits,
                       struct arena *a, struct batch *out, size_t *raw_bytes, struct fault *why)
{
    size_t       scratch = body.n < SCRATCH_MAX / SCRATCH_FACTOR ? body.n * SCRATCH_FACTOR + SCRATCH_MIN : SCRATCH_MAX;
    struct job   j = { .body = body, .source = source, .limits = limits, .scratch = scratch_take(scratch), .why = why };
    struct slice bytes;
    struct arena_mark mark = arena_mark(a);

    *out = (struct batch){ 0 };
    *raw_bytes = 0;
    enum code code = inflate(&j, &bytes);
    if (code == CODE_OK) {
        *raw_bytes = bytes.n;
        arena_reserve(a, bytes.n * BATCH_FACTOR);
        code = decode(&j, bytes, a, out);
    }
    if (code != CODE_OK || out->n_rows == 0) { /* nothing to be stored: refused, or dropped as a whole */
        arena_rewind(a, mark);
        *out = (struct batch){ 0 };
    }
    scratch_give(j.scratch);
    return code;
}
