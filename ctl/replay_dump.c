/*
 * replay dump: what the server holds, profile by profile, as an archive.
 *
 *     types --> SelectSeries by every label, in steps of 1 ms --> where each series has profiles
 *           --> SelectMergeProfile of just that series and time, several under way --> a record each
 *
 * The API tells apart what is a millisecond apart: profiles of one series that are nearer than that become one record.  A
 * record holds one sample type, so a profile of several is as many records; pushed again they answer as the one did.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/replay.h"
#include "proto/querier.pb-c.h"
#include "wire/zip.h"

#define QUERIER "/querier.v1.QuerierService/"

enum { TENANTS_MAX = 1000 };

/* A profile that has been asked for. */
struct wanted {
    bool          is_busy;
    struct labels labels; /* in the arena of the type */
    int64_t       time_ms;
};

struct dumping {
    struct session *s;
    FILE           *file;
    const char     *selector;
    struct slice    tenant; /* the one being dumped; empty: there is but one */
    struct wanted   slots[REPLAY_IN_FLIGHT_MAX];
    size_t          n_in_flight, n_records, n_bytes;
    enum exit_code  code;
};

static void bytes_write(struct dumping *d, const struct buf *bytes)
{
    d->n_bytes += bytes->n;
    if (fwrite(bytes->p, 1, bytes->n, d->file) != bytes->n && d->code == EXIT_FINE)
        d->code = say(EXIT_REFUSED, "cannot write %s: %s", d->s->options->output, strerror(errno));
}

static void record_write(struct dumping *d, const struct wanted *w, Google__V1__Profile *p)
{
    struct buf plain = { 0 }, packed = { 0 }, record = { 0 };

    p->time_nanos = w->time_ms * NS_PER_MS;
    size_t n = google__v1__profile__get_packed_size(p);
    plain.n = google__v1__profile__pack(p, (uint8_t *)buf_reserve(&plain, n));
    zip_gzip(buf_view(&plain), &packed);
    archive_put_record(&record, &(struct archive_record){ p->time_nanos, w->labels, d->tenant, buf_view(&packed) });
    bytes_write(d, &record);
    d->n_records++;
    buf_free(&plain);
    buf_free(&packed);
    buf_free(&record);
}

static void profile_take(struct dumping *d)
{
    struct answer       *a = api_wait(d->s->api);
    Google__V1__Profile *p = (void *)a->message;

    d->n_in_flight--;
    d->slots[a->ticket].is_busy = false;
    if (a->code != CODE_OK && d->code == EXIT_FINE)
        d->code = answer_check(d->s, a);
    else if (a->code == CODE_OK && p->n_sample > 0) /* none: the point was of the millisecond before the range */
        record_write(d, &d->slots[a->ticket], p);
    answer_free(a);
}

static size_t slot_free(struct dumping *d)
{
    size_t i = 0;

    while (d->n_in_flight == REPLAY_IN_FLIGHT_MAX)
        profile_take(d);
    while (d->slots[i].is_busy)
        i++;
    return i;
}

static void profile_ask(struct dumping *d, const char *type, struct labels labels, const char *selector,
                        int64_t first_ms, int64_t last_ms)
{
    Querier__V1__SelectMergeProfileRequest q = QUERIER__V1__SELECT_MERGE_PROFILE_REQUEST__INIT;
    size_t                                 slot = slot_free(d);

    q.profile_typeid = (char *)type;
    q.label_selector = (char *)selector;
    q.start = first_ms;
    q.end = last_ms + 1; /* the whole last millisecond; nobody is on the next, or it would be the last */
    d->slots[slot] = (struct wanted){ true, labels, first_ms };
    d->n_in_flight++;
    api_send(d->s->api, slot, QUERIER "SelectMergeProfile", &q.base, &google__v1__profile__descriptor);
}

static void put_quoted(struct buf *out, const char *value)
{
    buf_byte(out, '"');
    for (; *value; value++)
        if (*value == '\n')
            buf_text(out, "\\n");
        else
            buf_printf(out, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
    buf_byte(out, '"');
}

static const char *value_of(const Types__V1__Series *s, const char *name)
{
    for (size_t i = 0; i < s->n_labels; i++)
        if (strcmp(s->labels[i]->name, name) == 0)
            return s->labels[i]->value;
    return "";
}

/* Just this series: each label there is, with its value or as absent. */
static const char *selector_of(const Types__V1__Series *s, char *const *names, size_t n, struct arena *a)
{
    struct buf text = { 0 };

    for (size_t i = 0; i < n; i++) {
        buf_printf(&text, "%c%s=", i ? ',' : '{', names[i]);
        put_quoted(&text, value_of(s, names[i]));
    }
    buf_text(&text, n ? "}" : "{}");
    struct slice kept = arena_copy(a, buf_view(&text));
    buf_free(&text);
    return kept.p;
}

static struct labels labels_of(const Types__V1__Series *s, const char *type, struct arena *a)
{
    struct label *at = arena_array(a, s->n_labels + 1, sizeof *at);
    size_t        n = 0;

    at[n++] = (struct label){ SLICE("__name__"), arena_copy(a, (struct slice){ type, strcspn(type, ":") }) };
    for (size_t i = 0; i < s->n_labels; i++)
        if (s->labels[i]->value[0] != '\0')
            at[n++] = (struct label){ arena_copy(a, slice_of(s->labels[i]->name)),
                                      arena_copy(a, slice_of(s->labels[i]->value)) };
    return (struct labels){ at, n };
}

/* Each run of neighbouring milliseconds is asked for at once. */
static void series_dump(struct dumping *d, const char *type, const Types__V1__Series *s, char *const *names, size_t n,
                        struct arena *a)
{
    const char   *selector = selector_of(s, names, n, a);
    struct labels labels = labels_of(s, type, a);

    for (size_t i = 0, j; i < s->n_points && d->code == EXIT_FINE; i = j) {
        for (j = i + 1; j < s->n_points && s->points[j]->timestamp <= s->points[j - 1]->timestamp + 1;)
            j++;
        profile_ask(d, type, labels, selector, s->points[i]->timestamp, s->points[j - 1]->timestamp);
    }
}

static void type_dump(struct dumping *d, const char *type, char **names, size_t n)
{
    Querier__V1__SelectSeriesRequest q = QUERIER__V1__SELECT_SERIES_REQUEST__INIT;
    struct arena                    *a = arena_new(0);

    q.profile_typeid = (char *)type;
    q.label_selector = (char *)d->selector;
    q.start = d->s->from_ms;
    q.end = d->s->to_ms;
    q.group_by = names;
    q.n_group_by = n;
    q.step = 0.001;
    struct answer *answer =
        api_ask(d->s->api, QUERIER "SelectSeries", &q.base, &querier__v1__select_series_response__descriptor);
    d->code = answer_check(d->s, answer);
    const Querier__V1__SelectSeriesResponse *r = (const void *)answer->message;
    for (size_t i = 0; d->code == EXIT_FINE && i < r->n_series; i++)
        series_dump(d, type, r->series[i], names, n, a);
    while (d->n_in_flight > 0)
        profile_take(d);
    answer_free(answer);
    arena_free(a);
}

/* LabelNames, or the values of __profile_type__; the answer is the caller's to free. */
static struct answer *names_ask(struct dumping *d, bool wants_types)
{
    Types__V1__LabelNamesRequest  names = TYPES__V1__LABEL_NAMES_REQUEST__INIT;
    Types__V1__LabelValuesRequest values = TYPES__V1__LABEL_VALUES_REQUEST__INIT;

    names.matchers = values.matchers = (char **)&d->selector;
    names.n_matchers = values.n_matchers = 1;
    names.start = values.start = d->s->from_ms;
    names.end = values.end = d->s->to_ms;
    values.name = (char *)"__profile_type__";
    return wants_types
               ? api_ask(d->s->api, QUERIER "LabelValues", &values.base, &types__v1__label_values_response__descriptor)
               : api_ask(d->s->api, QUERIER "LabelNames", &names.base, &types__v1__label_names_response__descriptor);
}

static void tenant_dump(struct dumping *d)
{
    struct answer *names = names_ask(d, false), *types = names_ask(d, true);

    d->code = answer_check(d->s, names->code != CODE_OK ? names : types);
    if (d->code == EXIT_FINE) {
        const Types__V1__LabelNamesResponse  *n = (const void *)names->message;
        const Types__V1__LabelValuesResponse *t = (const void *)types->message;
        char **public = arena_array(d->s->arena, n->n_names, sizeof *public);
        size_t n_public = 0;
        for (size_t i = 0; i < n->n_names; i++)
            if (strncmp(n->names[i], "__", 2) != 0)
        public[n_public++] = n->names[i];
        for (size_t i = 0; i < t->n_names && d->code == EXIT_FINE; i++)
            type_dump(d, t->names[i], public, n_public);
    }
    answer_free(names);
    answer_free(types);
}

static size_t tenants_split(struct session *s, struct slice out[TENANTS_MAX])
{
    struct slice rest = slice_of(s->tenant);
    size_t       n = 0;

    while (rest.n > 0 && n < TENANTS_MAX) {
        size_t comma = slice_find(rest, SLICE(","));
        out[n++] = arena_copy(s->arena, slice_trim((struct slice){ rest.p, comma }));
        rest = comma < rest.n ? slice_from(rest, comma + 1) : (struct slice){ 0 };
    }
    if (n == 0)
        out[n++] = SLICE("anonymous");
    return n;
}

static void tenants_dump(struct dumping *d)
{
    struct slice          tenants[TENANTS_MAX];
    size_t                n = tenants_split(d->s, tenants);
    struct archive_header h = {
        slice_of(d->selector), tenants, n, d->s->from_ms, d->s->to_ms, d->s->now_ns / NS_PER_MS
    };
    struct buf bytes = { 0 };

    archive_put_header(&bytes, &h);
    bytes_write(d, &bytes);
    buf_free(&bytes);
    for (size_t i = 0; i < n && d->code == EXIT_FINE; i++) {
        api_set_tenant(d->s->api, d->s->tenant ? tenants[i].p : NULL);
        d->tenant = n > 1 ? tenants[i] : (struct slice){ 0 }; /* of one the header tells */
        tenant_dump(d);
    }
}

enum exit_code replay_dump(struct session *s, const char *selector)
{
    struct dumping d = { .s = s, .selector = selector };

    if (s->options->output == NULL)
        return say(EXIT_USAGE, "where to?  hearthctl replay dump -o ARCHIVE [SELECTOR]");
    d.file = fopen(s->options->output, "we");
    if (d.file == NULL)
        return say(EXIT_REFUSED, "cannot write %s: %s", s->options->output, strerror(errno));
    tenants_dump(&d);
    if (fclose(d.file) != 0 && d.code == EXIT_FINE)
        d.code = say(EXIT_REFUSED, "cannot write %s: %s", s->options->output, strerror(errno));
    if (d.code == EXIT_FINE)
        buf_printf(&s->out, "wrote %s: %zu profiles, %zu bytes\n", s->options->output, d.n_records, d.n_bytes);
    return d.code;
}
