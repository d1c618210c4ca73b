#include "query/partial.h"

#include <assert.h>

#include "base/clock.h"
#include "index/block.h"
#include "index/naming.h"
#include "index/select.h"
#include "model/matcher.h"
#include "shard/shard.h"

/* One question on its way over the buckets. */
struct walk {
    const struct question *question;
    struct selection       selection;
    struct partial        *into;
    struct label          *tuple; /* [n_names]: of the stream being opened */
    struct naming         *names; /* of ASK_PROFILE */
};

/* The group_by tuple: in request order, without the labels that are absent. */
static void *stream_open(void *arg, struct labels labels)
{
    struct walk  *w = arg;
    struct labels tuple = { w->tuple, 0 };

    for (size_t i = 0; i < w->question->n_names; i++) {
        struct slice value = labels_get(labels, w->question->names[i]);
        if (value.n > 0)
            w->tuple[tuple.n++] = (struct label){ w->question->names[i], value };
    }
    return points_group(w->into->points, tuple);
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* The k whose (T - step, T] holds the time, T = first + k * step; T = first also takes what lies before. */
static int64_t slot_of(const struct question *q, int64_t time_ns)
{
    int64_t since, time_ms = floor_div(time_ns, NS_PER_MS);

    if (__builtin_sub_overflow(time_ms, q->first_ms, &since) || since <= 0)
        return 0;
    return (since - 1) / q->step_ms + 1;
}

static void stream_point(void *arg, void *stream, int64_t time_ns, int64_t total)
{
    const struct walk *w = arg;

    points_add(stream, slot_of(w->question, time_ns), total, 1);
}

static enum code bucket_ask(struct walk *w, const struct bucket *b, struct fault *why)
{
    const struct question  *q = w->question;
    const struct selection *s = &w->selection;
    const struct point_sink sink = { .arg = w, .open = stream_open, .point = stream_point };

    switch (q->kind) {
    case ASK_TYPES:
        return select_types(b, s, w->into->set, why);
    case ASK_LABEL_NAMES:
        return select_label_names(b, s, w->into->set, why);
    case ASK_LABEL_VALUES:
        return select_label_values(b, s, q->label, w->into->set, why);
    case ASK_SERIES:
        return select_series(b, s, q->names, q->n_names, w->into->set, why);
    case ASK_TREE:
        return select_tree(b, s, w->into->tree, why);
    case ASK_POINTS:
        return select_points(b, s, &sink, why);
    case ASK_PROFILE:
        return select_profile(b, s, w->names, why);
    }
    return fail(why, CODE_INTERNAL, "question of unknown kind %d", (int)q->kind);
}

static enum code tenant_ask(struct walk *w, struct shard *s, struct slice tenant, struct fault *why)
{
    struct pin pin = shard_pin(s, tenant, w->question->start_ns, w->question->end_ns);
    enum code  code = CODE_OK;

    for (size_t i = 0; i < pin.n && code == CODE_OK; i++) {
        if (w->question->is_given_up != NULL && w->question->is_given_up(w->question->asker))
            code = fail(why, CODE_CANCELED, "nobody waits for the answer any more");
        else
            code = bucket_ask(w, pin.buckets[i], why);
        block_rest(pin.buckets[i]); /* not after the last: a question over all files would have all of them in memory */
        if (code == CODE_OK)
            code = partial_check(w->into, why);
    }
    shard_unpin(&pin);
    return code;
}

static void selectors_free(struct selector *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        selector_free(&at[i]);
}

enum code query_local(struct shard *s, const struct question *q, struct partial *into, struct fault *why)
{
    struct arena    *a = arena_new(0);
    struct selector *selectors = arena_array(a, q->n_selectors, sizeof *selectors);
    struct walk      w = { .question = q, .into = into, .tuple = arena_array(a, q->n_names, sizeof(struct label)) };
    enum code        code = shard_check_loaded(s, why);
    size_t           n = 0;

    assert(q->kind == into->kind && (q->kind != ASK_POINTS || q->step_ms > 0));
    while (n < q->n_selectors && code == CODE_OK) {
        code = selector_parse(q->selectors[n], a, &selectors[n], why);
        n += code == CODE_OK;
    }
    w.selection = (struct selection){
        .start_ns = q->start_ns,
        .end_ns = q->end_ns,
        .selectors = selectors,
        .n_selectors = n,
        .profile_type = q->profile_type,
        .call_site = q->call_site,
        .n_call_site = q->n_call_site,
        .names = q->names,
        .n_names = q->n_names,
    };
    if (q->kind == ASK_PROFILE)
        w.names = naming_new(into->tree, PARTIAL_NAME_BYTES_MAX);
    for (size_t i = 0; i < q->n_tenants && code == CODE_OK; i++)
        code = tenant_ask(&w, s, q->tenants[i], why);
    naming_free(w.names);
    selectors_free(selectors, n);
    arena_free(a);
    return code;
}
