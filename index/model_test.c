/*
 * Goal: the index answers what a plain, slow, obvious program answers, live and sealed.
 * Method: from a seed, 200 buckets take 60 random pushes each and are asked 60 random questions of each of the six kinds
 * while they fill; so are, at times, their sealed forms, half of them copied to another place in memory.  Exact profiles of all forms are
 * compared with each other.  The reference keeps every point with its rows as text and scans all of it for every question.  Answers
 * are compared as sorted lines.  Each push also checks that bucket_cost_max was a bound and bucket_bytes is on the meter.  Twins are
 * made of nothing but the redos of what the bucket took; half way one takes its place, as after a restart: the sealed forms of
 * the two that are left are the same to the byte.  What the bucket took also goes to three others, by time; sealed and merged, in
 * two steps, they answer as the one does.
 */
#include <stdio.h>

#include "base/mem.h"
#include "index/batch_make.h"
#include "index/block_merge.h"
#include "index/block_priv.h"
#include "index/bucket_priv.h"
#include "index/select.h"

enum { BUCKETS = 200, PUSHES = 60, ASKS_PER_PUSH = 1, SPAN = 600, NS = 1000000000, LABELS_MAX = 24, ROWS_MAX = 12 };
enum { PARTS = 3 };

static uint64_t seed = 20261120;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

#define PICK(list) (list[dice(sizeof(list) / sizeof *(list))])

static const char *const services[] = { "web", "db", "cache" };
static const char *const profile_names[] = { "process_cpu", "memory", "block" };
static const char *const label_names[] = { "env", "pod", "region", "zone" }; /* sorted */
static const char *const label_values[] = { "a", "b", "ab", "p1", "p2", "p3" };
static const char *const type_names[][2] = {
    { "cpu", "nanoseconds" }, { "samples", "count" }, { "alloc", "bytes" }, { "x", "" }
};
static const char *const frame_texts[] = { "main", "work",          "read",          "a>b",  "a>b>c", "b",
                                           "c",    "!/x/lib.so@1f", "!/x/lib.so@2f", "!@ff", "",      "main>work" };
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

/* ---- pushes --------------------------------------------------------------------------------------------------------- */

static const char *random_labels(struct arena *a)
{
    struct buf b = { 0 };

    for (size_t i = 0; i < 4; i++)
        if (dice(2))
            buf_printf(&b, "%s%s=%s", b.n ? "," : "", label_names[i], PICK(label_values));
    const char *text = arena_copy(a, buf_view(&b)).p;
    buf_free(&b);
    return text;
}

static uint32_t depth_max; /* when small: few stacks, that come again and are rolled up */

/* A stack as text for the maker and as the path that it must show; not the text "", which is the empty stack. */
static const char *random_stack(struct arena *a, struct slice *path)
{
    struct buf text = { 0 }, shown = { 0 };
    uint32_t   depth = dice(12) ? 1 + dice(depth_max) : 0;

    for (uint32_t i = 0; i < depth; i++) {
        size_t pick = i == 0 ? 0 : dice(sizeof frame_texts / sizeof *frame_texts);
        buf_printf(&text, "%s%s", i ? ";" : "", frame_texts[pick]);
        buf_text(&shown, frame_names[pick]);
    }
    const char *kept = arena_copy(a, buf_view(&text)).p;
    *path = arena_copy(a, buf_view(&shown));
    buf_free(&text);
    buf_free(&shown);
    return kept;
}

static void push_part(struct reference *r, struct batch_make *m, const char *service, const char *name,
                      const size_t *types, uint32_t n_types, const char *period)
{
    const char  *labels = random_labels(r->a);
    struct slice paths[ROWS_MAX];
    const char  *stacks[ROWS_MAX];
    int64_t      values[ROWS_MAX][4];
    uint32_t     n = 0;

    make_part(m, labels);
    for (uint32_t i = 1 + dice(ROWS_MAX - 1); i > 0; i--) {
        bool is_new = true;
        stacks[n] = random_stack(r->a, &paths[n]);
        for (uint32_t k = 0; k < n; k++)
            is_new &= strcmp(stacks[k], stacks[n]) != 0;
        int64_t sum = 0;
        for (uint32_t t = 0; t < n_types; t++)
            sum += values[n][t] = dice(3) ? (dice(2) ? 1 : dice(1000)) * (t == 1 ? 10000000 : 1) : 0;
        if (is_new && sum > 0) {
            make_row(m, stacks[n], values[n]);
            n++;
        }
    }
    for (uint32_t t = 0; t < n_types; t++) {
        struct slice parts[5] = { slice_of(name), slice_of(type_names[types[t]][0]), slice_of(type_names[types[t]][1]),
                                  slice_of(period), SLICE("nanoseconds") };
        struct slice id = arena_printf(r->a, "%s:%s:%s:%s:nanoseconds", name, parts[1].p, parts[2].p, period);
        struct fact *f = arena_zalloc(r->a, sizeof *f);
        *f = (struct fact){ .next = r->facts, .time_ns = m->b.time_ns, .type = id };
        for (uint32_t i = 0; i < n; i++)
            if (values[i][t] > 0)
                f->rows[f->n_rows++] = (struct row){ paths[i], values[i][t] };
        f->labels = stream_labels(r->a, labels, service, parts, id);
        if (f->n_rows > 0)
            r->facts = f;
    }
}

/* What the twin does not see it does not show: not before it is published. */
static void push_twin(struct bucket *twin, const struct bucket *b, struct slice redo)
{
    size_t had = bucket_bytes(twin), most = bucket_redo_cost(twin, SLICE("t"), redo);

    assert(bucket_redo(twin, redo, &why) == CODE_OK);
    assert(bucket_redone(twin, &why) == CODE_OK);
    assert(bucket_bytes(twin) - had <= most);
    assert(bucket_stats(twin).profiles + 1 == bucket_stats(b).profiles);
    bucket_publish(twin);
    assert(bucket_redo(twin, redo, &why) == CODE_DATA_LOSS); /* once */
}

static void push_all(struct bucket *b, struct bucket *const twins[2], const struct batch *batch)
{
    struct buf redo = { 0 };

    assert(bucket_take(b, batch, &redo, &why) == CODE_OK);
    bucket_publish(b);
    for (int i = 0; i < 2; i++)
        if (twins[i] != NULL)
            push_twin(twins[i], b, buf_view(&redo));
    buf_free(&redo);
}

static void push(struct reference *r, struct bucket *b, struct bucket *const twins[2], struct bucket *const *parts)
{
    const char       *service = PICK(services), *name = PICK(profile_names), *period = dice(4) ? "cpu" : "";
    struct arena     *a = arena_new(0);
    struct batch_make m;
    size_t            types[4], n_types = 1 + dice(4), first = dice(4), n_parts = 1 + dice(3);

    make_begin(&m, a, service, name, (int64_t)dice(SPAN) * NS);
    m.b.period_type = make_string(&m, slice_of(period));
    for (size_t t = 0; t < n_types; t++) {
        types[t] = (first + t) % 4;
        make_type(&m, type_names[types[t]][0], type_names[types[t]][1]);
    }
    for (size_t i = 0; i < n_parts; i++)
        push_part(r, &m, service, name, types, (uint32_t)n_types, period);
    const struct batch *batch = make_end(&m);
    size_t              had = bucket_bytes(b), most = bucket_cost_max(b, batch);
    assert(bucket_cost_roughly(b, batch) >= most);
    push_all(b, twins, batch);
    assert(bucket_append(parts[batch->time_ns / (SPAN / PARTS * (int64_t)NS)], batch, &why) == CODE_OK);
    assert(bucket_bytes(b) - had <= most);
    arena_free(a);
}

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
        assert(labels_decode(strset_at(set, i), q->a, &l));
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

/* ---- sealed forms --------------------------------------------------------------------------------------------------- */

static long rests;

static void image_free(struct slice bytes) { free((char *)bytes.p); }
static void image_rest(struct slice bytes) { rests += bytes.n > 0; }

static struct bucket *opened(struct slice image, _Atomic size_t *meter)
{
    struct block_image own = { slice_make(memcpy(mem_alloc(image.n), image.p, image.n), image.n), image_free, image_rest };
    struct bucket     *b;

    assert(block_open(&own, meter, &b, &why) == CODE_OK);
    return b;
}

static struct bucket *sealed(const struct bucket *b, _Atomic size_t *meter)
{
    const struct block_origin origin = { 3, 7, SLICE("keys"), SLICE("sources") };
    struct buf                image = { 0 }, again = { 0 };

    assert(block_write(b, &origin, &image, &why) == CODE_OK);
    assert(block_write(b, &origin, &again, &why) == CODE_OK);
    assert(slice_eq(buf_view(&image), buf_view(&again)));
    struct bucket *made = opened(buf_view(&image), meter);
    buf_free(&image);
    buf_free(&again);
    return made;
}

static void same_images(const struct bucket *b, const struct bucket *twin)
{
    struct buf image = { 0 }, other = { 0 };

    assert(block_write(b, &(struct block_origin){ .first_seq = 7 }, &image, &why) == CODE_OK);
    assert(block_write(twin, &(struct block_origin){ .first_seq = 7 }, &other, &why) == CODE_OK);
    assert(slice_eq(buf_view(&image), buf_view(&other)));
    buf_free(&image);
    buf_free(&other);
}

static void profile_lines(const struct bucket *b, struct question *q, struct lines *to)
{
    struct tree *t = tree_new();

    assert(select_profile(b, &q->what, SIZE_MAX, t, &why) == CODE_OK);
    for (uint32_t i = 1; i < t->n; i++) {
        path_of(&q->text, t, i);
        buf_printf(&q->text, " %lld", (long long)t->self[i]);
        line(to, buf_view(&q->text));
        q->text.n = 0;
    }
    tree_free(t);
}

static void same_profiles(const struct bucket *live, const struct bucket *b)
{
    struct question q;

    question_make(&q);
    profile_lines(b, &q, &q.index);
    profile_lines(live, &q, &q.reference);
    compare(&q.index, &q.reference, false, q.told);
    question_end(&q);
}

static long n_rollups;

static long ask_sealed(const struct reference *r, const struct bucket *live, bool is_copied)
{
    _Atomic size_t meter = 0;
    struct bucket *b = sealed(live, &meter);

    if (is_copied) {
        struct bucket *copy = opened(block_image(b), &meter);
        bucket_unref(b);
        b = copy;
    }
    struct bucket_stats is = bucket_stats(b), was = bucket_stats(live);
    assert(is.series == was.series && is.profiles == was.profiles && is.samples == was.samples);
    assert(is.oldest_ns == was.oldest_ns && is.newest_ns == was.newest_ns && is.clamped == was.clamped);
    assert(meter == bucket_bytes(b) && bucket_is_sealed(b) && slice_eq(bucket_tenant(b), bucket_tenant(live)));
    struct block_origin origin = block_origin(b);
    assert(origin.first_seq == 3 && origin.last_seq == 7 && slice_is(origin.keys, "keys") &&
           slice_is(origin.sources, "sources"));
    if (is_copied) {
        long before = rests;
        block_rest(b);
        assert(block_is_demotable(b) && rests == before);
        block_demote(b);
        assert(!block_is_demotable(b) && rests == before + 1 && meter == bucket_bytes(b) && meter < 4096);
    }
    n_rollups += b->sealed->of[B_ROLLUP_TYPES].n;
    long lines = ask_all(r, b);
    same_profiles(live, b);
    bucket_unref(b);
    assert(meter == 0);
    return lines;
}

static struct bucket *merged(struct bucket *a, struct bucket *b, _Atomic size_t *meter)
{
    struct bucket *made;

    assert(block_merge((struct bucket *[]){ a, b }, 2, meter, &made, &why) == CODE_OK);
    return made;
}

static long ask_merged(const struct reference *r, const struct bucket *b, struct bucket *const *parts)
{
    _Atomic size_t meter = 0;
    struct bucket *of[PARTS];

    for (int i = 0; i < PARTS; i++)
        of[i] = sealed(parts[i], &meter);
    struct bucket *two = merged(of[1], of[0], &meter), *two_sealed = sealed(two, &meter);
    struct bucket *all = merged(two_sealed, of[2], &meter);
    assert(bucket_start_ns(all) == 0 && bucket_end_ns(all) == SPAN * (int64_t)NS);
    assert(bucket_stats(all).series == bucket_stats(b).series && bucket_stats(all).samples == bucket_stats(b).samples);
    long lines = ask_all(r, all) + ask_sealed(r, all, false);
    same_profiles(b, all);
    for (int i = 0; i < PARTS; i++)
        bucket_unref(of[i]);
    bucket_unref(two);
    bucket_unref(two_sealed);
    bucket_unref(all);
    assert(meter == 0);
    return lines;
}

int main(int argc, char **argv)
{
    long pushes = 0, questions = 0, lines = 0;

    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10); /* model_test SEED: another walk */
    for (int i = 0; i < BUCKETS; i++) {
        depth_max = i % 3 ? 6 : 1 + (uint32_t)i % 2;
        _Atomic size_t   meter = 0;
        struct bucket   *b = bucket_new(SLICE("t"), 0, SPAN * (int64_t)NS, &meter);
        struct bucket   *twins[2] = { bucket_new(SLICE("t"), 0, SPAN * (int64_t)NS, &meter),
                                      bucket_new(SLICE("t"), 0, SPAN * (int64_t)NS, NULL) };
        struct bucket   *parts[PARTS];
        struct reference r = { .a = arena_new(0) };
        for (int64_t k = 0; k < PARTS; k++)
            parts[k] = bucket_new(SLICE("t"), k * (SPAN / PARTS * (int64_t)NS), (k + 1) * (SPAN / PARTS * (int64_t)NS), NULL);
        for (int k = 0; k < PUSHES; k++, pushes++) {
            if (k == PUSHES / 2) {
                bucket_unref(b);
                b = twins[0];
                twins[0] = NULL;
            }
            push(&r, b, twins, parts);
            lines += ask_all(&r, b);
            questions += 6;
            if (k % 4 == 3) {
                lines += ask_sealed(&r, b, k % 8 == 3);
                questions += 7;
            }
            if (k % 15 == 14) {
                lines += ask_merged(&r, b, parts);
                questions += 14;
            }
        }
        for (int k = 0; k < PARTS; k++)
            bucket_unref(parts[k]);
        assert(meter == bucket_bytes(b));
        same_images(b, twins[1]);
        bucket_unref(twins[1]);
        bucket_unref(b);
        assert(meter == 0);
        arena_free(r.a);
    }
    assert(n_rollups > 1000);
    printf("%ld pushes, %ld questions, %ld lines of answers equal; %ld rollups\n", pushes, questions, lines, n_rollups);
    return 0;
}
