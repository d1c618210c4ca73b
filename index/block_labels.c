/* Names, values, types and series of a bucket: sorted or renumbered, and their sections. */
#include <assert.h>
#include <stdlib.h>

#include "index/block_write.h"
#include "model/slice_sort.h"

static const struct label_name *name_at(const struct sealing *x, uint32_t id)
{
    return vec_pointer(&x->from->labels.names, id);
}

static int name_cmp(const void *a, const void *b)
{
    return slice_cmp((*(const struct label_name *const *)a)->text, (*(const struct label_name *const *)b)->text);
}

/* A value's id is its place among those of its name. */
static void sort_values(struct sealing *x, const struct label_name *name, uint32_t at)
{
    uint32_t      n = vec_n(&name->values), *order = sealing_numbers(x, n);
    struct slice *texts = arena_array(x->arena, n, sizeof *texts);

    for (uint32_t i = 0; i < n; i++)
        texts[i] = ((const struct label_value *)vec_pointer(&name->values, i))->text;
    slices_order(texts, n, order);
    x->place[name->id] = sealing_numbers(x, n);
    for (uint32_t i = 0; i < n; i++) {
        x->values[at + i] = vec_pointer(&name->values, order[i]);
        x->place[name->id][order[i]] = at + i;
    }
}

static void sort_labels(struct sealing *x)
{
    uint32_t                  n = vec_n(&x->from->labels.names), at = 0;
    const struct label_name **sorted = arena_array(x->arena, n, sizeof *sorted);

    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = name_at(x, i);
        x->n_values += vec_n(&sorted[i]->values);
    }
    if (n > 1)
        qsort(sorted, n, sizeof *sorted, name_cmp);
    x->n_names = n;
    x->names = sealing_numbers(x, n);
    x->place = arena_array(x->arena, n, sizeof *x->place);
    x->values = arena_array(x->arena, x->n_values, sizeof *x->values);
    for (uint32_t i = 0; i < n; at += vec_n(&sorted[i]->values), i++) {
        x->names[i] = sorted[i]->id;
        sort_values(x, sorted[i], at);
    }
}

static void sort_series(struct sealing *x)
{
    uint32_t at = 0;

    x->n_groups = vec_n(&x->from->groups);
    x->n_series = vec_n(&x->from->series.all);
    x->series = arena_array(x->arena, x->n_series, sizeof *x->series);
    x->renumbered = sealing_numbers(x, x->n_series);
    for (uint32_t g = 0; g < x->n_groups; g++) {
        const struct vec *of = &group_at(x->from, g)->series;
        for (uint32_t i = 0; i < vec_n(of); i++, at++) {
            x->series[at] = series_at(&x->from->series, vec_u32(of, i));
            x->renumbered[x->series[at]->id] = at;
        }
    }
    assert(at == x->n_series);
}

static void text(struct sealing *x, struct slice s, size_t from, uint32_t *ends, uint32_t *n)
{
    buf_slice(x->out, s);
    x->is_too_large |= x->out->n - from > UINT32_MAX;
    ends[(*n)++] = (uint32_t)(x->out->n - from);
}

/* They were made in the order of their appearance and are read in that of their texts. */
static void value_fetch(const struct sealing *x, uint32_t i)
{
    enum { AHEAD = 8 };

    if (i + AHEAD < x->n_values)
        __builtin_prefetch(x->values[i + AHEAD]);
    if (i + AHEAD / 2 < x->n_values)
        __builtin_prefetch(x->values[i + AHEAD / 2]->text.p);
}

static void put_texts(struct sealing *x)
{
    const struct bucket *b = x->from;
    uint32_t             n_types = vec_n(&b->types.all), n = 0;
    uint32_t            *ends = sealing_numbers(x, (size_t)x->n_names + x->n_values + n_types + x->n_groups);
    size_t               from = x->out->n;

    for (uint32_t i = 0; i < x->n_names; i++)
        text(x, name_at(x, x->names[i])->text, from, ends, &n);
    for (uint32_t i = 0; i < x->n_values; i++) {
        value_fetch(x, i);
        text(x, x->values[i]->text, from, ends, &n);
    }
    for (uint32_t i = 0; i < n_types; i++)
        text(x, ((const struct type *)vec_at(&b->types.all, i))->id, from, ends, &n);
    for (uint32_t i = 0; i < x->n_groups; i++)
        text(x, group_at(b, i)->service, from, ends, &n);
    section_close(x, from, x->out->n - from, 0);
    section_bits(x, ends, n);
}

static void put_names(struct sealing *x)
{
    uint32_t *ends = sealing_numbers(x, x->n_names), end = 0;

    for (uint32_t i = 0; i < x->n_names; i++)
        ends[i] = end += vec_n(&name_at(x, x->names[i])->values);
    section_bits(x, ends, x->n_names);
}

static void put_types(struct sealing *x)
{
    uint32_t  n = vec_n(&x->from->types.all);
    uint32_t *bytes = sealing_numbers(x, 4 * (size_t)n);

    for (uint32_t i = 0; i < n; i++) {
        const struct type *t = vec_at(&x->from->types.all, i);
        const struct slice parts[4] = { t->name, t->sample_type, t->unit, t->period_type };
        for (uint32_t k = 0; k < 4; k++)
            bytes[4 * i + k] = (uint32_t)parts[k].n;
    }
    section_bits(x, bytes, 4 * n);
}

static int number_cmp(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void put_posting(struct sealing *x, const struct postings *p, uint32_t *room)
{
    struct postings_walk w = postings_walk(p);
    const uint32_t      *ids;
    uint32_t             n = 0, next = 0;

    for (uint32_t run; (run = postings_next(&w, &ids)) > 0;)
        for (uint32_t i = 0; i < run; i++)
            room[n++] = x->renumbered[ids[i]];
    if (n > 1)
        qsort(room, n, sizeof *room, number_cmp);
    uint8_t *start = (uint8_t *)buf_reserve(x->out, 5 * (size_t)n), *at = start;
    for (uint32_t i = 0; i < n; next = room[i++] + 1)
        at = uvarint_put(at, room[i] - next);
    x->out->n += (size_t)(at - start);
}

static void put_postings(struct sealing *x)
{
    uint32_t *ends = sealing_numbers(x, x->n_values), *room = sealing_numbers(x, x->n_series);
    size_t    from = x->out->n;

    for (uint32_t i = 0; i < x->n_values; i++) {
        value_fetch(x, i);
        put_posting(x, &x->values[i]->series, room);
        ends[i] = (uint32_t)(x->out->n - from);
    }
    section_close(x, from, x->out->n - from, 0);
    section_bits(x, ends, x->n_values);
}

void sealing_fetch(const struct sealing *x, uint32_t i)
{
    enum { AHEAD = 8 };

    if (i + AHEAD < x->n_series)
        __builtin_prefetch(x->series[i + AHEAD]);
    if (i + AHEAD / 2 < x->n_series)
        __builtin_prefetch(series_streams(x->series[i + AHEAD / 2]));
}

/* Of the series that comes in a while. */
static void labels_fetch(const struct sealing *x, uint32_t i)
{
    enum { AHEAD = 8 };

    if (i + AHEAD < x->n_series)
        for (uint32_t k = 0; k < x->series[i + AHEAD]->n_labels; k++)
            __builtin_prefetch(x->series[i + AHEAD]->labels[k]);
}

static void put_series(struct sealing *x)
{
    uint32_t *ends = sealing_numbers(x, x->n_series + (size_t)x->n_groups), n = 0, n_labels = 0;

    for (uint32_t g = 0; g < x->n_groups; g++)
        ends[g] = n += vec_n(&group_at(x->from, g)->series);
    section_bits(x, ends, x->n_groups);
    for (uint32_t i = 0; i < x->n_series; i++) {
        sealing_fetch(x, i);
        ends[i] = n_labels += x->series[i]->n_labels;
    }
    section_bits(x, ends, x->n_series);
    uint32_t *labels = sealing_numbers(x, n_labels);
    n_labels = 0;
    for (uint32_t i = 0; i < x->n_series; i++) {
        labels_fetch(x, i);
        for (uint32_t k = 0; k < x->series[i]->n_labels; k++) {
            const struct label_value *v = x->series[i]->labels[k];
            labels[n_labels++] = x->place[v->name->id][v->id];
        }
    }
    section_bits(x, labels, n_labels);
}

void sealing_put_labels(struct sealing *x)
{
    sort_labels(x);
    sort_series(x);
    put_texts(x);
    put_names(x);
    put_types(x);
    put_postings(x);
    put_series(x);
}
