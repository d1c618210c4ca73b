/* types, labels, series: what there is, as tables for people and as JSON for programs. */
#include <string.h>

#include "ctl/session.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "proto/querier.pb-c.h"

#define QUERIER "/querier.v1.QuerierService/"

static void text_cell(struct table *t, const char *text) { table_cell(t, slice_of(text)); }

static void json_field(struct buf *out, const char *name, const char *value, bool is_first)
{
    buf_printf(out, "%s\"%s\": ", is_first ? "" : ", ", name);
    text_json(out, slice_of(value));
}

static enum exit_code nothing_there(const struct session *s, const char *what)
{
    if (s->options->is_json)
        return EXIT_FINE;
    return say(EXIT_FINE, "no %s between --from and --to; a wider range may have some: --from -24h", what);
}

static void types_write(struct session *s, const Querier__V1__ProfileTypesResponse *r)
{
    static const struct table_column columns[] = {
        { "PROFILE TYPE", false }, { "SAMPLE", false }, { "UNIT", false }, { "PERIOD", false }
    };
    struct table *t = table_new(s->arena, columns, 4);

    for (size_t i = 0; i < r->n_profile_types; i++) {
        const Types__V1__ProfileType *type = r->profile_types[i];
        text_cell(t, type->id);
        text_cell(t, type->sample_type);
        text_cell(t, type->sample_unit);
        table_cell(
            t, arena_printf(s->arena, "%s%s%s", type->period_type, *type->period_unit ? " " : "", type->period_unit));
    }
    table_write(t, s->term.is_tty ? (size_t)s->term.columns : 0, &s->out);
}

static void types_json(struct session *s, const Querier__V1__ProfileTypesResponse *r)
{
    buf_text(&s->out, "[");
    for (size_t i = 0; i < r->n_profile_types; i++) {
        const Types__V1__ProfileType *type = r->profile_types[i];
        buf_text(&s->out, i ? ",\n {" : "\n {");
        json_field(&s->out, "ID", type->id, true);
        json_field(&s->out, "name", type->name, false);
        json_field(&s->out, "sampleType", type->sample_type, false);
        json_field(&s->out, "sampleUnit", type->sample_unit, false);
        json_field(&s->out, "periodType", type->period_type, false);
        json_field(&s->out, "periodUnit", type->period_unit, false);
        buf_text(&s->out, "}");
    }
    buf_text(&s->out, r->n_profile_types ? "\n]\n" : "]\n");
}

enum exit_code command_types(struct session *s)
{
    Querier__V1__ProfileTypesRequest q = QUERIER__V1__PROFILE_TYPES_REQUEST__INIT;

    if (s->options->n_args > 0)
        return say(EXIT_USAGE, "`types` takes no argument: %s", s->options->args[0]);
    q.start = s->from_ms;
    q.end = s->to_ms;
    struct answer *a =
        api_ask(s->api, QUERIER "ProfileTypes", &q.base, &querier__v1__profile_types_response__descriptor);
    enum exit_code code = answer_check(s, a);
    if (code == EXIT_FINE) {
        const Querier__V1__ProfileTypesResponse *r = (const void *)a->message;
        if (s->options->is_json)
            types_json(s, r);
        else if (r->n_profile_types == 0)
            nothing_there(s, "profiles");
        else
            types_write(s, r);
    }
    answer_free(a);
    return code;
}

static void names_json(struct session *s, char *const *names, size_t n)
{
    buf_text(&s->out, "[");
    for (size_t i = 0; i < n; i++) {
        buf_text(&s->out, i ? ", " : "");
        text_json(&s->out, slice_of(names[i]));
    }
    buf_text(&s->out, "]\n");
}

static struct answer *values_ask(struct session *s, const char *name, char **matchers, size_t n_matchers)
{
    Types__V1__LabelValuesRequest q = TYPES__V1__LABEL_VALUES_REQUEST__INIT;

    q.name = (char *)name;
    q.matchers = matchers;
    q.n_matchers = n_matchers;
    q.start = s->from_ms;
    q.end = s->to_ms;
    return api_ask(s->api, QUERIER "LabelValues", &q.base, &types__v1__label_values_response__descriptor);
}

/* One row for each name: how many values it has, and as many of them as the line holds. */
static enum exit_code labels_write(struct session *s, const Types__V1__LabelNamesResponse *names, char **matchers,
                                   size_t n_matchers)
{
    static const struct table_column columns[] = { { "LABEL", false }, { "VALUES", true }, { "SUCH AS", false } };
    enum { SHOWN_MAX = 20 };
    struct table *t = table_new(s->arena, columns, 3);

    for (size_t i = 0; i < names->n_names; i++) {
        struct answer *a = values_ask(s, names->names[i], matchers, n_matchers);
        enum exit_code code = answer_check(s, a);
        if (code != EXIT_FINE) {
            answer_free(a);
            return code;
        }
        const Types__V1__LabelValuesResponse *r = (const void *)a->message;
        struct buf                            shown = { 0 };
        for (size_t k = 0; k < r->n_names && k < SHOWN_MAX; k++)
            buf_printf(&shown, "%s%s", k ? ", " : "", r->names[k]);
        text_cell(t, names->names[i]);
        table_cell(t, arena_printf(s->arena, "%zu", r->n_names));
        table_cell(t, buf_view(&shown));
        buf_free(&shown);
        answer_free(a);
    }
    table_write(t, (size_t)s->term.columns, &s->out);
    return EXIT_FINE;
}

static enum exit_code label_names(struct session *s, char **matchers, size_t n_matchers)
{
    Types__V1__LabelNamesRequest q = TYPES__V1__LABEL_NAMES_REQUEST__INIT;

    q.matchers = matchers;
    q.n_matchers = n_matchers;
    q.start = s->from_ms;
    q.end = s->to_ms;
    struct answer *a = api_ask(s->api, QUERIER "LabelNames", &q.base, &types__v1__label_names_response__descriptor);
    enum exit_code code = answer_check(s, a);
    if (code == EXIT_FINE) {
        const Types__V1__LabelNamesResponse *r = (const void *)a->message;
        if (s->options->is_json)
            names_json(s, r->names, r->n_names);
        else if (r->n_names == 0)
            nothing_there(s, "labels");
        else
            code = labels_write(s, r, matchers, n_matchers);
    }
    answer_free(a);
    return code;
}

static enum exit_code label_values(struct session *s, const char *name, char **matchers, size_t n_matchers)
{
    struct answer *a = values_ask(s, name, matchers, n_matchers);
    enum exit_code code = answer_check(s, a);

    if (code == EXIT_FINE) {
        const Types__V1__LabelValuesResponse *r = (const void *)a->message;
        if (s->options->is_json)
            names_json(s, r->names, r->n_names);
        else if (r->n_names == 0)
            say(EXIT_FINE, "no values of `%s` between --from and --to: `hearthctl labels` lists the names there are",
                name);
        for (size_t i = 0; !s->options->is_json && i < r->n_names; i++) {
            text_fit(&s->out, slice_of(r->names[i]), SIZE_MAX);
            buf_byte(&s->out, '\n');
        }
    }
    answer_free(a);
    return code;
}

enum exit_code command_labels(struct session *s)
{
    const char **args = s->options->args;
    size_t       n = s->options->n_args;
    const char  *name = n > 0 && args[0][0] != '{' ? args[0] : NULL;
    size_t       n_rest = n - (name != NULL);

    if (n_rest > 1)
        return say(EXIT_USAGE, "`labels` takes a name and a selector; quote the selector for the shell");
    char **matchers = n_rest ? (char **)(args + (name != NULL)) : NULL;
    return name != NULL ? label_values(s, name, matchers, n_rest) : label_names(s, matchers, n_rest);
}

/* What the table shows in columns of its own, or what every series has anyway. */
static bool is_plumbing(const char *name) { return strncmp(name, "__", 2) == 0 || strcmp(name, "service_name") == 0; }

static const char *label_of(const Types__V1__Labels *l, const char *name)
{
    for (size_t i = 0; i < l->n_labels; i++)
        if (strcmp(l->labels[i]->name, name) == 0)
            return l->labels[i]->value;
    return "";
}

static void series_write(struct session *s, const Querier__V1__SeriesResponse *r)
{
    static const struct table_column columns[] = { { "SERVICE", false },
                                                   { "PROFILE TYPE", false },
                                                   { "LABELS", false } };
    struct table                    *t = table_new(s->arena, columns, 3);

    for (size_t i = 0; i < r->n_labels_set; i++) {
        const Types__V1__Labels *l = r->labels_set[i];
        struct buf               labels = { 0 };
        for (size_t k = 0; k < l->n_labels; k++)
            if (!is_plumbing(l->labels[k]->name))
                buf_printf(&labels, "%s%s=\"%s\"", labels.n ? ", " : "", l->labels[k]->name, l->labels[k]->value);
        text_cell(t, label_of(l, "service_name"));
        text_cell(t, label_of(l, "__profile_type__"));
        table_cell(t, buf_view(&labels));
        buf_free(&labels);
    }
    table_write(t, s->term.is_tty ? (size_t)s->term.columns : 0, &s->out);
}

static void series_json(struct session *s, const Querier__V1__SeriesResponse *r)
{
    buf_text(&s->out, "[");
    for (size_t i = 0; i < r->n_labels_set; i++) {
        const Types__V1__Labels *l = r->labels_set[i];
        buf_text(&s->out, i ? ",\n {" : "\n {");
        for (size_t k = 0; k < l->n_labels; k++) {
            buf_text(&s->out, k ? ", " : "");
            text_json(&s->out, slice_of(l->labels[k]->name));
            buf_text(&s->out, ": ");
            text_json(&s->out, slice_of(l->labels[k]->value));
        }
        buf_text(&s->out, "}");
    }
    buf_text(&s->out, r->n_labels_set ? "\n]\n" : "]\n");
}

enum exit_code command_series(struct session *s)
{
    Querier__V1__SeriesRequest q = QUERIER__V1__SERIES_REQUEST__INIT;

    if (s->options->n_args > 1)
        return say(EXIT_USAGE, "`series` takes one selector; quote it for the shell");
    q.matchers = (char **)s->options->args;
    q.n_matchers = s->options->n_args;
    q.start = s->from_ms;
    q.end = s->to_ms;
    struct answer *a = api_ask(s->api, QUERIER "Series", &q.base, &querier__v1__series_response__descriptor);
    enum exit_code code = answer_check(s, a);
    if (code == EXIT_FINE) {
        const Querier__V1__SeriesResponse *r = (const void *)a->message;
        if (s->options->is_json)
            series_json(s, r);
        else if (r->n_labels_set == 0)
            nothing_there(s, "series");
        else
            series_write(s, r);
    }
    answer_free(a);
    return code;
}
