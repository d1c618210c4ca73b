#include "index/reading.h"

#include <assert.h>

uint32_t bucket_types_n(const struct bucket *b) { return b->sealed ? b->sealed->n_types : vec_n(&b->types.all); }
uint32_t bucket_groups_n(const struct bucket *b) { return b->sealed ? b->sealed->head.n_groups : vec_n(&b->groups); }
uint32_t bucket_series_n(const struct bucket *b) { return b->sealed ? b->sealed->n_series : vec_n(&b->series.all); }
uint32_t bucket_names_n(const struct bucket *b) { return b->sealed ? b->sealed->n_names : vec_n(&b->labels.names); }

static struct type sealed_type(const struct block *b, uint32_t i)
{
    struct slice id = block_text(b, b->n_names + b->n_values + i), rest = id, part[5];

    for (uint32_t k = 0; k < 4; k++) {
        part[k] = slice_make(rest.p, bits_at(&b->of[B_TYPE_PARTS], 4 * i + k));
        rest = slice_from(rest, part[k].n + 1);
    }
    return (struct type){ id, part[0], part[1], part[2], part[3], rest };
}

struct type bucket_type(const struct bucket *b, uint32_t i)
{
    return b->sealed ? sealed_type(b->sealed, i) : *(const struct type *)vec_at(&b->types.all, i);
}

/* ---- label names and values ----------------------------------------------------------------------------------------- */

struct slice bucket_name(const struct bucket *b, uint32_t i)
{
    return b->sealed ? block_text(b->sealed, i) : ((const struct label_name *)vec_pointer(&b->labels.names, i))->text;
}

/* The place of `text` among the sorted texts [at, at + n). */
static bool bisect(const struct block *b, uint32_t at, uint32_t n, struct slice text, uint32_t *i)
{
    uint32_t lo = 0;

    while (lo < n) {
        uint32_t mid = lo + (n - lo) / 2;
        int      order = slice_cmp(block_text(b, at + mid), text);
        if (order == 0) {
            *i = mid;
            return true;
        }
        if (order < 0)
            lo = mid + 1;
        else
            n = mid;
    }
    return false;
}

bool bucket_find_name(const struct bucket *b, struct slice text, uint32_t *name)
{
    if (b->sealed != NULL)
        return bisect(b->sealed, 0, b->sealed->n_names, text, name);
    const struct label_name *n = label_index_find_name(&b->labels, text);
    if (n != NULL)
        *name = n->id;
    return n != NULL;
}

struct values bucket_values(const struct bucket *b, uint32_t name)
{
    if (b->sealed != NULL) {
        struct range r = range_at(&b->sealed->of[B_NAME_ENDS], name);
        return (struct values){ .at = r.at, .n = r.end - r.at };
    }
    const struct label_name *n = vec_pointer(&b->labels.names, name);
    return (struct values){ .live = n, .n = vec_n(&n->values) };
}

static struct value sealed_value(const struct block *b, uint32_t i)
{
    struct range   r = range_at(&b->of[B_POSTING_ENDS], i);
    const uint8_t *ids = b->of[B_POSTINGS].at;

    return (struct value){ .text = block_text(b, b->n_names + i), .ids = ids + r.at, .ids_end = ids + r.end };
}

static struct value live_value(const struct label_value *v)
{
    return (struct value){ .text = v->text, .live = &v->series };
}

struct value bucket_value(const struct bucket *b, const struct values *of, uint32_t i)
{
    return b->sealed ? sealed_value(b->sealed, of->at + i) : live_value(vec_pointer(&of->live->values, i));
}

struct slice bucket_value_text(const struct bucket *b, const struct values *of, uint32_t i)
{
    return b->sealed ? block_text(b->sealed, b->sealed->n_names + of->at + i)
                     : ((const struct label_value *)vec_pointer(&of->live->values, i))->text;
}

bool bucket_find_value(const struct bucket *b, const struct values *of, struct slice text, struct value *v)
{
    uint32_t i;

    if (b->sealed != NULL) {
        if (!bisect(b->sealed, b->sealed->n_names + of->at, of->n, text, &i))
            return false;
        *v = sealed_value(b->sealed, of->at + i);
        return true;
    }
    const struct label_value *live = label_index_find(&b->labels, of->live, text);
    if (live != NULL)
        *v = live_value(live);
    return live != NULL;
}

uint64_t value_weight(const struct value *v) { return v->live ? postings_n(v->live) : (uint64_t)(v->ids_end - v->ids); }

void ids_of(struct ids_walk *w, const struct value *v)
{
    w->live = v->live ? postings_walk(v->live) : (struct postings_walk){ 0 };
    w->at = v->ids;
    w->end = v->ids_end;
    w->next = 0;
}

uint32_t ids_next(struct ids_walk *w, const uint32_t **ids)
{
    uint32_t n = 0;
    uint64_t gap;

    if (w->live.list != NULL)
        return postings_next(&w->live, ids);
    for (; w->at < w->end && n < PACK; n++) {
        w->at = uvarint_get(w->at, &gap);
        w->room[n] = w->next + (uint32_t)gap;
        w->next = w->room[n] + 1;
    }
    *ids = w->room;
    return n;
}

/* ---- series, streams, points ---------------------------------------------------------------------------------------- */

struct series_read bucket_series(const struct bucket *b, uint32_t id)
{
    if (b->sealed != NULL) {
        const struct section *of = b->sealed->of;
        struct range          labels = range_at(&of[B_LABEL_ENDS], id), streams = range_at(&of[B_STREAM_ENDS], id);
        return (struct series_read){ .id = id,
                                     .n_labels = labels.end - labels.at,
                                     .label_at = labels.at,
                                     .stream_at = streams.at,
                                     .stream_end = streams.end };
    }
    const struct series *s = series_at(&b->series, id);
    return (struct series_read){ .id = id, .n_labels = s->n_labels, .live = s };
}

uint32_t series_group(const struct bucket *b, const struct series_read *s)
{
    return s->live ? s->live->group : ends_find(&b->sealed->of[B_GROUP_ENDS], s->id);
}

struct label bucket_label(const struct bucket *b, const struct series_read *s, uint32_t k, uint32_t *name)
{
    if (b->sealed != NULL) {
        uint32_t value = bits_at(&b->sealed->of[B_LABELS], s->label_at + k);
        *name = ends_find(&b->sealed->of[B_NAME_ENDS], value);
        return (struct label){ block_text(b->sealed, *name), block_text(b->sealed, b->sealed->n_names + value) };
    }
    const struct label_value *v = s->live->labels[k];
    *name = v->name->id;
    return (struct label){ v->name->text, v->text };
}

uint32_t series_value(const struct bucket *b, const struct series_read *s, const struct values *of)
{
    for (uint32_t k = 0; k < s->n_labels; k++) {
        uint32_t i = b->sealed ? bits_at(&b->sealed->of[B_LABELS], s->label_at + k) - of->at : s->live->labels[k]->id;
        if (b->sealed ? i < of->n : s->live->labels[k]->name == of->live)
            return i;
    }
    return of->n;
}

struct streams_walk bucket_streams(const struct bucket *b, uint32_t series)
{
    if (b->sealed == NULL)
        return (struct streams_walk){ b, series_streams(series_at(&b->series, series)), 0, 0 };
    struct range r = range_at(&b->sealed->of[B_STREAM_ENDS], series);
    return (struct streams_walk){ b, NULL, r.at, r.end };
}

struct streams_walk streams_of(const struct bucket *b, const struct series_read *s)
{
    return (struct streams_walk){ b, s->live ? series_streams(s->live) : NULL, s->stream_at, s->stream_end };
}

bool sealed_stream_next(struct streams_walk *w, struct stream_read *out)
{
    if (w->at == w->end)
        return false; /* also of a live one, which has both 0 */
    const struct section *of = w->bucket->sealed->of;
    struct range          r = range_at(&of[B_POINT_ENDS], w->at);
    const uint8_t        *points = of[B_POINTS].at;
    *out = (struct stream_read){ .type = bits_at(&of[B_STREAM_TYPES], w->at),
                                 .points = points + r.at,
                                 .points_end = points + r.end };
    w->at++;
    return true;
}

struct points_walk points_of(const struct bucket *b, const struct stream_read *s)
{
    return (struct points_walk){ .bucket = b,
                                 .live = s->live,
                                 .n = s->live ? vec_n(&s->live->points) : 0,
                                 .next = s->points,
                                 .end = s->points_end,
                                 .time_ns = b->start_ns };
}

const struct point *sealed_point_next(struct points_walk *w)
{
    uint64_t time, total, row, column;

    if (w->next == w->end)
        return NULL;
    w->next = uvarint_get(uvarint_get(uvarint_get(uvarint_get(w->next, &time), &total), &row), &column);
    w->time_ns += unzigzag(time);
    w->row += (uint32_t)unzigzag(row);
    const struct section *of = w->bucket->sealed->of;
    w->here = (struct point){ .time_ns = w->time_ns,
                              .total = (int64_t)total,
                              .rows = of[B_ROWS].at + range_at(&of[B_ROW_ENDS], w->row).at,
                              .column = (uint32_t)column };
    w->row++;
    return &w->here;
}

/* ---- groups --------------------------------------------------------------------------------------------------------- */

struct slice group_service(const struct bucket *b, uint32_t group)
{
    const struct block *sealed = b->sealed;

    return sealed ? block_text(sealed, sealed->n_names + sealed->n_values + sealed->n_types + group)
                  : group_at(b, group)->service;
}

uint32_t group_series_n(const struct bucket *b, uint32_t group)
{
    if (b->sealed == NULL)
        return vec_n(&group_at(b, group)->series);
    struct range r = range_at(&b->sealed->of[B_GROUP_ENDS], group);
    return r.end - r.at;
}

uint32_t group_series_at(const struct bucket *b, uint32_t group, uint32_t i)
{
    return b->sealed ? range_at(&b->sealed->of[B_GROUP_ENDS], group).at + i : vec_u32(&group_at(b, group)->series, i);
}

struct range group_rollups(const struct bucket *b, uint32_t group)
{
    return b->sealed ? range_at(&b->sealed->of[B_ROLLUP_ENDS], group) : (struct range){ 0 };
}

struct rollup bucket_rollup(const struct bucket *b, uint32_t i)
{
    const struct section *of = b->sealed->of;
    uint32_t              row = bits_at(&of[B_ROLLUP_ROWS], i);

    return (struct rollup){ .type = bits_at(&of[B_ROLLUP_TYPES], i),
                            .column = bits_at(&of[B_ROLLUP_COLUMNS], i),
                            .rows = of[B_ROWS].at + range_at(&of[B_ROW_ENDS], row).at };
}
