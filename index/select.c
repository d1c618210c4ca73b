/* The questions about types, label names and label values. */
#include "index/select.h"

#include "index/view.h"

uint64_t select_effort(const struct bucket *b, int64_t start_ns, int64_t end_ns)
{
    struct bucket_stats all = bucket_stats(b);
    bool covers = start_ns <= all.oldest_ns && end_ns >= all.newest_ns; /* the first point of each will do */

    if (bucket_is_demoted(b))
        return UINT64_MAX;
    return (uint64_t)all.series + (covers ? 0 : (uint64_t)all.profiles);
}

static void add_present(struct strset *out, struct slice text, bool is_present)
{
    if (is_present)
        strset_add(out, text);
}

enum code select_types(const struct bucket *b, const struct selection *s, struct strset *out, struct fault *why)
{
    struct view v;
    enum code   code = view_open(&v, b, s, why);

    if (code == CODE_OK) {
        const bool *seen = view_types_seen(&v);
        for (uint32_t i = 0; i < v.n_types; i++)
            if (seen[i])
                strset_add(out, bucket_type(b, i).id);
    }
    view_close(&v);
    return code;
}

static void add_names_of_series(const struct view *v, struct strset *out)
{
    uint32_t n = bucket_names_n(v->bucket), name;
    bool    *has = arena_zalloc(v->arena, n);

    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        struct series_read s = bucket_series(v->bucket, i);
        for (uint32_t k = 0; k < s.n_labels; k++) {
            bucket_label(v->bucket, &s, k, &name);
            has[name] = true;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        struct slice text = bucket_name(v->bucket, i);
        add_present(out, text, has[i]);
        add_present(out, SLICE("__service_name__"), has[i] && slice_is(text, "service_name"));
    }
}

/* An empty part of a type is no label. */
static void add_names_of_type(const struct type *t, struct strset *out)
{
    add_present(out, SLICE("__name__"), t->name.n > 0);
    add_present(out, SLICE("__type__"), t->sample_type.n > 0);
    add_present(out, SLICE("__unit__"), t->unit.n > 0);
    add_present(out, SLICE("__period_type__"), t->period_type.n > 0);
    add_present(out, SLICE("__period_unit__"), t->period_unit.n > 0);
    add_present(out, SLICE("__profile_type__"), true);
}

static void add_names_of_types(const struct view *v, struct strset *out)
{
    const bool *seen = view_types_seen(v);

    for (uint32_t i = 0; i < v->n_types; i++)
        if (seen[i]) {
            struct type type = bucket_type(v->bucket, i);
            add_names_of_type(&type, out);
        }
}

enum code select_label_names(const struct bucket *b, const struct selection *s, struct strset *out, struct fault *why)
{
    struct view v;
    enum code   code = view_open(&v, b, s, why);

    if (code == CODE_OK) {
        view_settle(&v);
        add_names_of_types(&v, out);
        add_names_of_series(&v, out);
    }
    view_close(&v);
    return code;
}

static bool any_series(const struct view *v, const struct value *value)
{
    struct ids_walk w;
    const uint32_t *ids;
    uint32_t        n;

    for (ids_of(&w, value); (n = ids_next(&w, &ids)) > 0;)
        for (uint32_t i = 0; i < n; i++)
            if (view_has(v, ids[i]))
                return true;
    return false;
}

/* [n + 1]: which of the values the series have; the last: none of them. */
static bool *values_had(const struct view *v, const struct values *of)
{
    bool *has = arena_zalloc(v->arena, (size_t)of->n + 1);

    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        struct series_read s = bucket_series(v->bucket, i);
        has[series_value(v->bucket, &s, of)] = true;
    }
    return has;
}

/* From the values to their series or, where there are fewer of them, from the series to their values. */
static void add_values_of_series(const struct view *v, struct slice name, struct strset *out)
{
    uint32_t at;

    if (!bucket_find_name(v->bucket, label_alias(name), &at))
        return;
    struct values in = bucket_values(v->bucket, at);
    const bool   *has = v->takes_all_series || view_n(v) > in.n ? NULL : values_had(v, &in);
    struct slice *found = arena_array(v->arena, in.n, sizeof *found);
    size_t        n = 0;
    for (uint32_t i = 0; i < in.n; i++) {
        if (has != NULL && !has[i])
            continue; /* most have not, and a look at each is a miss of the cache */
        struct value value = bucket_value(v->bucket, &in, i);
        if (v->takes_all_series || has != NULL || any_series(v, &value))
            found[n++] = value.text;
    }
    strset_add_all(out, found, n);
}

static void add_values_of_types(const struct view *v, struct slice name, struct strset *out)
{
    const bool  *seen = view_types_seen(v);
    struct slice value;

    for (uint32_t i = 0; i < v->n_types; i++) {
        struct type type = bucket_type(v->bucket, i);
        if (type_label(&type, name, &value))
            add_present(out, value, seen[i] && value.n > 0);
    }
}

enum code select_label_values(const struct bucket *b, const struct selection *s, struct slice name, struct strset *out,
                              struct fault *why)
{
    struct view v;
    enum code   code = view_open(&v, b, s, why);

    if (code == CODE_OK) {
        view_settle(&v);
        if (is_type_label(name))
            add_values_of_types(&v, name, out);
        add_values_of_series(&v, name, out);
    }
    view_close(&v);
    return code;
}
