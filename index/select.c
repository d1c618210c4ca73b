/* The questions about types, label names and label values. */
#include "index/select.h"

#include "index/view.h"

/* The view without the series that have no point, and which types have one. */
static enum code open_settled(struct view *v, const struct bucket *b, const struct selection *s, bool **seen, struct fault *why)
{
    enum code code = view_open(v, b, s, why);

    if (code != CODE_OK)
        return code;
    *seen = arena_zalloc(v->arena, v->n_types);
    view_settle(v, *seen);
    return CODE_OK;
}

static const struct type *type_of(const struct view *v, uint32_t i) { return vec_at(&v->bucket->types.all, i); }

static void add_present(struct strset *out, struct slice text, bool is_present)
{
    if (is_present)
        strset_add(out, text);
}

enum code select_types(const struct bucket *b, const struct selection *s, struct strset *out, struct fault *why)
{
    struct view v;
    bool       *seen;
    enum code   code = open_settled(&v, b, s, &seen, why);

    for (uint32_t i = 0; code == CODE_OK && i < v.n_types; i++)
        add_present(out, type_of(&v, i)->id, seen[i]);
    view_close(&v);
    return code;
}

static void add_names_of_series(const struct view *v, struct strset *out)
{
    uint32_t n = vec_n(&v->bucket->labels.names);
    bool    *has = arena_zalloc(v->arena, n);

    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        const struct series *s = series_at(&v->bucket->series, i);
        for (uint32_t k = 0; k < s->n_labels; k++)
            has[s->labels[k]->name->id] = true;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct label_name *name = vec_pointer(&v->bucket->labels.names, i);
        add_present(out, name->text, has[i]);
        add_present(out, SLICE("__service_name__"), has[i] && slice_is(name->text, "service_name"));
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

enum code select_label_names(const struct bucket *b, const struct selection *s, struct strset *out, struct fault *why)
{
    struct view v;
    bool       *seen;
    enum code   code = open_settled(&v, b, s, &seen, why);

    for (uint32_t i = 0; code == CODE_OK && i < v.n_types; i++)
        if (seen[i])
            add_names_of_type(type_of(&v, i), out);
    if (code == CODE_OK)
        add_names_of_series(&v, out);
    view_close(&v);
    return code;
}

static bool any_series(const struct view *v, const struct postings *p)
{
    struct postings_walk w = postings_walk(p);
    const uint32_t      *ids;
    uint32_t             n;

    while ((n = postings_next(&w, &ids)) > 0)
        for (uint32_t i = 0; i < n; i++)
            if (view_has(v, ids[i]))
                return true;
    return false;
}

static void add_values_of_series(const struct view *v, struct slice name, struct strset *out)
{
    const struct label_name *in = label_index_find_name(&v->bucket->labels, label_alias(name));

    for (uint32_t i = 0, n = in ? vec_n(&in->values) : 0; i < n; i++) {
        const struct label_value *value = vec_pointer(&in->values, i);
        add_present(out, value->text, any_series(v, &value->series));
    }
}

enum code select_label_values(const struct bucket *b, const struct selection *s, struct slice name, struct strset *out,
                              struct fault *why)
{
    struct view  v;
    struct slice value;
    bool        *seen;
    enum code    code = open_settled(&v, b, s, &seen, why);

    for (uint32_t i = 0; code == CODE_OK && i < v.n_types; i++)
        if (type_label(type_of(&v, i), name, &value))
            add_present(out, value, seen[i] && value.n > 0);
    if (code == CODE_OK)
        add_values_of_series(&v, name, out);
    view_close(&v);
    return code;
}
