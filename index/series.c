#include "index/series.h"

#include <string.h>

/* ---- types ---------------------------------------------------------------------------------------------------------- */

void types_init(struct types *t)
{
    *t = (struct types){ 0 };
    vec_init(&t->all, sizeof(struct type), 1);
}

static bool type_is(const struct type *t, const struct slice parts[5])
{
    return slice_eq(t->name, parts[0]) && slice_eq(t->sample_type, parts[1]) && slice_eq(t->unit, parts[2]) &&
           slice_eq(t->period_type, parts[3]) && slice_eq(t->period_unit, parts[4]);
}

static struct type type_make(struct slab *s, const struct slice parts[5])
{
    struct slice copies[5];
    size_t       bytes = 4;

    for (int i = 0; i < 5; i++)
        bytes += parts[i].n;
    char *text = slab_alloc(s, bytes, 1), *at = text;
    for (int i = 0; i < 5; i++) {
        if (i > 0)
            *at++ = ':';
        if (parts[i].n > 0)
            memcpy(at, parts[i].p, parts[i].n);
        copies[i] = slice_make(at, parts[i].n);
        at += parts[i].n;
    }
    return (struct type){ slice_make(text, bytes), copies[0], copies[1], copies[2], copies[3], copies[4] };
}

uint32_t types_add(struct types *t, struct slab *s, const struct slice parts[5])
{
    uint64_t hash = 0;
    uint32_t i;

    for (int k = 0; k < 5; k++)
        hash = hash_pair(hash, hash_text(parts[k]));
    for (struct table_walk w = table_walk(&t->ids, hash); table_next(&t->ids, &w, &i);)
        if (type_is(vec_at(&t->all, i), parts))
            return i;
    struct type made = type_make(s, parts);
    i = vec_add(&t->all, s, &made);
    table_put(&t->ids, s, hash, i);
    return i;
}

size_t types_cost(const struct types *t, size_t more, size_t text_bytes)
{
    return vec_cost(&t->all, more) + table_cost(&t->ids, more) + text_bytes + more * 8;
}

/* ---- series --------------------------------------------------------------------------------------------------------- */

void series_set_init(struct series_set *x)
{
    *x = (struct series_set){ 0 };
    vec_init(&x->all, sizeof(struct series *), 1);
    vec_init(&x->many, sizeof(struct stream *), 1);
}

void series_set_free(struct series_set *x, struct slab *s)
{
    table_free(&x->series_ids, s);
    table_free(&x->many_ids, s);
}

static uint64_t labels_key(struct label_value *const *labels, uint32_t n)
{
    uint64_t key = 0;

    for (uint32_t i = 0; i < n; i++)
        key = series_key(key, labels[i]->hash);
    return key;
}

struct series *series_find(const struct series_set *x, struct label_value *const *labels, uint32_t n)
{
    struct table_walk w = table_walk(&x->series_ids, labels_key(labels, n));
    uint32_t          i;

    while (table_next(&x->series_ids, &w, &i)) { /* labels are there once, so equal sets have equal pointers */
        struct series *s = vec_pointer(&x->all, i);
        if (s->n_labels == n && memcmp(s->labels, labels, n * sizeof *labels) == 0)
            return s;
    }
    return NULL;
}

struct series *series_add(struct series_set *x, struct slab *s, uint32_t group, struct label_value *const *labels,
                          uint32_t n)
{
    struct series *made = slab_new(s, sizeof *made + n * sizeof *labels);

    *made = (struct series){ .id = vec_n(&x->all), .group = group, .n_labels = n };
    memcpy(made->labels, labels, n * sizeof *labels);
    vec_add(&x->all, s, &made);
    table_put(&x->series_ids, s, labels_key(labels, n), made->id);
    return made;
}

/* ---- streams -------------------------------------------------------------------------------------------------------- */

enum { STREAMS_WALKED = 8 };

static uint64_t stream_key(const struct stream *s) { return hash_pair(s->series, s->type); }

static struct stream *stream_among_few(const struct series *in, uint32_t type)
{
    struct stream *s = atomic_load_explicit(&in->streams, memory_order_relaxed);

    while (s != NULL && s->type != type)
        s = s->next;
    return s;
}

static struct stream *stream_among_many(const struct series_set *x, const struct series *in, uint32_t type)
{
    struct stream     key = { .series = in->id, .type = type };
    struct table_walk w = table_walk(&x->many_ids, stream_key(&key));
    uint32_t          i;

    while (table_next(&x->many_ids, &w, &i)) {
        struct stream *s = vec_pointer(&x->many, i);
        if (s->series == in->id && s->type == type)
            return s;
    }
    return NULL;
}

static void stream_list(struct series_set *x, struct slab *s, struct stream *stream)
{
    table_put(&x->many_ids, s, stream_key(stream), vec_add(&x->many, s, &stream));
}

/* R4: one that has just become many is listed with those before it. */
static void stream_added(struct series_set *x, struct slab *s, const struct series *in, struct stream *added)
{
    x->n_streams++;
    if (in->n_streams > STREAMS_WALKED + 1)
        stream_list(x, s, added);
    else if (in->n_streams == STREAMS_WALKED + 1)
        for (; added != NULL; added = added->next)
            stream_list(x, s, added);
}

static struct stream *stream_of(struct series_set *x, struct slab *s, struct series *in, uint32_t type)
{
    struct stream *have = in->n_streams <= STREAMS_WALKED ? stream_among_few(in, type) : stream_among_many(x, in, type);
    struct stream *made;

    if (have != NULL)
        return have;
    made = slab_new(s, sizeof *made);
    *made = (struct stream){ .next = atomic_load_explicit(&in->streams, memory_order_relaxed),
                             .series = in->id,
                             .type = type };
    vec_init(&made->points, sizeof(struct point), 0);
    in->n_streams++;
    stream_added(x, s, in, made);
    atomic_store_explicit(&in->streams, made, memory_order_release); /* R1 */
    return made;
}

void series_point(struct series_set *x, struct slab *s, struct series *in, uint32_t type, const struct point *p)
{
    struct stream *stream = stream_of(x, s, in, type);
    uint32_t       n = vec_add(&stream->points, s, p) + 1;

    x->points_max = n > x->points_max ? n : x->points_max;
}

size_t series_cost(const struct series_set *x, size_t series, size_t labels, size_t streams)
{
    size_t segment = (x->points_max / 4 + 4) * sizeof(struct point), dir = 2 * 128 * sizeof(char *);
    size_t run = x->points_max < 16 ? 4 * sizeof(char *) : dir;
    size_t listed = streams * (STREAMS_WALKED + 1); /* each may be the one that makes its series have many */

    return series * (sizeof(struct series) + 8) + labels * (sizeof(struct label_value *)) + vec_cost(&x->all, series) +
           table_cost(&x->series_ids, series) + streams * (sizeof(struct stream) + segment + run + 24) +
           vec_cost(&x->many, listed) + table_cost(&x->many_ids, listed);
}
