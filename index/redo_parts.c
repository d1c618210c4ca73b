/* Types, series, rows and points of a redo. */
#include "index/publish.h"
#include "index/redo_in.h"

/* ---- types, series -------------------------------------------------------------------------------------------------- */

static void take_types(struct redo_in *x)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < x->head.types && x->wrong == NULL; i++) {
        struct slice parts[5];
        uint32_t     next = vec_n(&x->to->types.all);
        for (int k = 0; k < 5; k++)
            bytes += (parts[k] = redo_text(x, "a type")).n;
        bytes += 4;
        if (x->wrong == NULL && types_add(&x->to->types, &x->to->slab, parts) != next)
            redo_wrong(x, "a type");
    }
    if (bytes != x->head.type_bytes)
        redo_wrong(x, "a type");
}

/* What parts have added: no more than the head says. */
struct added {
    uint32_t series, labels, values, points;
};

static struct slice get_name(struct redo_in *x)
{
    const struct vec *names = &x->to->labels.names;
    uint32_t          id = redo_id(x, (uint64_t)vec_n(names) + 1, "a label's name");

    return id == 0 ? redo_text(x, "a label's name") : ((const struct label_name *)vec_pointer(names, id - 1))->text;
}

/* The value of a label whose name was just read; one that is new must not be there. */
static struct label_value *get_value(struct redo_in *x, struct slice name, struct added *added)
{
    struct label_index      *labels = &x->to->labels;
    const struct label_name *in = label_index_find_name(labels, name);
    uint32_t                 id = redo_id(x, in ? (uint64_t)vec_n(&in->values) + 1 : 1, "a label's value");

    if (x->wrong == NULL && id > 0)
        return vec_pointer(&in->values, id - 1);
    struct slice text = redo_text(x, "a label's value");
    if (++added->values > x->head.values || (in != NULL && label_index_find(labels, in, text) != NULL))
        redo_wrong(x, "a label's value");
    return x->wrong == NULL ? label_index_value(labels, &x->to->slab, name, text) : NULL;
}

static struct series *add_series(struct redo_in *x, struct added *added)
{
    struct bucket       *b = x->to;
    uint32_t             n = redo_id(x, (uint64_t)(x->head.labels - added->labels) + 1, "the labels of a series");
    struct label_value **labels = arena_array(x->scratch, n, sizeof *labels);
    struct slice         before = { 0 };

    for (uint32_t i = 0; i < n && x->wrong == NULL; i++) {
        struct slice name = get_name(x);
        if (i > 0 && slice_cmp(before, name) >= 0)
            redo_wrong(x, "the order of labels");
        before = name;
        labels[i] = get_value(x, name, added);
    }
    if (x->wrong == NULL && series_find(&b->series, labels, n) != NULL)
        redo_wrong(x, "a series that is there already");
    added->labels += n;
    if (++added->series > x->head.series)
        redo_wrong(x, "the number of series");
    if (x->wrong != NULL)
        return NULL;
    return bucket_series_add(b, x->group, labels, n);
}

static struct series *take_series(struct redo_in *x, struct added *added)
{
    const struct vec *all = &x->to->series.all;
    uint32_t          id = redo_id(x, (uint64_t)vec_n(all) + 1, "a series");

    if (x->wrong != NULL)
        return NULL;
    if (id == 0)
        return add_series(x, added);
    struct series *s = vec_pointer(all, id - 1);
    if (s->group == x->group->id)
        return s;
    redo_wrong(x, "a series of another service");
    return NULL;
}

/* ---- parts ---------------------------------------------------------------------------------------------------------- */

static void take_points(struct redo_in *x, struct series *s, struct slice rows, struct added *added)
{
    struct bucket *b = x->to;
    uint32_t       n = rows_columns((const uint8_t *)rows.p);
    struct point   p = { .time_ns = x->head.time_ns, .batch = b->taken.n };

    if (n > x->head.points - added->points) {
        redo_wrong(x, "the number of points");
        return;
    }
    added->points += n;
    p.rows = (const uint8_t *)slab_copy(&b->slab, rows).p;
    publish_step(PUBLISHED_ROWS);
    for (p.column = 0; p.column < n && x->wrong == NULL; p.column++) {
        uint32_t type = redo_id(x, vec_n(&b->types.all), "a point");
        p.total = (int64_t)redo_get(x, "a point");
        if (p.total < 0)
            redo_wrong(x, "a total");
        if (x->wrong == NULL)
            series_point(&b->series, &b->slab, s, type, &p);
    }
    publish_step(PUBLISHED_POINTS);
}

static void take_part(struct redo_in *x, struct added *added)
{
    struct bucket *b = x->to;
    struct series *s = take_series(x, added);
    uint32_t       samples = redo_id(x, UINT32_MAX, "a number of samples");
    uint32_t       clamped = redo_id(x, ROWS_COLUMNS_MAX + 1, "a number of samples");
    struct slice   rows = redo_text(x, "rows");

    if (x->wrong == NULL && !rows_check(rows, vec_n(&x->group->stacks.all)))
        redo_wrong(x, "rows");
    if (x->wrong != NULL)
        return;
    take_points(x, s, rows, added);
    b->taken.samples += samples;
    b->taken.clamped += clamped;
}

void redo_take_parts(struct redo_in *x)
{
    struct added added = { 0 };

    take_types(x);
    for (uint32_t i = 0; i < x->head.parts && x->wrong == NULL; i++)
        take_part(x, &added);
    if (added.series != x->head.series || added.labels != x->head.labels || added.values != x->head.values ||
        added.points != x->head.points || x->at != x->end)
        redo_wrong(x, "what it comes to");
}
