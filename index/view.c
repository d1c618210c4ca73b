#include "index/view.h"

#include <assert.h>

/* ---- labels that a type adds ---------------------------------------------------------------------------------------- */

bool type_label(const struct type *t, struct slice name, struct slice *value)
{
    if (!slice_starts(name, SLICE("__")))
        return false;
    if (slice_is(name, "__name__"))
        *value = t->name;
    else if (slice_is(name, "__type__"))
        *value = t->sample_type;
    else if (slice_is(name, "__unit__"))
        *value = t->unit;
    else if (slice_is(name, "__period_type__"))
        *value = t->period_type;
    else if (slice_is(name, "__period_unit__"))
        *value = t->period_unit;
    else if (slice_is(name, "__profile_type__"))
        *value = t->id;
    else
        return false;
    return true;
}

struct slice label_alias(struct slice name)
{
    return slice_is(name, "__service_name__") ? SLICE("service_name") : name;
}

bool is_type_label(struct slice name)
{
    static const struct type any;
    struct slice             value;

    return type_label(&any, name, &value);
}

static enum code types_pass(struct view *v, const struct matcher *m, struct fault *why)
{
    for (uint32_t i = 0; i < v->n_types; i++) {
        struct slice value = SLICE("");
        bool         passes;
        if (!v->types[i])
            continue;
        struct type type = bucket_type(v->bucket, i);
        type_label(&type, m->name, &value);
        enum code code = matcher_test(m, value, &passes, why);
        if (code != CODE_OK)
            return code;
        v->types[i] = passes;
    }
    return CODE_OK;
}

/* ---- series by postings --------------------------------------------------------------------------------------------- */

static size_t words_n(const struct view *v) { return (v->n_series + 63) / 64; }

static void set_postings(const struct view *v, uint64_t *set, const struct value *value)
{
    struct ids_walk w;
    const uint32_t *ids;
    uint32_t        n;

    for (ids_of(&w, value); (n = ids_next(&w, &ids)) > 0;)
        for (uint32_t i = 0; i < n; i++)
            if (ids[i] < v->n_series)
                set[ids[i] / 64] |= UINT64_C(1) << ids[i] % 64;
}

/* How a matcher is answered on one label: the values listed or found, whose series are kept or taken off. */
struct plan {
    const struct matcher *m;
    struct values         values;
    const struct slice   *literals;
    size_t                n_literals;
    bool                  has_name, takes_missing, by_literals; /* without the name no series has the label */
    uint64_t              weight; /* literals cost what their postings have; a scan costs its values, last */
};

static enum code plan_make(const struct view *v, const struct matcher *m, struct plan *p, struct fault *why)
{
    bool     is_positive = m->op == MATCH_EQ || m->op == MATCH_RE;
    uint32_t name;

    *p = (struct plan){ .m = m, .has_name = bucket_find_name(v->bucket, label_alias(m->name), &name) };
    enum code code = matcher_takes_missing(m, &p->takes_missing, why);
    if (code != CODE_OK || !p->has_name)
        return code;
    p->values = bucket_values(v->bucket, name);
    p->literals = &m->value;
    p->n_literals = m->op == MATCH_EQ || m->op == MATCH_NE ? 1 : matcher_literals(m, &p->literals);
    /* the literals are what is kept (=, =~) or what is taken off (!=, !~): else, as in foo="" or foo=~"|a", all are tested */
    p->by_literals = p->n_literals > 0 && is_positive != p->takes_missing;
    if (!p->by_literals) {
        p->weight = (UINT64_C(1) << 32) + p->values.n;
        return CODE_OK;
    }
    for (size_t i = 0; i < p->n_literals; i++) {
        struct value value;
        if (bucket_find_value(v->bucket, &p->values, p->literals[i], &value))
            p->weight += value_weight(&value);
    }
    return CODE_OK;
}

/* The series whose value passes; of a matcher that takes missing labels, those whose value does not. */
static enum code plan_union(const struct view *v, const struct plan *p, uint64_t *set, struct fault *why)
{
    if (p->by_literals) {
        for (size_t i = 0; i < p->n_literals; i++) {
            struct value value;
            if (bucket_find_value(v->bucket, &p->values, p->literals[i], &value))
                set_postings(v, set, &value);
        }
        return CODE_OK;
    }
    for (uint32_t i = 0; i < p->values.n; i++) {
        struct value value = bucket_value(v->bucket, &p->values, i);
        bool         passes;
        enum code    code = matcher_test(p->m, value.text, &passes, why);
        if (code != CODE_OK)
            return code;
        if (passes != p->takes_missing)
            set_postings(v, set, &value);
    }
    return CODE_OK;
}

static enum code plan_apply(struct view *v, const struct plan *p, uint64_t *set, struct fault *why)
{
    size_t   words = words_n(v);
    uint64_t any = 0;

    memset(set, 0, words * sizeof *set);
    if (p->has_name) {
        enum code code = plan_union(v, p, set, why);
        if (code != CODE_OK)
            return code;
    }
    for (size_t i = 0; i < words; i++)
        any |= v->series[i] &= p->takes_missing ? ~set[i] : set[i];
    v->is_empty = any == 0;
    return CODE_OK;
}

static void plans_sort(struct plan *at, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && at[k].weight < at[k - 1].weight; k--) {
            struct plan swap = at[k];
            at[k] = at[k - 1];
            at[k - 1] = swap;
        }
}

static bool takes_all_types(const struct view *v)
{
    uint32_t n = 0;

    while (n < v->n_types && v->types[n])
        n++;
    return n == v->n_types;
}

static enum code match(struct view *v, struct fault *why)
{
    size_t    n = 0, n_plans = 0;
    enum code code = CODE_OK;

    for (size_t i = 0; i < v->what->n_selectors; i++)
        n += v->what->selectors[i].n;
    struct plan *plans = arena_array(v->arena, n, sizeof *plans);
    uint64_t    *set = arena_array(v->arena, words_n(v), sizeof *set);
    for (size_t i = 0; i < v->what->n_selectors; i++)
        for (size_t k = 0; k < v->what->selectors[i].n && code == CODE_OK; k++) {
            const struct matcher *m = &v->what->selectors[i].at[k];
            code = is_type_label(m->name) ? types_pass(v, m, why) : plan_make(v, m, &plans[n_plans++], why);
        }
    plans_sort(plans, code == CODE_OK ? n_plans : 0);
    for (size_t i = 0; i < n_plans && code == CODE_OK && !v->is_empty; i++)
        code = plan_apply(v, &plans[i], set, why);
    v->is_settled = v->covers && takes_all_types(v) && bucket_is_all_seen(v->bucket);
    v->takes_all_series = v->is_settled && n_plans == 0 && !v->is_empty;
    return code;
}

/* ---- the view ------------------------------------------------------------------------------------------------------- */

static bool covers(const struct bucket *b, const struct selection *what)
{
    struct bucket_stats all = bucket_stats(b);

    return bucket_is_sealed(b) && what->start_ns <= all.oldest_ns && what->end_ns >= all.newest_ns;
}

enum code view_open(struct view *v, const struct bucket *b, const struct selection *what, struct fault *why)
{
    *v = (struct view){ .bucket = b, .what = what, .arena = arena_new(0) };
    v->n_batches = atomic_load_explicit(&b->n_batches, memory_order_acquire); /* V1 */
    v->n_series = bucket_series_n(b);
    v->n_types = bucket_types_n(b);
    v->types = arena_array(v->arena, v->n_types, sizeof *v->types);
    v->series = arena_array(v->arena, words_n(v), sizeof *v->series);
    v->covers = covers(b, what);
    v->is_empty = v->n_series == 0 || what->start_ns >= b->end_ns || what->end_ns < b->start_ns;
    memset(v->series, 0xFF, words_n(v) * sizeof *v->series);
    for (uint32_t i = 0; i < v->n_types; i++)
        v->types[i] = what->profile_type.p == NULL || slice_eq(what->profile_type, bucket_type(b, i).id);
    return match(v, why);
}

void view_close(struct view *v) { arena_free(v->arena); }

uint32_t view_n(const struct view *v)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < v->n_series / 64 && !v->is_empty; i++)
        n += (uint32_t)__builtin_popcountll(v->series[i]);
    if (v->n_series % 64 > 0 && !v->is_empty)
        n += (uint32_t)__builtin_popcountll(v->series[v->n_series / 64] << (64 - v->n_series % 64));
    return n;
}

uint32_t view_next(const struct view *v, uint32_t at)
{
    while (at < v->n_series && !v->is_empty) {
        uint64_t word = v->series[at / 64] >> at % 64;
        if (word != 0) {
            at += (uint32_t)__builtin_ctzll(word);
            return at < v->n_series ? at : v->n_series;
        }
        at = (at / 64 + 1) * 64;
    }
    return v->n_series;
}

uint32_t view_group_next(const struct view *v, uint32_t group, uint32_t *at)
{
    for (uint32_t n = group_series_n(v->bucket, group); *at < n;) {
        uint32_t id = group_series_at(v->bucket, group, (*at)++);
        if (view_has(v, id))
            return id;
    }
    return v->n_series;
}

struct point_walk view_points(const struct view *v, const struct stream_read *s)
{
    bool is_in = s->type < v->n_types && v->types[s->type];
    return (struct point_walk){ v, points_of(v->bucket, s), !is_in };
}

const struct point *point_next(struct point_walk *w)
{
    const struct selection *what = w->view->what;
    const struct point     *p;

    while (!w->is_over && (p = points_next(&w->all)) != NULL) {
        if (p->batch >= w->view->n_batches)
            break; /* not whole yet when the view was opened; nor are those behind it */
        if (p->time_ns >= what->start_ns && p->time_ns <= what->end_ns)
            return p;
    }
    w->is_over = true;
    return NULL;
}

bool view_has_stream(const struct view *v, const struct stream_read *s)
{
    if (v->covers)
        return v->types[s->type] && s->points != s->points_end;
    struct point_walk w = view_points(v, s);
    return point_next(&w) != NULL;
}

static bool has_point(const struct view *v, uint32_t series)
{
    struct streams_walk w = bucket_streams(v->bucket, series);
    struct stream_read  stream;

    while (stream_next(&w, &stream))
        if (view_has_stream(v, &stream))
            return true;
    return false;
}

void view_settle(struct view *v)
{
    for (uint32_t i = v->is_settled ? v->n_series : view_next(v, 0); i < v->n_series; i = view_next(v, i + 1))
        if (!has_point(v, i))
            v->series[i / 64] &= ~(UINT64_C(1) << i % 64);
}

const bool *view_types_seen(const struct view *v)
{
    if (v->takes_all_series)
        return v->types;
    bool    *seen = arena_zalloc(v->arena, v->n_types);
    uint32_t unseen = 0;

    for (uint32_t i = 0; i < v->n_types; i++)
        unseen += v->types[i];
    for (uint32_t i = view_next(v, 0); i < v->n_series && unseen > 0; i = view_next(v, i + 1)) {
        struct streams_walk w = bucket_streams(v->bucket, i);
        struct stream_read  s;
        while (stream_next(&w, &s))
            if (s.type < v->n_types && !seen[s.type] && view_has_stream(v, &s)) {
                seen[s.type] = true;
                unseen--;
            }
    }
    return seen;
}
