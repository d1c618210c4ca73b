#include "loadtest/verify.h"

#include <stdio.h>

#include "base/clock.h"
#include "oracle/answer.h"
#include "oracle/dice.h"

/* LISTED_MAX: profiles whose labels are written out for one question beside the load. */
enum { REQUESTS_OF_A_QUESTION_MAX = 1000, LISTED_MAX = 50000 };

void verdict_fault(struct verifier *v, const struct question *q, const char *method, const char *what)
{
    struct verdict *d = v->verdict;
    struct arena   *a = arena_new(0);
    struct buf      selector = { 0 };

    question_selector(v->oracle.w, q, &selector);
    if (d->n_faults < FAULTS_SHOWN) {
        struct slice tenant = workload_tenant(v->oracle.w, q->like.tenant, a);
        struct slice type = kind_type_id(&workload_spec_of(v->oracle.w)->kinds[q->like.kind], q->type, a);
        snprintf(d->faults[d->n_faults++], FAULT_BYTES, "%s%s%.*s %.*s %.*s [%lld, %lld]: %s", method,
                 tenant.n ? " of tenant " : "", SLICE_ARGS(tenant), SLICE_ARGS(buf_view(&selector)), SLICE_ARGS(type),
                 (long long)(q->from_ns / NS_PER_MS), (long long)(q->to_ns / NS_PER_MS), what);
    }
    buf_free(&selector);
    arena_free(a);
}

/* Puts it; false: no answer.  While the load runs an unanswered question is the server's load, afterwards a fault. */
static bool put(struct verifier *v, const struct question *q, struct ask *ask, struct buf *answer)
{
    struct buf   selector = { 0 };
    struct fault why;

    ask->tenant = workload_tenant(v->oracle.w, q->like.tenant, v->arena);
    if (ask->selector.n == 0) {
        question_selector(v->oracle.w, q, &selector);
        ask->selector = arena_copy(v->arena, buf_view(&selector));
        buf_free(&selector);
    }
    enum code code = ask_now(v->target, ask, answer, &why);
    v->verdict->n_asked++;
    if (code == CODE_OK)
        return true;
    v->verdict->n_unanswered++;
    if (!v->is_beside) {
        v->verdict->is_unreachable |= code == CODE_UNAVAILABLE;
        verdict_fault(v, q, ask->method, why.text);
    }
    return false;
}

static void compare(struct verifier *v, const struct question *q, const char *method, const struct tally *expected,
                    const struct tally *answered)
{
    struct tally_difference d;
    char                    text[256];

    if (tally_equal(expected, answered, &d))
        return;
    v->verdict->n_wrong++;
    snprintf(text, sizeof text,
             "%zu differ of %zu expected; of one there should be %lld and is %lld; in all %lld, not %lld", d.n,
             tally_n(expected), (long long)d.expected, (long long)d.answered, (long long)tally_total(answered),
             (long long)tally_total(expected));
    verdict_fault(v, q, method, text);
}

static void unsound(struct verifier *v, const struct question *q, const char *method, const struct fault *why)
{
    v->verdict->n_wrong++;
    verdict_fault(v, q, method, why->text);
}

/* The window as the API takes it, both ends inside. */
static struct ask ask_of(const struct verifier *v, const struct question *q, const char *method)
{
    return (struct ask){ .method = method,
                         .type_id =
                             kind_type_id(&workload_spec_of(v->oracle.w)->kinds[q->like.kind], q->type, v->arena),
                         .from_ms = q->from_ns / NS_PER_MS,
                         .to_ms = q->to_ns / NS_PER_MS };
}

bool ask_stacks(struct verifier *v, const struct question *q, struct tally *out)
{
    struct ask   ask = ask_of(v, q, "SelectMergeStacktraces");
    struct buf   answer = { 0 };
    struct fault why;

    ask.max_nodes = BOXES_WHOLE;
    bool is_there = put(v, q, &ask, &answer);
    if (is_there && answer_flame(buf_view(&answer), v->arena, out, &why) != CODE_OK) {
        unsound(v, q, ask.method, &why);
        is_there = false;
    }
    buf_free(&answer);
    return is_there;
}

void verify_stacks(struct verifier *v, const struct question *q, struct candidates c)
{
    struct tally *expected = tally_new(), *answered = tally_new();

    if (expect_stacks(&v->oracle, q, c, v->arena, expected) && ask_stacks(v, q, answered)) {
        v->verdict->stacks += (int64_t)tally_n(expected);
        compare(v, q, "SelectMergeStacktraces", expected, answered);
    }
    tally_free(expected);
    tally_free(answered);
    arena_reset(v->arena);
}

void verify_points(struct verifier *v, const struct question *q, struct candidates c, int64_t step_ms)
{
    struct tally *expected = tally_new(), *answered = tally_new();
    struct ask    ask = ask_of(v, q, "SelectSeries");
    struct buf    answer = { 0 };
    struct fault  why;

    ask.from_ms += step_ms; /* its point looks one step back */
    ask.step_ms = step_ms;
    ask.label = SLICE("pod");
    if (expect_points(&v->oracle, q, c, step_ms, v->arena, expected) && put(v, q, &ask, &answer)) {
        v->verdict->points += (int64_t)tally_n(expected);
        if (answer_points(buf_view(&answer), answered, &why) != CODE_OK)
            unsound(v, q, ask.method, &why);
        else
            compare(v, q, ask.method, expected, answered);
    }
    buf_free(&answer);
    tally_free(expected);
    tally_free(answered);
    arena_reset(v->arena);
}

/* ---- sets ---- */

/* Types have no selector, and markers are asked for without one: whatever is the tenant's own is there, nothing else. */
static struct ask ask_for_set(const struct verifier *v, const struct question *q, enum set_kind kind)
{
    struct ask ask = { .method = kind == SET_SERIES  ? "Series"
                                 : kind == SET_TYPES ? "ProfileTypes"
                                                     : "LabelValues",
                       .label = kind == SET_PODS       ? SLICE("pod")
                                : kind == SET_SERVICES ? SLICE("service_name")
                                                       : SLICE("marker"),
                       .labels = series_label_names,
                       .n_labels = SERIES_LABELS,
                       .from_ms = q->from_ns / NS_PER_MS,
                       .to_ms = q->to_ns / NS_PER_MS };

    if (kind == SET_MARKERS && workload_spec_of(v->oracle.w)->tenants > 1)
        ask.selector = SLICE("{}");
    return ask;
}

static enum code set_read(enum set_kind kind, struct slice answer, struct tally *out, struct fault *why)
{
    return kind == SET_SERIES  ? answer_label_sets(answer, out, why)
           : kind == SET_TYPES ? answer_types(answer, out, why)
                               : answer_values(answer, out, why);
}

/* Beside the load: all that is acked, and nothing that was never sent.  A tenant that is not ours alone has other types. */
static void compare_bounds(struct verifier *v, const struct question *q, enum set_kind kind, const struct tally *least,
                           const struct tally *answered)
{
    struct candidates all = { .n = verifier_n(v) };
    struct tally     *most = tally_new();

    bool is_bounded = v->is_beside && kind != SET_TYPES && all.n <= LISTED_MAX;
    if (is_bounded)
        expect_set(&v->oracle, q, all, kind, true, most);
    if (!tally_is_within(least, answered) || (is_bounded && !tally_is_within(answered, most))) {
        v->verdict->n_wrong++;
        verdict_fault(v, q, "a list", "something acked is not in it, or something never sent is");
    }
    tally_free(most);
}

void verify_set(struct verifier *v, uint32_t tenant, struct candidates c, enum set_kind kind)
{
    const struct workload_spec *spec = workload_spec_of(v->oracle.w);
    struct tally               *expected = tally_new(), *answered = tally_new();
    struct question             q = { .like.tenant = tenant };
    struct buf                  answer = { 0 };
    struct fault                why;

    q.from_ns = spec->base_ns - NS_PER_S;
    q.to_ns = *v->used > 0 ? workload_slot_ns(v->oracle.w, *v->used - 1) + NS_PER_S : spec->base_ns;
    struct ask ask = ask_for_set(v, &q, kind);
    expect_set(&v->oracle, &q, c, kind, false,
               expected); /* before the question: later ones may be in the answer or not */
    bool is_there = put(v, &q, &ask, &answer);
    if (is_there && set_read(kind, buf_view(&answer), answered, &why) != CODE_OK)
        unsound(v, &q, ask.method, &why);
    else if (is_there && (v->is_beside || (kind == SET_TYPES && spec->tenants == 1)))
        compare_bounds(v, &q, kind, expected, answered);
    else if (is_there)
        compare(v, &q, ask.method, expected, answered);
    buf_free(&answer);
    tally_free(expected);
    tally_free(answered);
    arena_reset(v->arena);
}

/* ---- random questions ---- */

static uint64_t throw_below(uint64_t *dice, uint64_t n)
{
    *dice = dice_mix(*dice);
    return *dice % n;
}

/*
 * A window around the profile's request, of whole slots that hold nobody who is not settled; `c` are the profiles that may
 * lie in it.  False: there is none yet.
 */
static bool window_draw(const struct verifier *v, uint64_t requests, uint64_t *dice, struct question *q,
                        struct candidates *c)
{
    const struct workload *w = v->oracle.w;
    uint64_t               batch = workload_spec_of(w)->batch, at = q->like.number / batch;
    uint64_t               before = throw_below(dice, REQUESTS_OF_A_QUESTION_MAX / 2);
    uint64_t               behind = throw_below(dice, REQUESTS_OF_A_QUESTION_MAX / 2);
    uint64_t               first = at > before ? at - before : 0, last = at + behind;

    if (last + 1 >= requests)
        last = requests - 2;
    q->from_ns = workload_slot_ns(w, first);
    q->to_ns = workload_slot_ns(w, last + 1); /* its own slot is not in it */
    while (first > 0 && workload_slot_ns(w, first - 1) == q->from_ns)
        first--;
    *c = (struct candidates){ .first = first * batch, .n = (last + 1 - first) * batch };
    return q->from_ns < q->to_ns;
}

void verify_random(struct verifier *v, uint64_t settled, uint64_t dice)
{
    static const unsigned masks[] = { 0, BY_SERVICE, BY_POD, BY_REGION, BY_SERVICE | BY_REGION };
    static const int64_t  steps_ms[] = { 1000, 2000, 5000, 15000 };
    uint64_t              requests = settled / workload_spec_of(v->oracle.w)->batch;
    struct question       q = { 0 };
    struct candidates     c;

    if (requests < 3)
        return;
    q.by = masks[throw_below(&dice, sizeof masks / sizeof *masks)];
    workload_profile(v->oracle.w, throw_below(&dice, settled), &q.like);
    if (workload_boxes_max(v->oracle.w, q.like.kind) > BOXES_WHOLE)
        q.by |= BY_SERVICE;
    q.type = (uint32_t)throw_below(&dice, workload_spec_of(v->oracle.w)->kinds[q.like.kind].n_types);
    uint64_t choice = throw_below(&dice, 10);
    if (choice == 0) {
        c.n = settled < LISTED_MAX ? settled : LISTED_MAX;
        c = (struct candidates){ .first = settled - c.n, .n = c.n };
        verify_set(v, q.like.tenant, c, (enum set_kind)throw_below(&dice, 5));
        return;
    }
    if (!window_draw(v, requests, &dice, &q, &c))
        return;
    int64_t step_ms = steps_ms[throw_below(&dice, 4)], width_ms = (q.to_ns - q.from_ns) / NS_PER_MS;
    if (choice < 4 && width_ms > step_ms) {
        q.to_ns = q.from_ns + width_ms / step_ms * step_ms * NS_PER_MS;
        verify_points(v, &q, c, step_ms);
    } else {
        verify_stacks(v, &q, c);
    }
}
