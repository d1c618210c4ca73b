/* The questions about series: their label sets, and their totals over time. */
#include "index/call_site.h"
#include "index/rows.h"
#include "index/select.h"
#include "index/view.h"

enum { TYPE_LABELS = 7 };

/* ---- labels of a stream --------------------------------------------------------------------------------------------- */

/* Those of a series that are asked for, and its service. */
struct own_labels {
    struct label *at; /* room for the labels of any series */
    size_t        n;
    struct slice  service;
};

/* Only `names` are taken: few are asked for, and those left out need no sorting.  NULL: all. */
struct label_list {
    const struct type  *types; /* the view's */
    const struct slice *names;
    size_t              n_names, own_max;
    struct label       *at; /* room for own_max and TYPE_LABELS more */
    size_t              n;
};

static bool list_takes(const struct label_list *l, struct slice name)
{
    for (size_t i = 0; i < l->n_names; i++)
        if (slice_eq(l->names[i], name))
            return true;
    return l->names == NULL;
}

static void own_labels_of(const struct bucket *b, const struct series_read *s, const struct label_list *l,
                          struct own_labels *own)
{
    uint32_t ignored;

    own->n = 0;
    own->service = SLICE("");
    for (uint32_t i = 0; i < s->n_labels; i++) {
        struct label label = bucket_label(b, s, i, &ignored);
        if (slice_is(label.name, "service_name"))
            own->service = label.value;
        if (list_takes(l, label.name))
            own->at[own->n++] = label;
    }
}

static void add_label(struct label_list *l, struct slice name, struct slice value)
{
    if (value.n > 0 && list_takes(l, name)) /* an empty value is no label */
        l->at[l->n++] = (struct label){ name, value };
}

/* In order but for names that begin with a capital or an underscore, so there is next to nothing to sort. */
static struct labels stream_labels(uint32_t type, const struct own_labels *own, struct label_list *l)
{
    const struct type *t = &l->types[type];

    l->n = 0;
    add_label(l, SLICE("__name__"), t->name);
    add_label(l, SLICE("__period_type__"), t->period_type);
    add_label(l, SLICE("__period_unit__"), t->period_unit);
    add_label(l, SLICE("__profile_type__"), t->id);
    add_label(l, SLICE("__service_name__"), own->service);
    add_label(l, SLICE("__type__"), t->sample_type);
    add_label(l, SLICE("__unit__"), t->unit);
    for (size_t i = 0; i < own->n; i++)
        l->at[l->n++] = own->at[i];
    labels_sort(l->at, l->n);
    return (struct labels){ l->at, l->n };
}

static uint32_t labels_max(const struct view *v)
{
    uint32_t most = 0;

    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        uint32_t n = bucket_series(v->bucket, i).n_labels;
        most = n > most ? n : most;
    }
    return most;
}

static struct label_list list_for(const struct view *v, const struct slice *names, size_t n_names)
{
    size_t       n = names != NULL ? n_names : labels_max(v);
    struct type *types = arena_array(v->arena, v->n_types, sizeof *types);

    for (uint32_t i = 0; i < v->n_types; i++)
        types[i] = bucket_type(v->bucket, i);
    return (struct label_list){ .types = types,
                                .names = names,
                                .n_names = n_names,
                                .own_max = n,
                                .at = arena_array(v->arena, n + TYPE_LABELS, sizeof(struct label)) };
}

static struct own_labels own_labels_room(const struct view *v, const struct label_list *l)
{
    return (struct own_labels){ .at = arena_array(v->arena, l->own_max, sizeof(struct label)) };
}

/* ---- label sets ----------------------------------------------------------------------------------------------------- */

/*
 * Which label sets were met, so that each is made once however many series have it: a set is numbered by its type and by the
 * values of the labels asked for, each among those of its name in this bucket.
 */
struct met {
    struct values *of; /* [n] */
    size_t         n;
    uint64_t      *bits; /* NULL: they are too many, and so hardly met twice */
};

enum { MET_MAX = 1 << 20 };

static struct met met_none(const struct view *v, const struct slice *names, size_t n_names)
{
    struct met m = { .of = arena_array(v->arena, n_names, sizeof *m.of) };
    uint64_t   sets = v->n_types;
    uint32_t   name;

    for (size_t i = 0; i < n_names && sets <= MET_MAX; i++)
        if (bucket_find_name(v->bucket, label_alias(names[i]), &name)) {
            m.of[m.n] = bucket_values(v->bucket, name);
            sets *= (uint64_t)m.of[m.n++].n + 1;
        }
    if (n_names > 0 && sets <= MET_MAX)
        m.bits = arena_zalloc(v->arena, (sets + 63) / 64 * sizeof *m.bits);
    return m;
}

static bool is_met(struct met *m, const struct bucket *b, const struct series_read *s, uint32_t type)
{
    uint64_t set = type;

    if (m->bits == NULL)
        return false;
    for (size_t i = 0; i < m->n; i++)
        set = set * ((uint64_t)m->of[i].n + 1) + series_value(b, s, &m->of[i]);
    bool is = m->bits[set / 64] >> set % 64 & 1;
    m->bits[set / 64] |= UINT64_C(1) << set % 64;
    return is;
}

/*
 * Streams on their way into the answer: so many together that the texts of the last have come from memory when those of the
 * first have been read.
 */
enum { FOUND_MAX = 64 };

struct found {
    struct label_list *list;
    struct strset     *out;
    struct own_labels  own[FOUND_MAX];
    uint32_t           n_own, series; /* whose the last are */
    struct found_stream {
        uint32_t                 type;
        const struct own_labels *own;
    } at[FOUND_MAX];
    uint32_t   n;
    struct buf texts;
};

static void found_flush(struct found *f)
{
    size_t       end[FOUND_MAX], from = 0;
    struct slice sets[FOUND_MAX];

    f->texts.n = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        labels_join(&f->texts, stream_labels(f->at[i].type, f->at[i].own, f->list));
        end[i] = f->texts.n;
    }
    for (uint32_t i = 0; i < f->n; from = end[i++])
        sets[i] = slice_make(f->texts.p + from, end[i] - from);
    strset_add_all(f->out, sets, f->n);
    f->n = f->n_own = 0;
}

static const struct own_labels *found_own(struct found *f, const struct bucket *b, const struct series_read *s)
{
    struct own_labels *own = &f->own[f->n_own];

    if (f->n_own > 0 && f->series == s->id)
        return own - 1;
    own_labels_of(b, s, f->list, own);
    for (size_t i = 0; i < own->n; i++)
        __builtin_prefetch(own->at[i].value.p);
    f->n_own++;
    f->series = s->id;
    return own;
}

static void found_add(struct found *f, const struct bucket *b, const struct series_read *s, uint32_t type)
{
    f->at[f->n++] = (struct found_stream){ type, found_own(f, b, s) };
    if (f->n == FOUND_MAX)
        found_flush(f);
}

static void add_series(const struct view *v, const struct slice *names, size_t n_names, struct strset *out)
{
    struct label_list l = list_for(v, n_names > 0 ? names : NULL, n_names);
    struct met        m = met_none(v, names, n_names);
    struct found      f = { .list = &l, .out = out };

    for (size_t i = 0; i < FOUND_MAX; i++)
        f.own[i] = own_labels_room(v, &l);
    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        struct series_read  s = bucket_series(v->bucket, i);
        struct streams_walk w = streams_of(v->bucket, &s);
        struct stream_read  at;
        while (stream_next(&w, &at))
            if (view_has_stream(v, &at) && !is_met(&m, v->bucket, &s, at.type))
                found_add(&f, v->bucket, &s, at.type);
    }
    found_flush(&f);
    buf_free(&f.texts);
}

enum code select_series(const struct bucket *b, const struct selection *s, const struct slice *names, size_t n_names,
                        struct strset *out, struct fault *why)
{
    struct view v;
    enum code   code = view_open(&v, b, s, why);

    if (code == CODE_OK)
        add_series(&v, names, n_names, out);
    view_close(&v);
    return code;
}

/* ---- totals over time ----------------------------------------------------------------------------------------------- */

/* With a call site: which stacks of each group pass, found when the group is first met. */
struct sites {
    const struct view *view;
    const bool       **passes;   /* [groups] */
    uint32_t          *n_stacks; /* [groups] */
    struct arena      *thawed;   /* of one group */
};

static const bool *site_of(struct sites *x, uint32_t group)
{
    const struct selection *what = x->view->what;

    if (x->passes[group] == NULL) {
        arena_reset(x->thawed);
        const struct group *g = group_thaw(x->view->bucket, group, THAW_FUNCTIONS, x->thawed);
        x->n_stacks[group] = vec_n(&g->stacks.all);
        x->passes[group] = call_site_stacks(g, x->n_stacks[group], what->call_site, what->n_call_site, x->view->arena);
    }
    return x->passes[group];
}

/* The sum of the values below the site; false: it has none. */
static bool total_below(struct sites *x, uint32_t group, const struct point *p, int64_t *total)
{
    const bool        *passes = site_of(x, group);
    struct rows_cursor c = rows_open(p->rows, p->column);
    uint32_t           ids[ROWS_PACK], n;
    int64_t            values[ROWS_PACK];

    *total = 0;
    while ((n = rows_next(&c, ids, values)) > 0) {
        assert(ids[n - 1] < x->n_stacks[group]); /* the word that shows the rows was loaded before */
        for (uint32_t i = 0; i < n; i++)
            if (passes[ids[i]] && __builtin_add_overflow(*total, values[i], total))
                *total = INT64_MAX;
    }
    return *total > 0;
}

static void send_points(struct sites *x, const struct series_read *s, const struct stream_read *stream,
                        const struct point_sink *sink, const struct own_labels *own, struct label_list *l)
{
    const struct view  *v = x->view;
    struct point_walk   w = view_points(v, stream);
    const struct point *p;
    bool                is_open = false;
    void               *to = NULL;

    while ((p = point_next(&w)) != NULL) {
        int64_t total = p->total;
        if (v->what->n_call_site > 0 && !total_below(x, series_group(v->bucket, s), p, &total))
            continue;
        if (!is_open)
            to = sink->open(sink->arg, stream_labels(stream->type, own, l));
        is_open = true;
        sink->point(sink->arg, to, p->time_ns, total);
    }
}

static void send_all(const struct view *v, const struct point_sink *sink)
{
    uint32_t          n_groups = bucket_groups_n(v->bucket);
    struct label_list l = list_for(v, v->what->names, v->what->n_names);
    struct own_labels own = own_labels_room(v, &l);
    struct sites      x = { v, arena_zalloc(v->arena, n_groups * sizeof *x.passes),
                            arena_array(v->arena, n_groups, sizeof *x.n_stacks), arena_new(0) };

    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        struct series_read  s = bucket_series(v->bucket, i);
        struct streams_walk w = streams_of(v->bucket, &s);
        struct stream_read  stream;
        own_labels_of(v->bucket, &s, &l, &own);
        while (stream_next(&w, &stream))
            send_points(&x, &s, &stream, sink, &own, &l);
    }
    arena_free(x.thawed);
}

enum code select_points(const struct bucket *b, const struct selection *s, const struct point_sink *sink,
                        struct fault *why)
{
    struct view v;
    enum code   code = view_open(&v, b, s, why);

    if (code == CODE_OK)
        send_all(&v, sink);
    view_close(&v);
    return code;
}
