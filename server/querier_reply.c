#include "server/querier_reply.h"

#include "model/labels.h"
#include "model/profile_type.h"
#include "proto/querier.pb-c.h"
#include "query/flame.h"
#include "query/series_out.h"

/* Slices of string sets, trees and arenas carry a NUL behind them; others are copied. */
static char *text_of(struct slice s) { return (char *)(uintptr_t)s.p; }

bool is_plain_label_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.n > 0;
}

static Types__V1__ProfileType *type_message(struct slice id, struct arena *a)
{
    Types__V1__ProfileType *m = arena_alloc(a, sizeof *m);
    struct profile_type     t = { 0 };
    struct fault            why;

    types__v1__profile_type__init(m);
    m->id = text_of(id);
    if (profile_type_parse(id, &t, &why) != CODE_OK)
        return m; /* a part of the name held a colon: the id still selects it */
    m->name = text_of(arena_copy(a, t.name));
    m->sample_type = text_of(arena_copy(a, t.sample_type));
    m->sample_unit = text_of(arena_copy(a, t.sample_unit));
    m->period_type = text_of(arena_copy(a, t.period_type));
    m->period_unit = text_of(arena_copy(a, t.period_unit));
    return m;
}

void reply_types(struct ask *a, struct partial *p)
{
    Querier__V1__ProfileTypesResponse m = QUERIER__V1__PROFILE_TYPES_RESPONSE__INIT;
    const struct slice               *ids = strset_sorted(partial_set(p));

    m.n_profile_types = strset_n(partial_set(p));
    m.profile_types = arena_array(a->arena, m.n_profile_types, sizeof *m.profile_types);
    for (size_t i = 0; i < m.n_profile_types; i++)
        m.profile_types[i] = type_message(ids[i], a->arena);
    call_reply(a->call, &m.base);
}

static char **names_of(struct ask *a, struct partial *p, bool only_plain, size_t *n)
{
    const struct slice *names = strset_sorted(partial_set(p));
    uint32_t            all = strset_n(partial_set(p));
    char              **out = arena_array(a->arena, all, sizeof *out);

    *n = 0;
    for (uint32_t i = 0; i < all; i++)
        if (!only_plain || is_plain_label_name(names[i]))
            out[(*n)++] = text_of(names[i]);
    return out;
}

void reply_label_names(struct ask *a, struct partial *p)
{
    Types__V1__LabelNamesResponse m = TYPES__V1__LABEL_NAMES_RESPONSE__INIT;

    m.names = names_of(a, p, !a->shows_utf8, &m.n_names);
    call_reply(a->call, &m.base);
}

void reply_label_values(struct ask *a, struct partial *p)
{
    Types__V1__LabelValuesResponse m = TYPES__V1__LABEL_VALUES_RESPONSE__INIT;

    m.names = names_of(a, p, false, &m.n_names);
    call_reply(a->call, &m.base);
}

static Types__V1__LabelPair **pairs_of(struct labels l, struct arena *a)
{
    Types__V1__LabelPair **out = arena_array(a, l.n, sizeof(Types__V1__LabelPair *));
    Types__V1__LabelPair  *at = arena_array(a, l.n, sizeof *at);

    for (size_t i = 0; i < l.n; i++) {
        types__v1__label_pair__init(&at[i]);
        at[i].name = text_of(l.at[i].name);
        at[i].value = text_of(l.at[i].value);
        out[i] = &at[i];
    }
    return out;
}

/* ---- label sets: joined, as labels_join does ------------------------------------------------------------------------ */

static const char *text_after(const char *text) { return text + strlen(text) + 1; }

static size_t pairs_n(struct slice set)
{
    size_t n = 0;

    for (const char *at = set.p; at < set.p + set.n; at = text_after(text_after(at)))
        n++;
    return n;
}

static bool is_plain_set(struct slice set)
{
    for (const char *at = set.p; at < set.p + set.n; at = text_after(text_after(at)))
        if (!is_plain_label_name(slice_of(at)))
            return false;
    return true;
}

static void plain_only(struct slice set, struct buf *out)
{
    const char *value;

    for (const char *at = set.p; at < set.p + set.n; at = text_after(value)) {
        value = text_after(at);
        if (is_plain_label_name(slice_of(at)))
            buf_put(out, at, (size_t)(text_after(value) - at));
    }
}

/* Hardly ever is there anything to leave out. */
static struct strset *plain_sets(struct strset *set, struct arena *a)
{
    uint32_t       n = strset_n(set), i = 0;
    struct strset *plain;
    struct buf     kept = { 0 };

    while (i < n && is_plain_set(strset_at(set, i)))
        i++;
    if (i == n)
        return set;
    plain = strset_new(a);
    for (i = 0; i < n; i++) {
        kept.n = 0;
        plain_only(strset_at(set, i), &kept);
        strset_add(plain, buf_view(&kept));
    }
    buf_free(&kept);
    return plain;
}

/* Borrows the set's texts. */
static void set_message(struct slice set, struct arena *a, Types__V1__Labels *m)
{
    size_t                n = pairs_n(set);
    Types__V1__LabelPair *pair = arena_array(a, n, sizeof *pair);
    const char           *at = set.p;

    types__v1__labels__init(m);
    m->labels = arena_array(a, n, sizeof(Types__V1__LabelPair *));
    for (; m->n_labels < n; m->n_labels++, pair++) {
        types__v1__label_pair__init(pair);
        pair->name = (char *)(uintptr_t)at;
        pair->value = (char *)(uintptr_t)text_after(at);
        at = text_after(pair->value);
        m->labels[m->n_labels] = pair;
    }
}

void reply_series(struct ask *a, struct partial *p)
{
    Querier__V1__SeriesResponse m = QUERIER__V1__SERIES_RESPONSE__INIT;
    struct strset              *set = a->shows_utf8 ? partial_set(p) : plain_sets(partial_set(p), a->arena);
    const struct slice         *sorted = strset_sorted(set);
    uint32_t                    n = strset_n(set), first = n > 0 && sorted[0].n == 0; /* nothing is left of that one */
    Types__V1__Labels          *at = arena_array(a->arena, n, sizeof *at);

    m.labels_set = arena_array(a->arena, n, sizeof(Types__V1__Labels *));
    for (uint32_t i = first; i < n; i++) {
        set_message(sorted[i], a->arena, &at[i]);
        m.labels_set[m.n_labels_set++] = &at[i];
    }
    call_reply(a->call, &m.base);
}

static char **names_message(const struct flame *f, struct arena *a)
{
    char **names = arena_array(a, f->n_names, sizeof *names);

    for (size_t i = 0; i < f->n_names; i++)
        names[i] = text_of(f->names[i]);
    return names;
}

static Querier__V1__Level **levels_message(const struct flame *f, struct arena *a)
{
    Querier__V1__Level **levels = arena_array(a, f->n_levels, sizeof(Querier__V1__Level *));
    Querier__V1__Level  *at = arena_array(a, f->n_levels, sizeof *at);

    for (size_t i = 0; i < f->n_levels; i++) {
        querier__v1__level__init(&at[i]);
        at[i].n_values = f->levels[i].n;
        at[i].values = f->levels[i].values;
        levels[i] = &at[i];
    }
    return levels;
}

static void flame_message(const struct flame *f, struct arena *a, Querier__V1__FlameGraph *m)
{
    querier__v1__flame_graph__init(m);
    m->n_names = f->n_names;
    m->names = names_message(f, a);
    m->n_levels = f->n_levels;
    m->levels = levels_message(f, a);
    m->total = f->total;
    m->max_self = f->max_self;
}

void reply_stacktraces(struct ask *a, struct partial *p)
{
    Querier__V1__SelectMergeStacktracesResponse m = QUERIER__V1__SELECT_MERGE_STACKTRACES_RESPONSE__INIT;
    Querier__V1__FlameGraph                     graph;
    struct flame                                f;
    struct buf                                  tree = { 0 };

    if (a->format == QUERIER__V1__PROFILE_FORMAT__PROFILE_FORMAT_TREE) {
        flame_tree_bytes(partial_tree(p), a->max_nodes, &tree);
        m.tree = (ProtobufCBinaryData){ .len = tree.n, .data = (uint8_t *)tree.p };
    } else {
        flame_build(partial_tree(p), a->max_nodes, a->arena, &f);
        flame_message(&f, a->arena, &graph);
        m.flamegraph = &graph;
    }
    call_reply(a->call, &m.base);
    buf_free(&tree);
}

void reply_profile(struct ask *a, struct partial *p)
{
    Google__V1__Profile m;
    struct fault        why;

    if (pprof_build(partial_tree(p), &a->pprof, a->arena, &m, &why) == CODE_OK)
        call_reply(a->call, &m.base);
    else
        call_fail(a->call, &why);
}

void reply_pprof(struct ask *a, struct partial *p)
{
    Querier__V1__SelectMergeStacktracesResponse m = QUERIER__V1__SELECT_MERGE_STACKTRACES_RESPONSE__INIT;
    Querier__V1__PprofProfile                   pprof = QUERIER__V1__PPROF_PROFILE__INIT;
    Google__V1__Profile                         profile;
    struct fault                                why;

    m.pprof = &pprof;
    pprof.profile = &profile;
    if (pprof_build(partial_tree(p), &a->pprof, a->arena, &profile, &why) == CODE_OK)
        call_reply(a->call, &m.base);
    else
        call_fail(a->call, &why);
}

void reply_diff(struct ask *a, struct partial *left, struct partial *right)
{
    Querier__V1__DiffResponse   m = QUERIER__V1__DIFF_RESPONSE__INIT;
    Querier__V1__FlameGraphDiff graph = QUERIER__V1__FLAME_GRAPH_DIFF__INIT;
    struct flame                f;

    flame_diff(partial_tree(left), partial_tree(right), a->max_nodes, a->arena, &f);
    graph.n_names = f.n_names;
    graph.names = names_message(&f, a->arena);
    graph.n_levels = f.n_levels;
    graph.levels = levels_message(&f, a->arena);
    graph.total = f.total;
    graph.max_self = f.max_self;
    graph.leftticks = f.ticks[0];
    graph.rightticks = f.ticks[1];
    m.flamegraph = &graph;
    call_reply(a->call, &m.base);
}

static Types__V1__Series *series_message(const struct series_row *row, struct arena *a)
{
    Types__V1__Series *m = arena_alloc(a, sizeof *m);
    Types__V1__Point  *points = arena_array(a, row->n, sizeof *points);

    types__v1__series__init(m);
    m->n_labels = row->labels.n;
    m->labels = pairs_of(row->labels, a);
    m->n_points = row->n;
    m->points = arena_array(a, row->n, sizeof(Types__V1__Point *));
    for (size_t i = 0; i < row->n; i++) {
        types__v1__point__init(&points[i]);
        points[i].value = row->value[i];
        points[i].timestamp = row->time_ms[i];
        m->points[i] = &points[i];
    }
    return m;
}

void reply_points(struct ask *a, struct partial *p)
{
    Querier__V1__SelectSeriesResponse m = QUERIER__V1__SELECT_SERIES_RESPONSE__INIT;
    struct series_row                *rows;

    m.n_series = series_out(p, &a->question, a->is_mean, a->limit, a->arena, &rows);
    m.series = arena_array(a->arena, m.n_series, sizeof(Types__V1__Series *));
    for (size_t i = 0; i < m.n_series; i++)
        m.series[i] = series_message(&rows[i], a->arena);
    call_reply(a->call, &m.base);
}
