/*
 * Goal: every check of the querier service answers with Pyroscope's code and words, and good questions with its numbers.
 * Method: the methods are called as the RPC room would call them, with a call, a router and a worker played by this file
 * over a real shard; the answers are read back from their packed bytes.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/batch_make.h"
#include "proto/querier.pb-c.h"
#include "router/router.h"
#include "server/principal.h"
#include "server/services.h"
#include "shard/shard.h"

#define T0_MS INT64_C(1700000000000)
#define CPU "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

/* ---- the rooms below ------------------------------------------------------------------------------------------------ */

struct call {
    struct arena    *arena;
    struct principal user;
    const char      *accept, *path;
    int              ends;
    struct fault     why;
    uint8_t         *reply; /* packed */
    size_t           reply_n;
};

static struct shard *shard;
static struct app    app;

struct arena *call_arena(struct call *c) { return c->arena; }
void         *call_app(const struct call *c) { return c ? &app : NULL; }
int64_t       call_deadline_ns(const struct call *c) { return c->ends ? 0 : INT64_MAX; }
bool          call_is_cancelled(const struct call *c) { return c->ends > 0; }
struct slice  call_field(const struct call *c, const char *name)
{
    return slice_of(strcmp(name, "accept") ? NULL : c->accept);
}
struct slice call_path(const struct call *c) { return slice_of(c->path); }
void        *call_user(const struct call *c) { return (void *)(uintptr_t)&c->user; }

void call_reply(struct call *c, const ProtobufCMessage *m)
{
    c->ends++;
    c->reply = mem_alloc(protobuf_c_message_get_packed_size(m));
    c->reply_n = protobuf_c_message_pack(m, c->reply);
}

void call_fail(struct call *c, const struct fault *why)
{
    assert(why->code != CODE_OK && why->text[0] != '\0');
    c->ends++;
    c->why = *why;
}

bool rpc_server_run(struct rpc_server *s, enum lane lane, void (*fn)(void *), void *arg)
{
    (void)s;
    (void)lane;
    fn(arg);
    return true;
}

struct shard *router_local(struct router *r)
{
    (void)r;
    return shard;
}

bool router_is_alone(struct router *r)
{
    (void)r;
    return true;
}

void router_scatter(struct router *r, const struct scatter *s)
{
    (void)r;
    s->done(s->arg);
}

/* ---- calling -------------------------------------------------------------------------------------------------------- */

static const struct slice tenants[] = { SLICE("a"), SLICE("b") };

static const struct method *method_of(const char *name)
{
    size_t               n;
    const struct method *m = querier_methods(&n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(strrchr(m[i].path, '/') + 1, name) == 0)
            return &m[i];
    assert(!"no such method");
    return NULL;
}

static struct limits limits; /* of the call to come */
static size_t        n_tenants = 1;
static const char   *accept_field;

/* The answer, unpacked; NULL when it failed: then c->why says why. */
static void *ask(const char *name, const void *request, struct call *c)
{
    const struct method *m = method_of(name);
    void                *answer = NULL;

    *c = (struct call){
        .arena = arena_new(0), .user = { tenants, n_tenants, limits }, .accept = accept_field, .path = m->path
    };
    m->run(c, request);
    assert(c->ends == 1);
    if (c->reply != NULL) {
        answer = protobuf_c_message_unpack(m->response, NULL, c->reply_n, c->reply);
        assert(answer != NULL);
    }
    free(c->reply);
    arena_free(c->arena);
    return answer;
}

static void refused(const char *name, const void *request, enum code code, const char *text)
{
    struct call c;

    assert(ask(name, request, &c) == NULL);
    if (c.why.code != code || strcmp(c.why.text, text) != 0)
        fprintf(stderr, "%s: %d %s\n not %d %s\n", name, c.why.code, c.why.text, code, text),
            assert(!"not as expected");
}

/* Is the answer the message without any field? */
static bool is_bare(const char *name, const void *request)
{
    struct call c;
    void       *answer = ask(name, request, &c);

    assert(answer != NULL);
    protobuf_c_message_free_unpacked(answer, NULL);
    return c.reply_n == 0;
}

/* ---- data ----------------------------------------------------------------------------------------------------------- */

static void push(struct slice tenant, const char *service, const char *labels, int64_t at_s, const char *const *stacks,
                 const int64_t *values)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;
    struct append     append = { .batch = &m.b }, *list = &append;

    make_begin(&m, a, service, "process_cpu", (T0_MS + at_s * 1000) * NS_PER_MS);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, labels);
    for (size_t i = 0; stacks[i] != NULL; i++)
        make_row(&m, stacks[i], &values[i]);
    make_end(&m);
    m.b.tenant = tenant;
    shard_step(shard, &list, 1, T0_MS * NS_PER_MS);
    assert(append.code == CODE_OK);
    arena_free(a);
}

#define PUSH(tenant, service, labels, at_s, stack, value)                                                              \
    push(tenant, service, labels, at_s, (const char *const[]){ stack, NULL }, (const int64_t[]){ value })

static void data(void)
{
    struct shard_config c = { .name = "t", .retention_ns = INT64_MAX, .limit_bytes = SIZE_MAX };

    shard = shard_new(&c);
    push(tenants[0], "api", "env=prod,zone=z1", 0, (const char *const[]){ "a;b", "a;c", NULL },
         (const int64_t[]){ 10, 3 });
    PUSH(tenants[0], "api", "env=dev", 0, "a;c", 20);
    push(tenants[0], "db", "env=prod,odd.name=x y,zone=z2", 30, (const char *const[]){ "a;b", "q", NULL },
         (const int64_t[]){ 30, 1 });
    PUSH(tenants[0], "db", "", 60, "d", 40);
    PUSH(tenants[1], "other", "", 60, "d", 5);
}

/* ---- requests ------------------------------------------------------------------------------------------------------- */

static Querier__V1__SelectMergeStacktracesRequest stacks_request(void)
{
    Querier__V1__SelectMergeStacktracesRequest m = QUERIER__V1__SELECT_MERGE_STACKTRACES_REQUEST__INIT;

    m.profile_typeid = (char *)CPU;
    m.label_selector = (char *)"{}";
    m.start = T0_MS - 60000;
    m.end = T0_MS + 300000;
    return m;
}

static Querier__V1__SelectSeriesRequest series_request(void)
{
    Querier__V1__SelectSeriesRequest m = QUERIER__V1__SELECT_SERIES_REQUEST__INIT;

    m.profile_typeid = (char *)CPU;
    m.label_selector = (char *)"{}";
    m.start = T0_MS - 60000;
    m.end = T0_MS + 300000;
    m.step = 60;
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

static void expect_series(const Querier__V1__SelectSeriesRequest *m, const char *expected)
{
    struct call                        c;
    Querier__V1__SelectSeriesResponse *r = ask("SelectSeries", m, &c);
    struct buf                         got = { 0 };

    if (r == NULL)
        fprintf(stderr, "%s\n", c.why.text), assert(!"refused");
    for (size_t i = 0; i < r->n_series; i++) {
        for (size_t k = 0; k < r->series[i]->n_labels; k++)
            buf_printf(&got, "%s=%s ", r->series[i]->labels[k]->name, r->series[i]->labels[k]->value);
        for (size_t k = 0; k < r->series[i]->n_points; k++)
            buf_printf(&got, "%lld:%g ", (long long)(r->series[i]->points[k]->timestamp - T0_MS),
                       r->series[i]->points[k]->value);
        buf_text(&got, "| ");
    }
    if (!slice_is(buf_view(&got), expected))
        fprintf(stderr, "is  %.*s\nnot %s\n", SLICE_ARGS(buf_view(&got)), expected), assert(!"not as expected");
    buf_free(&got);
    protobuf_c_message_free_unpacked(&r->base, NULL);
}

static void series_answered(void)
{
    Querier__V1__SelectSeriesRequest m = series_request();
    char                            *by[] = { (char *)"zone", (char *)"env" }, *odd[] = { (char *)"odd.name" };

    expect_series(&m, "0:33 60000:71 | ");
    m.step = 7.5;
    expect_series(&m, "0:33 30000:31 60000:40 | ");
    m.step = 1e300; /* one step, which is longer than all there is: only T = start */
    expect_series(&m, "");
    m = series_request();
    m.step = 120; /* T is start + k * step, to the last that is not after the end */
    m.end = T0_MS + 59000;
    expect_series(&m, "");
    m = series_request();
    m._aggregation_case = QUERIER__V1__SELECT_SERIES_REQUEST___AGGREGATION_AGGREGATION;
    m.aggregation = TYPES__V1__TIME_SERIES_AGGREGATION_TYPE__TIME_SERIES_AGGREGATION_TYPE_AVERAGE;
    expect_series(&m, "0:16.5 60000:35.5 | ");
    m = series_request();
    m.group_by = by, m.n_group_by = 2;
    expect_series(&m, "60000:40 | zone=z2 env=prod 60000:31 | env=dev 0:20 | zone=z1 env=prod 0:13 | ");
    m._limit_case = QUERIER__V1__SELECT_SERIES_REQUEST___LIMIT_LIMIT, m.limit = 1;
    expect_series(&m, "60000:40 | ");
    m.limit = -1, m.group_by = odd, m.n_group_by = 1;
    expect_series(&m, "0:33 60000:40 | odd.name=x y 60000:31 | ");
    m = series_request();
    m.start = INT64_MIN, m.end = INT64_MAX; /* no walk over the steps of 600 million years */
    expect_series(&m, "40000:64 100000:40 | ");
}

static void series_refused(void)
{
    Querier__V1__SelectSeriesRequest m = series_request();

    m.step = 0.0005;
    refused("SelectSeries", &m, CODE_INVALID_ARGUMENT, "step must be >= 1ms");
    m.step = __builtin_nan("");
    refused("SelectSeries", &m, CODE_INVALID_ARGUMENT, "step must be >= 1ms");
    m = series_request();
    m.exemplar_type = TYPES__V1__EXEMPLAR_TYPE__EXEMPLAR_TYPE_SPAN;
    refused("SelectSeries", &m, CODE_UNIMPLEMENTED, "exemplar type EXEMPLAR_TYPE_SPAN is not implemented");
    m.exemplar_type = (Types__V1__ExemplarType)9;
    refused("SelectSeries", &m, CODE_INVALID_ARGUMENT, "unknown exemplar type: 9");
}

/* What may be answered on the loop: a few series, without a regex, without another shard (router_is_alone above). */
static void quick(void)
{
    Types__V1__LabelValuesRequest v = TYPES__V1__LABEL_VALUES_REQUEST__INIT;
    Querier__V1__ProfileTypesRequest t = QUERIER__V1__PROFILE_TYPES_REQUEST__INIT;
    char       *plain[] = { (char *)"{env=\"prod\"}" }, *regex[] = { (char *)"{env=~\"p.*\"}" };
    struct call c = { .user = { tenants, n_tenants, limits } };

    v.name = (char *)"env", v.start = T0_MS - 60000, v.end = T0_MS + 300000;
    v.matchers = plain, v.n_matchers = 1;
    assert(method_of("LabelValues")->is_quick(&c, &v.base) && method_of("ProfileTypes")->is_quick(&c, &t.base));
    v.matchers = regex;
    assert(!method_of("LabelValues")->is_quick(&c, &v.base));
    assert(method_of("Series")->is_quick == NULL && method_of("SelectSeries")->is_quick == NULL);
}

static void names(void)
{
    Types__V1__LabelNamesRequest    m = TYPES__V1__LABEL_NAMES_REQUEST__INIT;
    Types__V1__LabelValuesRequest   v = TYPES__V1__LABEL_VALUES_REQUEST__INIT;
    Types__V1__LabelNamesResponse  *r;
    Types__V1__LabelValuesResponse *values;
    char                           *matchers[] = { (char *)"{env=\"prod\"}", (char *)"{zone!=\"z1\",}" },
         *bad[] = { matchers[0], (char *)"{a=b}" };
    struct call c;

    m.start = v.start = T0_MS - 60000, m.end = v.end = T0_MS + 300000;
    m.matchers = v.matchers = bad, m.n_matchers = v.n_matchers = 2;
    refused("LabelNames", &m, CODE_INVALID_ARGUMENT,
            "parsing label selector: failed to parse label selector \"{a=b}\": 1:4: parse error: unexpected identifier "
            "\"b\" in "
            "label matching, expected string");
    refused("LabelValues", &v, CODE_INVALID_ARGUMENT, "name is required");
    m.matchers = v.matchers = matchers;
    r = ask("LabelNames", &m, &c);
    assert(r->n_names == 10 && strcmp(r->names[7], "env") == 0 && strcmp(r->names[9], "zone") == 0);
    protobuf_c_message_free_unpacked(&r->base, NULL);
    accept_field = "text/html, */* ; q=1; Allow-UTF8-labelnames=true";
    r = ask("LabelNames", &m, &c);
    assert(r->n_names == 11 && strcmp(r->names[8], "odd.name") == 0);
    protobuf_c_message_free_unpacked(&r->base, NULL);
    accept_field = NULL;
    v.name = (char *)"zone";
    values = ask("LabelValues", &v, &c);
    assert(values->n_names == 1 && strcmp(values->names[0], "z2") == 0);
    protobuf_c_message_free_unpacked(&values->base, NULL);
}

static void expect_sets(const Querier__V1__SeriesRequest *m, const char *expected)
{
    struct call                  c;
    Querier__V1__SeriesResponse *r = ask("Series", m, &c);
    struct buf                   got = { 0 };

    assert(r != NULL);
    for (size_t i = 0; i < r->n_labels_set; i++) {
        for (size_t k = 0; k < r->labels_set[i]->n_labels; k++)
            if (strncmp(r->labels_set[i]->labels[k]->name, "__", 2) != 0)
                buf_printf(&got, "%s=%s ", r->labels_set[i]->labels[k]->name, r->labels_set[i]->labels[k]->value);
        buf_text(&got, "| ");
    }
    if (!slice_is(buf_view(&got), expected))
        fprintf(stderr, "is  %.*s\nnot %s\n", SLICE_ARGS(buf_view(&got)), expected), assert(!"not as expected");
    buf_free(&got);
    protobuf_c_message_free_unpacked(&r->base, NULL);
}

static void sets(void)
{
    Querier__V1__SeriesRequest m = QUERIER__V1__SERIES_REQUEST__INIT;
    char                      *some[] = { (char *)"zone", (char *)"service_name" }, *none[] = { (char *)"nolabel" },
         *odd[] = { (char *)"odd.name" };

    m.start = T0_MS - 60000, m.end = T0_MS + 300000;
    expect_sets(&m, "env=dev service_name=api | env=prod service_name=api zone=z1 | env=prod service_name=db zone=z2 | "
                    "service_name=db | ");
    m.label_names = some, m.n_label_names = 2;
    expect_sets(&m, "service_name=api | service_name=api zone=z1 | service_name=db | service_name=db zone=z2 | ");
    m.label_names = none, m.n_label_names = 1;
    expect_sets(&m, "");
    accept_field = "*/*; allow-utf8-labelnames=true";
    m.label_names = odd;
    expect_sets(&m, "odd.name=x y | ");
    accept_field = NULL;
    m.start = 0;
    refused("Series", &m, CODE_INVALID_ARGUMENT, "missing time range in the query");
}

static void types(void)
{
    Querier__V1__ProfileTypesRequest   m = QUERIER__V1__PROFILE_TYPES_REQUEST__INIT;
    Querier__V1__ProfileTypesResponse *r;
    struct call                        c;

    assert(is_bare("ProfileTypes", &m)); /* the last hour: nothing */
    m.start = 1000, m.end = 4000;
    assert(is_bare("ProfileTypes", &m));
    m.end = 0;
    refused("ProfileTypes", &m, CODE_INVALID_ARGUMENT, "missing time range in the query");
    m.end = T0_MS + 300000;
    r = ask("ProfileTypes", &m, &c);
    assert(r->n_profile_types == 1 && strcmp(r->profile_types[0]->id, CPU) == 0);
    assert(strcmp(r->profile_types[0]->name, "process_cpu") == 0 &&
           strcmp(r->profile_types[0]->period_unit, "nanoseconds") == 0);
    protobuf_c_message_free_unpacked(&r->base, NULL);
}

int main(void)
{
    limits = limits_default;
    limits.max_query_lookback_ns = limits.max_query_length_ns = LIMIT_NONE;
    data();
    stacks_refused();
    stacks_answered();
    diffs();
    profiles();
    series_answered();
    series_refused();
    quick();
    names();
    sets();
    types();
    shard_free(shard);
    puts("svc_querier: ok");
    return 0;
}
