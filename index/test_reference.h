/*
 * For model_test: a plain, slow, obvious index.  It keeps every point with its rows as text and scans all of it for every question;
 * answers are sorted lines.
 */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "index/batch_make.h"
#include "index/select.h"

enum { LABELS_MAX = 24, ROWS_MAX = 12 };

static struct fault why;

/* ---- the reference: points as text ---------------------------------------------------------------------------------- */

struct row {
    struct slice path; /* every name with a \1 behind it */
    int64_t      value;
};

struct fact {
    struct fact  *next;
    int64_t       time_ns;
    struct labels labels; /* of the stream */
    struct slice  type;
    struct row    rows[ROWS_MAX];
    uint32_t      n_rows;
};

struct reference {
    struct arena *a;
    struct fact  *facts;
};

static struct slice keep(struct arena *a, const char *text) { return arena_copy(a, slice_of(text)); }

static void add(struct arena *a, struct labels *l, const char *name, struct slice value)
{
    if (value.n > 0)
        ((struct label *)(void *)l->at)[l->n++] = (struct label){ keep(a, name), arena_copy(a, value) };
}

/* The labels of a stream, from those of its series as text "k=v,k=v" and its type. */
static struct labels stream_labels(struct arena *a, const char *series, const char *service, const struct slice type[5],
                                   struct slice id)
{
    static const char *const names[5] = { "__name__", "__type__", "__unit__", "__period_type__", "__period_unit__" };
    struct labels            l = { arena_array(a, LABELS_MAX, sizeof(struct label)), 0 };
    struct slice             rest = slice_of(series);

    while (rest.n > 0) {
        struct slice pair = make_cut(&rest, ','), name = make_cut(&pair, '=');
        add(a, &l, arena_copy(a, name).p, pair);
    }
    add(a, &l, "service_name", slice_of(service));
    add(a, &l, "__service_name__", slice_of(service));
    add(a, &l, "__profile_type__", id);
    for (int i = 0; i < 5; i++)
        add(a, &l, names[i], type[i]);
    labels_sort((struct label *)(void *)l.at, l.n);
    return l;
}

static bool passes(const struct fact *f, const struct selection *s)
{
    if (f->time_ns < s->start_ns || f->time_ns > s->end_ns)
        return false;
    if (s->profile_type.p != NULL && !slice_eq(f->type, s->profile_type))
        return false;
    for (size_t i = 0; i < s->n_selectors; i++)
        for (size_t k = 0; k < s->selectors[i].n; k++) {
            bool                  is_one;
            const struct matcher *m = &s->selectors[i].at[k];
            assert(matcher_test(m, labels_get(f->labels, m->name), &is_one, &why) == CODE_OK);
            if (!is_one)
                return false;
        }
    return true;
}

static bool is_below(struct slice path, const struct selection *s)
{
    for (size_t i = 0; i < s->n_call_site; i++) {
        if (path.n == 0 || !slice_eq(make_cut(&path, '\1'), s->call_site[i]))
            return false;
    }
    return true;
}

/* ---- answers as sorted lines ---------------------------------------------------------------------------------------- */

struct lines {
    struct arena *a;
    struct slice *at;
    size_t        n, cap;
};

static void line(struct lines *l, struct slice text)
{
    if (l->n == l->cap) {
        struct slice *wider = arena_array(l->a, l->cap * 2 + 16, sizeof *wider);
        if (l->n > 0)
            memcpy(wider, l->at, l->n * sizeof *wider);
        l->at = wider;
        l->cap = l->cap * 2 + 16;
    }
    l->at[l->n++] = arena_copy(l->a, text);
}

static void buf_line(struct lines *l, struct buf *b)
{
    line(l, buf_view(b));
    b->n = 0;
}

static int line_cmp(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void lines_sort(struct lines *l, bool is_set)
{
    size_t n = 0;

    if (l->n > 1)
        qsort(l->at, l->n, sizeof *l->at, line_cmp);
    for (size_t i = 0; i < l->n; i++)
        if (!is_set || n == 0 || !slice_eq(l->at[n - 1], l->at[i]))
            l->at[n++] = l->at[i];
    l->n = n;
}

static void compare(struct lines *index, struct lines *reference, bool is_set, const char *question)
{
    lines_sort(index, false);
    lines_sort(reference, is_set);
    bool same = index->n == reference->n;
    for (size_t i = 0; same && i < index->n; i++)
        same = slice_eq(index->at[i], reference->at[i]);
    if (same)
        return;
    printf("%s: the index says\n", question);
    for (size_t i = 0; i < index->n; i++)
        printf("  %.*s\n", SLICE_ARGS(index->at[i]));
    printf("the reference says\n");
    for (size_t i = 0; i < reference->n; i++)
        printf("  %.*s\n", SLICE_ARGS(reference->at[i]));
    assert(!"equal answers");
}
