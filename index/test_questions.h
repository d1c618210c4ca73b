/*
 * For model_test: random questions of each of the six kinds, asked of a bucket and of the reference, whose answers must be the same lines.
 */
#pragma once

#include "index/test_reference.h"

enum { SPAN = 600, NS = 1000000000 };

static uint64_t seed = 20261120;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

#define PICK(list) (list[dice(sizeof(list) / sizeof *(list))])

static const char *const profile_names[] = { "process_cpu", "memory", "block" };
static const char *const frame_names[] = { "main\1", "work\1",      "read\1",        "a\1b\1",        "a\1b\1c\1",
                                           "b\1",    "c\1",         "lib.so!0x1f\1", "lib.so!0x2f\1", "unknown!0xff\1",
                                           "\1",     "main\1work\1" };
static const char *const asked_labels[] = { "env",
                                            "pod",
                                            "region",
                                            "zone",
                                            "service_name",
                                            "__service_name__",
                                            "__name__",
                                            "__type__",
                                            "__unit__",
                                            "__profile_type__",
                                            "__period_type__",
                                            "none" };
static const char *const asked_values[] = { "",      "a",       "b",   "web", "cpu",   "memory", "a|b",
                                            ".*",    ".+",      "p.*", "|a",  "[ab]+", "nope",   "process_cpu|block",
                                            "bytes", "(web|db)" };

/* ---- questions ------------------------------------------------------------------------------------------------------ */

struct question {
    struct arena    *a;
    struct selector  selectors[2];
    struct slice     site[3];
    struct selection what;
    struct lines     index, reference;
    struct buf       text; /* of one line */
    const char      *told;
};

static const char *random_selector(struct arena *a)
{
    static const char *const ops[] = { "=", "!=", "=~", "!~" };
    struct buf               b = { 0 };

    buf_text(&b, "{");
    for (uint32_t i = dice(4); i > 0; i--)
        buf_printf(&b, "%s%s\"%s\",", PICK(asked_labels), PICK(ops), PICK(asked_values));
    buf_text(&b, "}");
    const char *text = arena_copy(a, buf_view(&b)).p;
    buf_free(&b);
    return text;
}

static void question_make(struct question *q)
{
    struct buf told = { 0 };

    *q = (struct question){ .a = arena_new(0) };
    q->index.a = q->reference.a = q->a;
    q->what.start_ns = dice(3) ? 0 : (int64_t)dice(SPAN) * NS;
    q->what.end_ns = dice(3) ? SPAN * (int64_t)NS : (int64_t)dice(SPAN) * NS;
    q->what.selectors = q->selectors;
    q->what.n_selectors = dice(3);
    for (size_t i = 0; i < q->what.n_selectors; i++) {
        const char *text = random_selector(q->a);
        assert(selector_parse(slice_of(text), q->a, &q->selectors[i], &why) == CODE_OK);
        buf_printf(&told, "%s ", text);
    }
    if (dice(3) == 0)
        q->what.profile_type = arena_printf(q->a, "%s:cpu:nanoseconds:cpu:nanoseconds", PICK(profile_names));
    buf_printf(&told, "[%lld,%lld] %.*s", (long long)q->what.start_ns, (long long)q->what.end_ns,
               SLICE_ARGS(q->what.profile_type));
    q->what.call_site = q->site;
    q->what.n_call_site = dice(2) ? 0 : 1 + dice(3);
    for (size_t i = 0; i < q->what.n_call_site; i++) {
        struct slice names = slice_of(i == 0 && dice(8) ? frame_names[0] : PICK(frame_names));
        q->site[i] = make_cut(&names, '\1');
        buf_printf(&told, " >%.*s", SLICE_ARGS(q->site[i]));
    }
    q->told = arena_copy(q->a, buf_view(&told)).p;
    buf_free(&told);
}

static void question_end(struct question *q)
{
    for (size_t i = 0; i < q->what.n_selectors; i++)
        selector_free(&q->selectors[i]);
    buf_free(&q->text);
    arena_free(q->a);
}

static void set_lines(struct lines *l, struct strset *set)
{
    for (uint32_t i = 0; i < strset_n(set); i++)
        line(l, strset_at(set, i));
}

static void ask_types(struct question *q, const struct reference *r, const struct bucket *b)
{
    struct strset *set = strset_new(q->a);

    assert(select_types(b, &q->what, set, &why) == CODE_OK);
    set_lines(&q->index, set);
    for (const struct fact *f = r->facts; f != NULL; f = f->next)
        if (passes(f, &q->what))
            line(&q->reference, f->type);
}

static void ask_names(struct question *q, const struct reference *r, const struct bucket *b)
{
    struct strset *set = strset_new(q->a);

    assert(select_label_names(b, &q->what, set, &why) == CODE_OK);
    set_lines(&q->index, set);
    for (const struct fact *f = r->facts; f != NULL; f = f->next)
        for (size_t i = 0; passes(f, &q->what) && i < f->labels.n; i++)
            line(&q->reference, f->labels.at[i].name);
}

static void ask_values(struct question *q, const struct reference *r, const struct bucket *b)
{
    struct slice   name = slice_of(PICK(asked_labels));
    struct strset *set = strset_new(q->a);

    assert(select_label_values(b, &q->what, name, set, &why) == CODE_OK);
    set_lines(&q->index, set);
    for (const struct fact *f = r->facts; f != NULL; f = f->next)
        if (passes(f, &q->what) && labels_get(f->labels, name).n > 0)
            line(&q->reference, labels_get(f->labels, name));
}

static void ask_series(struct question *q, const struct reference *r, const struct bucket *b)
{
    struct strset *set = strset_new(q->a);
    struct slice   names[3];
    size_t         n = dice(4);

    for (size_t i = 0; i < n; i++)
        names[i] = slice_of(PICK(asked_labels));
    assert(select_series(b, &q->what, names, n, set, &why) == CODE_OK);
    for (uint32_t i = 0; i < strset_n(set); i++) {
        struct labels l;
        assert(labels_split(strset_at(set, i), q->a, &l));
        labels_print(&q->text, l);
        buf_line(&q->index, &q->text);
    }
    for (const struct fact *f = r->facts; f != NULL; f = f->next) {
        struct label  room[LABELS_MAX];
        struct labels kept = { room, 0 };
        if (!passes(f, &q->what))
            continue;
        for (size_t i = 0; i < f->labels.n; i++) {
            bool is_asked = n == 0;
            for (size_t k = 0; k < n; k++)
                is_asked |= slice_eq(names[k], f->labels.at[i].name);
            if (is_asked)
                room[kept.n++] = f->labels.at[i];
        }
        labels_print(&q->text, kept);
        buf_line(&q->reference, &q->text);
    }
}

struct open_point {
    struct question *q;
    struct slice     labels;
};

static void *open_stream(void *arg, struct labels labels)
{
    struct question   *q = arg;
    struct open_point *o = arena_alloc(q->a, sizeof *o);

    labels_print(&q->text, labels);
    *o = (struct open_point){ q, arena_copy(q->a, buf_view(&q->text)) };
    q->text.n = 0;
    return o;
}

static void one_point(void *arg, void *stream, int64_t time_ns, int64_t total)
{
    struct question   *q = arg;
    struct open_point *o = stream;

    buf_printf(&q->text, "%.*s %lld %lld", SLICE_ARGS(o->labels), (long long)time_ns, (long long)total);
    buf_line(&q->index, &q->text);
}

static void ask_points(struct question *q, const struct reference *r, const struct bucket *b)
{
    struct point_sink sink = { q, open_stream, one_point };

    assert(select_points(b, &q->what, &sink, &why) == CODE_OK);
    for (const struct fact *f = r->facts; f != NULL; f = f->next) {
        int64_t total = 0;
        for (uint32_t i = 0; i < f->n_rows; i++)
            total += is_below(f->rows[i].path, &q->what) ? f->rows[i].value : 0;
        if (!passes(f, &q->what) || total == 0)
            continue;
        labels_print(&q->text, f->labels);
        buf_printf(&q->text, " %lld %lld", (long long)f->time_ns, (long long)total);
        buf_line(&q->reference, &q->text);
    }
}

static void path_of(struct buf *out, const struct tree *t, uint32_t node)
{
    if (node == 0)
        return;
    path_of(out, t, t->parent[node]);
    buf_slice(out, strset_at(t->names, t->name[node]));
    buf_byte(out, 1);
}

/* Every path with its self value, the ways to it with 0 included. */
static void reference_tree(struct question *q, const struct reference *r)
{
    struct strset *paths = strset_new(q->a);
    int64_t        self[20000] = { 0 };

    for (const struct fact *f = r->facts; f != NULL; f = f->next)
        for (uint32_t i = 0; passes(f, &q->what) && i < f->n_rows; i++) {
            struct slice path = f->rows[i].path;
            if (!is_below(path, &q->what))
                continue;
            for (size_t n = 1; n <= path.n; n++)
                if (path.p[n - 1] == '\1') {
                    uint32_t id = strset_add(paths, slice_make(path.p, n));
                    assert(id < 20000);
                    self[id] += n == path.n ? f->rows[i].value : 0;
                }
        }
    for (uint32_t i = 0; i < strset_n(paths); i++) {
        buf_printf(&q->text, "%.*s %lld", SLICE_ARGS(strset_at(paths, i)), (long long)self[i]);
        buf_line(&q->reference, &q->text);
    }
}

static void ask_tree(struct question *q, const struct reference *r, const struct bucket *b)
{
    struct tree *t = tree_new();

    assert(select_tree(b, &q->what, t, &why) == CODE_OK);
    for (uint32_t i = 1; i < t->n; i++) {
        path_of(&q->text, t, i);
        buf_printf(&q->text, " %lld", (long long)t->self[i]);
        buf_line(&q->index, &q->text);
    }
    assert(t->self[0] == 0);
    tree_free(t);
    reference_tree(q, r);
}

typedef void ask_fn(struct question *q, const struct reference *r, const struct bucket *b);

static long ask_all(const struct reference *r, const struct bucket *b)
{
    static ask_fn *const     asks[] = { ask_types, ask_names, ask_values, ask_series, ask_points, ask_tree };
    static const char *const names[] = { "types", "names", "values", "series", "points", "tree" };
    long                     lines = 0;

    for (size_t i = 0; i < 6; i++) {
        struct question q;
        question_make(&q);
        asks[i](&q, r, b);
        lines += (long)q.index.n;
        compare(&q.index, &q.reference, i < 4, arena_printf(q.a, "%s %s", names[i], q.told).p);
        question_end(&q);
    }
    return lines;
}
