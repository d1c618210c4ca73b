/* The questions about series: their label sets, and their totals over time. */
#include "index/call_site.h"
#include "index/rows.h"
#include "index/select.h"
#include "index/view.h"

enum { TYPE_LABELS = 7 };

/* ---- labels of a stream --------------------------------------------------------------------------------------------- */

struct label_list {
    struct label *at;
    size_t        n;
};

static void add_label(struct label_list *l, const char *name, struct slice value)
{
    if (value.n > 0) /* an empty value is no label */
        l->at[l->n++] = (struct label){ slice_of(name), value };
}

/* `room` holds the labels of the series and TYPE_LABELS more. */
static struct labels stream_labels(const struct bucket *b, const struct series_read *s, uint32_t type,
                                   struct label *room)
{
    struct label_list l = { room, 0 };
    struct type       t = bucket_type(b, type);
    uint32_t          ignored;

    for (uint32_t i = 0; i < s->n_labels; i++) {
        struct label label = bucket_label(b, s, i, &ignored);
        room[l.n++] = label;
        if (slice_is(label.name, "service_name"))
            add_label(&l, "__service_name__", label.value);
    }
    add_label(&l, "__name__", t.name);
    add_label(&l, "__type__", t.sample_type);
    add_label(&l, "__unit__", t.unit);
    add_label(&l, "__period_type__", t.period_type);
    add_label(&l, "__period_unit__", t.period_unit);
    add_label(&l, "__profile_type__", t.id);
    labels_sort(room, l.n);
    return (struct labels){ room, l.n };
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

/* ---- label sets ----------------------------------------------------------------------------------------------------- */

static struct labels cut(struct labels l, const struct slice *names, size_t n_names, struct label *room)
{
    struct labels kept = { room, 0 };

    if (n_names == 0)
        return l;
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; k < n_names; k++)
            if (slice_eq(l.at[i].name, names[k])) {
                room[kept.n++] = l.at[i];
                break;
            }
    return kept;
}

static void add_series(const struct view *v, const struct slice *names, size_t n_names, struct strset *out)
{
    uint32_t      most = labels_max(v) + TYPE_LABELS;
    struct label *room = arena_array(v->arena, most, 2 * sizeof *room);
    struct buf    set = { 0 };

    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        struct series_read  s = bucket_series(v->bucket, i);
        struct streams_walk w = streams_of(v->bucket, &s);
        struct stream_read  at;
        while (stream_next(&w, &at)) {
            if (!view_has_stream(v, &at))
                continue;
            struct labels l = stream_labels(v->bucket, &s, at.type, room);
            set.n = 0;
            labels_encode(&set, cut(l, names, n_names, room + most));
            strset_add(out, buf_view(&set));
        }
    }
    buf_free(&set);
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
                        const struct point_sink *sink, struct label *room)
{
    const struct view  *v = x->view;
    struct point_walk   w = view_points(v, stream);
    const struct point *p;
    bool                is_open = false;
    void               *to = NULL;

    while ((p = point_next(&w)) != NULL) {
        int64_t total = p->total;
        if (v->what->n_call_site > 0 && !total_below(x, s->group, p, &total))
            continue;
        if (!is_open)
            to = sink->open(sink->arg, stream_labels(v->bucket, s, stream->type, room));
        is_open = true;
        sink->point(sink->arg, to, p->time_ns, total);
    }
}

static void send_all(const struct view *v, const struct point_sink *sink)
{
    uint32_t      n_groups = bucket_groups_n(v->bucket);
    struct label *room = arena_array(v->arena, labels_max(v) + TYPE_LABELS, sizeof *room);
    struct sites  x = { v, arena_zalloc(v->arena, n_groups * sizeof *x.passes),
                        arena_array(v->arena, n_groups, sizeof *x.n_stacks), arena_new(0) };

    for (uint32_t i = view_next(v, 0); i < v->n_series; i = view_next(v, i + 1)) {
        struct series_read  s = bucket_series(v->bucket, i);
        struct streams_walk w = streams_of(v->bucket, &s);
        struct stream_read  stream;
        while (stream_next(&w, &stream))
            send_points(&x, &s, &stream, sink, room);
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
