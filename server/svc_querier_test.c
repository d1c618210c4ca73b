/*
 * Goal: every check of a question for stacks answers with Pyroscope's code and words, and good ones with its numbers: flame graphs, trees,
 * profiles, diffs.
 * Method: test_querier.h.
 */
#include "server/test_querier.h"

static Querier__V1__SelectMergeStacktracesRequest stacks_request(void)
{
    Querier__V1__SelectMergeStacktracesRequest m = QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST__INIT;

    m.profile_typeid = (char *)CPU;
    m.label_selector = (char *)"{}";
    m.start = T0_MS - 60000;
    m.end = T0_MS + 300000;
    return m;
}

static void stacks_refused(void)
{
    static const char *type_form = "profile-type selection must be of the form <name>:<sample-type>:<sample-unit>:"
                                   "<period-type>:<period-unit>(:delta), got(2): \"a:b\".";
    char              *spans[] = { (char *)"00000000000000a1" }, *short_spans[] = { (char *)"a1" };
    char              *traces[] = { (char *)"00000000000000000000000000000000" },
         *uuids[] = { (char *)"7c9e6679-7425-40de-944b-e07fc1f90ae7" };
    char                                      *bad_uuids[] = { (char *)"7c9e6679x7425-40de-944b-e07fc1f90ae7" };
    Querier__V1__SelectMergeStacktracesRequest m;

#define REFUSED(change, code, text)                                                                                    \
    m = stacks_request();                                                                                              \
    change;                                                                                                            \
    refused("SelectMergeStacktraces", &m, code, text)

    REFUSED(m.start = 0, CODE_INVALID_ARGUMENT, "missing time range in the query");
    REFUSED(m.start = m.end + 1, CODE_INVALID_ARGUMENT, "query start time is after end time");
    REFUSED(m.profile_typeid = (char *)"a:b", CODE_INVALID_ARGUMENT, type_form);
    REFUSED(m.label_selector = (char *)"", CODE_INVALID_ARGUMENT,
            "parsing label selector \"\": unknown position: parse error: unexpected end of input");
    REFUSED(m.label_selector = (char *)"{foo=\"bar\"", CODE_INVALID_ARGUMENT,
            "parsing label selector \"{foo=\\\"bar\\\"\": 1:11: parse error: unexpected end of input inside braces");
    m = stacks_request();
    m._max_nodes_case = QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST___MAX_NODES_MAX_NODES;
    m.max_nodes = -1;
    refused("SelectMergeStacktraces", &m, CODE_INVALID_ARGUMENT,
            "max flamegraph nodes limit must be set (max allowed 1048576)");
    m.max_nodes = 1048577;
    refused("SelectMergeStacktraces", &m, CODE_INVALID_ARGUMENT,
            "max flamegraph nodes limit 1048577 is greater than allowed 1048576");
    REFUSED((m.span_selector = spans, m.n_span_selector = 1, m.trace_id_selector = traces, m.n_trace_id_selector = 1),
            CODE_INVALID_ARGUMENT, "span_selector and trace_id_selector cannot be combined");
    REFUSED((m.span_selector = spans, m.n_span_selector = 1), CODE_UNIMPLEMENTED, "span_selector is not implemented");
    REFUSED((m.span_selector = short_spans, m.n_span_selector = 1), CODE_INVALID_ARGUMENT,
            "span_selector: \"a1\" is not 16 hex digits");
    REFUSED((m.trace_id_selector = spans, m.n_trace_id_selector = 1), CODE_INVALID_ARGUMENT,
            "trace_id_selector: \"00000000000000a1\" is not 32 hex digits");
    REFUSED((m.profile_id_selector = uuids, m.n_profile_id_selector = 1), CODE_UNIMPLEMENTED,
            "profile_id_selector is not implemented");
    REFUSED((m.profile_id_selector = bad_uuids, m.n_profile_id_selector = 1), CODE_INVALID_ARGUMENT,
            "profile_id_selector: \"7c9e6679x7425-40de-944b-e07fc1f90ae7\" is not a UUID");
    REFUSED(m.format = QUERIER__V1__PROFILE_FORMAT__PROFILE_FORMAT_DOT, CODE_UNIMPLEMENTED,
            "format PROFILE_FORMAT_DOT is not implemented");
    refused("SelectHeatmap", &m, CODE_UNIMPLEMENTED, "/querier.v1.QuerierService/SelectHeatmap is not implemented");
}

static int64_t stacks_total(const Querier__V1__SelectMergeStacktracesRequest *m, size_t names)
{
    struct call                                  c;
    Querier__V1__SelectMergeStacktracesResponse *r = ask("SelectMergeStacktraces", m, &c);

    assert(r != NULL && r->flamegraph != NULL && r->flamegraph->n_names == names && r->flamegraph->n_levels > 0);
    assert(strcmp(r->flamegraph->names[0], "total") == 0 && r->flamegraph->levels[0]->n_values == 4);
    int64_t total = r->flamegraph->total;
    protobuf_c_message_free_unpacked(&r->base, NULL);
    return total;
}

static void stacks_answered(void)
{
    Querier__V1__SelectMergeStacktracesRequest m = stacks_request();
    Types__V1__StackTraceSelector              site = TYPES__V1__STACK_TRACE_SELECTOR__INIT;
    Types__V1__Location f[2] = { TYPES__V1__LOCATION__INIT, TYPES__V1__LOCATION__INIT }, *at[] = { f, f + 1 };
    struct call         c;

    assert(stacks_total(&m, 6) == 104);
    m.format = (Querier__V1__ProfileFormat)99; /* unknown: the default */
    assert(stacks_total(&m, 6) == 104);
    m.profile_typeid = (char *)CPU ":delta";
    m.stack_trace_selector = &site;
    assert(stacks_total(&m, 6) == 104);
    site.call_site = at, site.n_call_site = 2, f[0].name = (char *)"a", f[1].name = (char *)"b";
    assert(stacks_total(&m, 3) == 40);
    m.label_selector = (char *)"{service_name=\"none\"}";
    assert(stacks_total(&m, 1) == 0);
    m = stacks_request();
    n_tenants = 2;
    assert(stacks_total(&m, 6) == 109);
    n_tenants = 1;

    m.format = QUERIER__V1__PROFILE_FORMAT__PROFILE_FORMAT_TREE;
    m._max_nodes_case = QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST___MAX_NODES_MAX_NODES;
    m.max_nodes = 1;
    Querier__V1__SelectMergeStacktracesResponse *r = ask("SelectMergeStacktraces", &m, &c);
    assert(r->flamegraph == NULL && r->tree.len == 3 + 8 + 4 + 8 && memcmp(r->tree.data + 3, "\5other\x29", 7) == 0);
    protobuf_c_message_free_unpacked(&r->base, NULL);

    limits.max_query_lookback_ns = NS_PER_S; /* T0 is years ago */
    assert(is_bare("SelectMergeStacktraces", &m));
    limits = limits_default;
    limits.max_query_lookback_ns = limits.max_query_length_ns = LIMIT_NONE;
}

static void diffs(void)
{
    Querier__V1__SelectMergeStacktracesRequest l = stacks_request(), r = stacks_request();
    Querier__V1__DiffRequest                   m = QUERIER__V1__DIFF_REQUEST__INIT;
    Querier__V1__DiffResponse                 *d;
    struct call                                c;
    static const int64_t                       root[] = { 0, 104, 0, 0, 40, 0, 0 };

    refused("Diff", &m, CODE_INVALID_ARGUMENT, "left is required");
    m.left = &l;
    refused("Diff", &m, CODE_INVALID_ARGUMENT, "right is required");
    m.right = &r;
    r.start = 0;
    refused("Diff", &m, CODE_INVALID_ARGUMENT, "right: missing time range in the query");
    r = stacks_request();
    l.span_selector = (char *[]){ (char *)"1" }, l.n_span_selector = 1;
    refused("Diff", &m, CODE_INVALID_ARGUMENT, "left: span_selector: \"1\" is not 16 hex digits");
    l = stacks_request();
    l._max_nodes_case = r._max_nodes_case = QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST___MAX_NODES_MAX_NODES;
    l.max_nodes = r.max_nodes = -1;
    refused("Diff", &m, CODE_INVALID_ARGUMENT, "max flamegraph nodes limit must be set (max allowed 1048576)");
    r.max_nodes = 1; /* the larger one: the root alone */
    l.format = QUERIER__V1__PROFILE_FORMAT__PROFILE_FORMAT_DOT;

    Types__V1__StackTraceSelector site = TYPES__V1__STACK_TRACE_SELECTOR__INIT;
    Types__V1__Location           f[2] = { TYPES__V1__LOCATION__INIT, TYPES__V1__LOCATION__INIT }, *at[] = { f, f + 1 };
    site.call_site = at, site.n_call_site = 2, f[0].name = (char *)"a", f[1].name = (char *)"b";
    r.stack_trace_selector = &site;
    d = ask("Diff", &m, &c);
    assert(d->flamegraph->n_names == 2 && strcmp(d->flamegraph->names[1], "other") == 0);
    assert(d->flamegraph->total == 144 && d->flamegraph->max_self == 104 && d->flamegraph->leftticks == 104);
    assert(d->flamegraph->rightticks == 40 && d->flamegraph->n_levels == 2 && d->flamegraph->levels[0]->n_values == 7);
    assert(memcmp(d->flamegraph->levels[0]->values, root, sizeof root) == 0);
    protobuf_c_message_free_unpacked(&d->base, NULL);

    limits.max_query_lookback_ns = NS_PER_S; /* T0 is years ago: nothing to look for on either side */
    d = ask("Diff", &m, &c);
    assert(d->flamegraph->n_levels == 1 && d->flamegraph->n_names == 1 && d->flamegraph->total == 0);
    protobuf_c_message_free_unpacked(&d->base, NULL);
    limits.max_query_lookback_ns = LIMIT_NONE;
}

static Querier__V1__SelectMergeProfileRequest profile_request(void)
{
    Querier__V1__SelectMergeProfileRequest m = QUERIER__V1__SELECT_MERGE_PROFILE_REQUEST__INIT;

    m.profile_typeid = (char *)CPU, m.label_selector = (char *)"{}";
    m.start = T0_MS - 60000, m.end = T0_MS + 300000;
    return m;
}

static void profiles(void)
{
    Querier__V1__SelectMergeProfileRequest m = profile_request();
    Types__V1__StackTraceSelector          site = TYPES__V1__STACK_TRACE_SELECTOR__INIT;
    Types__V1__GoPGO                       pgo = TYPES__V1__GO_PGO__INIT;
    Types__V1__Location                    f = TYPES__V1__LOCATION__INIT, *at[] = { &f };
    struct call                            c;

    m.label_selector = (char *)"";
    refused("SelectMergeProfile", &m, CODE_INVALID_ARGUMENT,
            "parsing label selector \"\": unknown position: parse error: unexpected end of input");
    m = profile_request();
    m.trace_id_selector = (char *[]){ (char *)"x" }, m.n_trace_id_selector = 1;
    refused("SelectMergeProfile", &m, CODE_INVALID_ARGUMENT, "trace_id_selector: \"x\" is not 32 hex digits");
    m = profile_request();
    m._max_nodes_case = QUERIER__V1__SELECT_MERGE_PROFILE_REQUEST___MAX_NODES_MAX_NODES;
    m.max_nodes = -1; /* counts as 0: all */
    site.call_site = at, site.n_call_site = 1, f.name = (char *)"a";
    m.stack_trace_selector = &site;
    Google__V1__Profile *p = ask("SelectMergeProfile", &m, &c);
    assert(p->n_sample == 2 && p->time_nanos == m.end * NS_PER_MS && p->n_function == 3 && p->period == 1000000000);
    protobuf_c_message_free_unpacked(&p->base, NULL);
    site.go_pgo = &pgo, pgo.keep_locations = 1; /* and no call site */
    p = ask("SelectMergeProfile", &m, &c);
    assert(p->n_sample == 4 && p->sample[0]->n_location_id == 1);
    protobuf_c_message_free_unpacked(&p->base, NULL);
    m.label_selector = (char *)"{service_name=\"none\"}";
    assert(is_bare("SelectMergeProfile", &m));

    Querier__V1__SelectMergeStacktracesRequest s = stacks_request();
    s.format = QUERIER__V1__PROFILE_FORMAT__PROFILE_FORMAT_PPROF;
    Querier__V1__SelectMergeStacktracesResponse *r = ask("SelectMergeStacktraces", &s, &c);
    assert(r->flamegraph == NULL && r->pprof->profile->n_sample == 4);
    protobuf_c_message_free_unpacked(&r->base, NULL);
}

int main(void)
{
    world_begin();
    stacks_refused();
    stacks_answered();
    diffs();
    profiles();
    shard_free(shard);
    puts("svc_querier: ok");
    return 0;
}
