/*
 * Goal: every check of a question for series, names, values and types answers with Pyroscope's code and words, and good ones with its
 * numbers; which of them a loop may answer.
 * Method: test_querier.h.
 */
#include "server/test_querier.h"

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
    world_begin();
    series_answered();
    series_refused();
    quick();
    names();
    sets();
    types();
    shard_free(shard);
    puts("svc_querier_labels: ok");
    return 0;
}
