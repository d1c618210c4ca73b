/* querier.v1.QuerierService: what Grafana asks.  Checks and messages as in pyroscope-query.md §2. */
#include <ctype.h>

#include "base/clock.h"
#include "proto/querier.pb-c.h"
#include "server/principal.h"
#include "server/querier_reply.h"
#include "server/services.h"
#include "server/time_range.h"

enum { REQUEST_BYTES_MAX = 4 << 20, HOUR_MS = 3600 * 1000 };

/* 285 years: nanoseconds since 1970 reach no further, so a longer step is one step, and a start before is as good as this. */
#define FAR_MS INT64_C(9000000000000)

static void profile_types(struct call *c, const ProtobufCMessage *request)
{
    static const Querier__V1__ProfileTypesResponse empty = QUERIER__V1__PROFILE_TYPES_RESPONSE__INIT;

    const Querier__V1__ProfileTypesRequest *m = (const void *)request;
    struct ask                             *a = ask_new(c, ASK_TYPES);
    int64_t                                 now_ms = clock_real_ns() / NS_PER_MS;
    bool                                    is_last_hour = m->start == 0 && m->end == 0;

    ask_range(a, is_last_hour ? now_ms - HOUR_MS : m->start, is_last_hour ? now_ms : m->end);
    ask_run(a, reply_types, &empty.base);
}

/* Without a range it asks about the last hour. */
static bool profile_types_is_quick(struct call *c, const ProtobufCMessage *request)
{
    const Querier__V1__ProfileTypesRequest *m = (const void *)request;

    return ask_is_quick(c, m->start, m->end == 0 ? INT64_MAX : m->end, NULL, 0);
}

static const char list_fault[] = "parsing label selector: failed to parse label selector";

static void label_names(struct call *c, const ProtobufCMessage *request)
{
    static const Types__V1__LabelNamesResponse empty = TYPES__V1__LABEL_NAMES_RESPONSE__INIT;

    const Types__V1__LabelNamesRequest *m = (const void *)request;
    struct ask                         *a = ask_new(c, ASK_LABEL_NAMES);

    ask_range(a, m->start, m->end);
    ask_matchers(a, m->matchers, m->n_matchers, list_fault);
    ask_run(a, reply_label_names, &empty.base);
}

static bool label_names_is_quick(struct call *c, const ProtobufCMessage *request)
{
    const Types__V1__LabelNamesRequest *m = (const void *)request;

    return ask_is_quick(c, m->start, m->end, m->matchers, m->n_matchers);
}

static void label_values(struct call *c, const ProtobufCMessage *request)
{
    static const Types__V1__LabelValuesResponse empty = TYPES__V1__LABEL_VALUES_RESPONSE__INIT;

    const Types__V1__LabelValuesRequest *m = (const void *)request;
    struct ask                          *a = ask_new(c, ASK_LABEL_VALUES);

    if (m->name[0] == '\0')
        ask_fail(a, CODE_INVALID_ARGUMENT, "name is required");
    ask_range(a, m->start, m->end);
    ask_matchers(a, m->matchers, m->n_matchers, list_fault);
    a->question.label = slice_of(m->name);
    ask_run(a, reply_label_values, &empty.base);
}

static bool label_values_is_quick(struct call *c, const ProtobufCMessage *request)
{
    const Types__V1__LabelValuesRequest *m = (const void *)request;

    return ask_is_quick(c, m->start, m->end, m->matchers, m->n_matchers);
}

static void series(struct call *c, const ProtobufCMessage *request)
{
    static const Querier__V1__SeriesResponse empty = QUERIER__V1__SERIES_RESPONSE__INIT;

    const Querier__V1__SeriesRequest *m = (const void *)request;
    struct ask                       *a = ask_new(c, ASK_SERIES);
    struct slice                     *names = ask_texts(a, m->label_names, m->n_label_names);
    size_t                            n = 0;

    ask_range(a, m->start, m->end);
    ask_matchers(a, m->matchers, m->n_matchers, "failed to parse label selector");
    for (size_t i = 0; i < m->n_label_names; i++)
        if (a->shows_utf8 || is_plain_label_name(names[i]))
            names[n++] = names[i];
    a->question.names = names;
    a->question.n_names = n; /* as upstream: when only hidden names were asked for, all labels come back */
    ask_run(a, reply_series, &empty.base);
}

/* Exact function names from the root; an empty list filters nothing. */
static void ask_call_site(struct ask *a, const Types__V1__StackTraceSelector *s)
{
    if (s == NULL || s->n_call_site == 0)
        return;
    struct slice *names = arena_array(a->arena, s->n_call_site, sizeof *names);
    for (size_t i = 0; i < s->n_call_site; i++)
        names[i] = slice_of(s->call_site[i]->name);
    a->question.call_site = names;
    a->question.n_call_site = s->n_call_site;
}

static void ask_max_nodes(struct ask *a, int64_t wanted)
{
    const struct limits *l = &principal_of(a->call)->limits;
    int64_t              most = l->max_flamegraph_nodes_max;

    if (wanted < 0)
        ask_fail(a, CODE_INVALID_ARGUMENT, "max flamegraph nodes limit must be set (max allowed %lld)",
                 (long long)most);
    else if (most > 0 && wanted > most)
        ask_fail(a, CODE_INVALID_ARGUMENT, "max flamegraph nodes limit %lld is greater than allowed %lld",
                 (long long)wanted, (long long)most);
    a->max_nodes = wanted ? wanted : l->max_flamegraph_nodes_default;
}

/* `n` ids of `digits` hex digits each, dashes at their places when it is a UUID. */
static void ask_ids(struct ask *a, const char *field, char *const *ids, size_t n, size_t digits)
{
    static const char uuid[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < n; i++) {
        size_t at = 0, length = digits ? digits : sizeof uuid - 1;
        while (at < length &&
               (digits == 0 && uuid[at] == '-' ? ids[i][at] == '-' : isxdigit((unsigned char)ids[i][at])))
            at++;
        if (at < length || ids[i][at] != '\0')
            ask_fail(a, CODE_INVALID_ARGUMENT, "%s: \"%.40s\" is not %s", field, ids[i],
                     digits == 0    ? "a UUID"
                     : digits == 16 ? "16 hex digits"
                                    : "32 hex digits");
    }
    if (n > 0)
        ask_fail(a, CODE_UNIMPLEMENTED, "%s is not implemented", field);
}

typedef Querier__V1__SelectMergeStacktracesRequest stacktraces_request;

static int64_t max_nodes_of(const stacktraces_request *m) { return m != NULL && m->_max_nodes_case ? m->max_nodes : 0; }

/* The stacks as a pprof, with no limit but the one asked for; what Go's compiler wants beats a call site. */
static void ask_pprof(struct ask *a, int64_t max_nodes, const Types__V1__StackTraceSelector *s)
{
    a->pprof = (struct pprof_form){ .type = a->type, .time_ns = a->question.end_ns, .max_nodes = max_nodes };
    if (s == NULL || s->go_pgo == NULL)
        return;
    a->pprof.is_for_pgo = true;
    a->pprof.keep_locations = s->go_pgo->keep_locations;
    a->pprof.are_callees_one = s->go_pgo->aggregate_callees;
    a->question.n_call_site = 0;
}

static void select_merge_profile(struct call *c, const ProtobufCMessage *request)
{
    static const Google__V1__Profile empty = GOOGLE__V1__PROFILE__INIT;

    const Querier__V1__SelectMergeProfileRequest *m = (const void *)request;
    struct ask                                   *a = ask_new(c, ASK_PROFILE);

    ask_range(a, m->start, m->end);
    ask_type(a, m->profile_typeid);
    ask_selector(a, m->label_selector);
    ask_call_site(a, m->stack_trace_selector);
    ask_ids(a, "profile_id_selector", m->profile_id_selector, m->n_profile_id_selector, 0);
    ask_ids(a, "trace_id_selector", m->trace_id_selector, m->n_trace_id_selector, 32);
    ask_pprof(a, m->_max_nodes_case ? m->max_nodes : 0, m->stack_trace_selector);
    ask_run(a, reply_profile, &empty.base);
}

/* What the flame graph and either side of a difference have in common. */
static struct ask *ask_stacktraces(struct call *c, enum question_kind kind, const stacktraces_request *m)
{
    struct ask *a = ask_new(c, kind);

    ask_range(a, m->start, m->end);
    ask_type(a, m->profile_typeid);
    ask_selector(a, m->label_selector);
    ask_call_site(a, m->stack_trace_selector);
    if (m->n_span_selector > 0 && m->n_trace_id_selector > 0)
        ask_fail(a, CODE_INVALID_ARGUMENT, "span_selector and trace_id_selector cannot be combined");
    ask_ids(a, "profile_id_selector", m->profile_id_selector, m->n_profile_id_selector, 0);
    ask_ids(a, "span_selector", m->span_selector, m->n_span_selector, 16);
    ask_ids(a, "trace_id_selector", m->trace_id_selector, m->n_trace_id_selector, 32);
    return a;
}

static void select_merge_stacktraces(struct call *c, const ProtobufCMessage *request)
{
    static const Querier__V1__SelectMergeStacktracesResponse empty =
        QUERIER__V1__SELECT_MERGE_STACKTRACES_RESPONSE__INIT;

    const stacktraces_request *m = (const void *)request;
    bool                       is_pprof = m->format == QUERIER__V1__PROFILE_FORMAT__PROFILE_FORMAT_PPROF;
    struct ask                *a = ask_stacktraces(c, is_pprof ? ASK_PROFILE : ASK_TREE, m);
    int64_t                    max_nodes = max_nodes_of(m);

    a->format = (int)m->format; /* an unknown number is the default, as an unknown name is */
    if (m->format == QUERIER__V1__PROFILE_FORMAT__PROFILE_FORMAT_DOT)
        ask_fail(a, CODE_UNIMPLEMENTED, "format PROFILE_FORMAT_DOT is not implemented");
    if (is_pprof)
        ask_pprof(a, max_nodes, m->stack_trace_selector);
    else
        ask_max_nodes(a, max_nodes);
    ask_run(a, is_pprof ? reply_pprof : reply_stacktraces, &empty.base);
}

/* One side; a fault says which. */
static struct ask *ask_side(struct call *c, const char *side, const stacktraces_request *m)
{
    struct ask  *a = m != NULL ? ask_stacktraces(c, ASK_TREE, m) : ask_new(c, ASK_TREE);
    struct fault inner = a->why;

    if (m == NULL)
        ask_fail(a, CODE_INVALID_ARGUMENT, "%s is required", side);
    else if (inner.code != CODE_OK)
        fail(&a->why, inner.code, "%s: %.440s", side, inner.text);
    return a;
}

/* The formats of the sides mean nothing here, and the larger max_nodes counts for both. */
static void diff(struct call *c, const ProtobufCMessage *request)
{
    const Querier__V1__DiffRequest *m = (const void *)request;
    struct ask                     *left = ask_side(c, "left", m->left), *right = ask_side(c, "right", m->right);
    int64_t                         l = max_nodes_of(m->left), r = max_nodes_of(m->right);

    ask_max_nodes(left, l > r ? l : r);
    ask_run_pair(left, right, reply_diff);
}

static int64_t between(int64_t v, int64_t least, int64_t most) { return v < least ? least : v > most ? most : v; }

/* T = start + k * step <= end; the scan begins one step before the first T and ends with the last. */
static void ask_steps(struct ask *a, double step_s)
{
    struct question *q = &a->question;

    if (!(step_s >= 0.001))
        ask_fail(a, CODE_INVALID_ARGUMENT, "step must be >= 1ms");
    if (a->why.code != CODE_OK || a->is_empty)
        return;
    q->step_ms = step_s * 1000 >= (double)FAR_MS ? FAR_MS : (int64_t)(step_s * 1000);
    q->first_ms = between(a->start_ms, -FAR_MS, FAR_MS);
    int64_t end_ms = between(a->end_ms, -FAR_MS, FAR_MS);
    int64_t last_ms = end_ms - (end_ms - q->first_ms) % q->step_ms;
    int64_t last_ns = ms_to_ns(last_ms) + NS_PER_MS - 1; /* times are cut to milliseconds */
    q->start_ns = ms_to_ns(q->first_ms - q->step_ms);
    q->end_ns = last_ns < ms_to_ns(end_ms) ? last_ns : ms_to_ns(end_ms);
}

static void ask_exemplars(struct ask *a, Types__V1__ExemplarType type)
{
    switch (type) {
    case TYPES__V1__EXEMPLAR_TYPE__EXEMPLAR_TYPE_UNSPECIFIED:
    case TYPES__V1__EXEMPLAR_TYPE__EXEMPLAR_TYPE_NONE:
        return;
    case TYPES__V1__EXEMPLAR_TYPE__EXEMPLAR_TYPE_INDIVIDUAL:
        ask_fail(a, CODE_UNIMPLEMENTED, "exemplar type EXEMPLAR_TYPE_INDIVIDUAL is not implemented");
        return;
    case TYPES__V1__EXEMPLAR_TYPE__EXEMPLAR_TYPE_SPAN:
        ask_fail(a, CODE_UNIMPLEMENTED, "exemplar type EXEMPLAR_TYPE_SPAN is not implemented");
        return;
    default:
        ask_fail(a, CODE_INVALID_ARGUMENT, "unknown exemplar type: %d", (int)type);
    }
}

static void select_series(struct call *c, const ProtobufCMessage *request)
{
    static const Querier__V1__SelectSeriesResponse empty = QUERIER__V1__SELECT_SERIES_RESPONSE__INIT;

    const Querier__V1__SelectSeriesRequest *m = (const void *)request;
    struct ask                             *a = ask_new(c, ASK_POINTS);

    ask_range(a, m->start, m->end);
    ask_type(a, m->profile_typeid);
    ask_selector(a, m->label_selector);
    ask_steps(a, m->step);
    ask_exemplars(a, m->exemplar_type);
    ask_call_site(a, m->stack_trace_selector);
    a->question.names = ask_texts(a, m->group_by, m->n_group_by);
    a->question.n_names = m->n_group_by;
    a->is_mean = m->_aggregation_case &&
                 m->aggregation == TYPES__V1__TIME_SERIES_AGGREGATION_TYPE__TIME_SERIES_AGGREGATION_TYPE_AVERAGE;
    a->limit = m->_limit_case ? m->limit : 0;
    ask_run(a, reply_points, &empty.base);
}

static void not_implemented(struct call *c, const ProtobufCMessage *request)
{
    struct fault why;

    (void)request;
    fail(&why, CODE_UNIMPLEMENTED, "%.*s is not implemented", SLICE_ARGS(call_path(c)));
    call_fail(c, &why);
}

#define ROW_QUICK(name, request, response, fn, is_quick)                                                               \
    {                                                                                                                  \
        "/querier.v1.QuerierService/" name, &request##__descriptor, &response##__descriptor, LANE_QUERY,               \
            REQUEST_BYTES_MAX, fn, is_quick                                                                            \
    }
#define ROW(name, request, response, fn) ROW_QUICK(name, request, response, fn, NULL)

static const struct method methods[] = {
    ROW_QUICK("ProfileTypes", querier__v1__profile_types_request, querier__v1__profile_types_response, profile_types, profile_types_is_quick),
    ROW_QUICK("LabelNames", types__v1__label_names_request, types__v1__label_names_response, label_names, label_names_is_quick),
    ROW_QUICK("LabelValues", types__v1__label_values_request, types__v1__label_values_response, label_values, label_values_is_quick),
    ROW("Series", querier__v1__series_request, querier__v1__series_response, series),
    ROW("SelectMergeStacktraces", querier__v1__select_merge_stacktraces_request,
        querier__v1__select_merge_stacktraces_response, select_merge_stacktraces),
    ROW("SelectSeries", querier__v1__select_series_request, querier__v1__select_series_response, select_series),
    ROW("SelectMergeSpanProfile", querier__v1__select_merge_span_profile_request,
        querier__v1__select_merge_span_profile_response, not_implemented),
    ROW("SelectMergeProfile", querier__v1__select_merge_profile_request, google__v1__profile, select_merge_profile),
    ROW("SelectHeatmap", querier__v1__select_heatmap_request, querier__v1__select_heatmap_response, not_implemented),
    ROW("Diff", querier__v1__diff_request, querier__v1__diff_response, diff),
    ROW("GetProfileStats", types__v1__get_profile_stats_request, types__v1__get_profile_stats_response,
        not_implemented),
    ROW("AnalyzeQuery", querier__v1__analyze_query_request, querier__v1__analyze_query_response, not_implemented),
};

const struct method *querier_methods(size_t *n)
{
    *n = sizeof methods / sizeof *methods;
    return methods;
}
