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
#include "index/block_merge.h"
#include "index/block_priv.h"
#include "index/bucket_priv.h"
#include "index/naming.h"
#include "index/test_questions.h"

enum { BUCKETS = 200, PUSHES = 60, PARTS = 3 };

static const char *const services[] = { "web", "db", "cache" };

static const char *const label_names[] = { "env", "pod", "region", "zone" }; /* sorted */
static const char *const label_values[] = { "a", "b", "ab", "p1", "p2", "p3" };
static const char *const type_names[][2] = {
    { "cpu", "nanoseconds" }, { "samples", "count" }, { "alloc", "bytes" }, { "x", "" }
};
static const char *const frame_texts[] = { "main", "work",          "read",          "a>b",  "a>b>c", "b",
                                           "c",    "!/x/lib.so@1f", "!/x/lib.so@2f", "!@ff", "",      "main>work" };

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
    struct tree   *t = tree_new();
    struct naming *names = naming_new(t, SIZE_MAX);

    assert(select_profile(b, &q->what, names, &why) == CODE_OK);
    for (uint32_t i = 1; i < t->n; i++) {
        path_of(&q->text, t, i);
        buf_printf(&q->text, " %lld", (long long)t->self[i]);
        line(to, buf_view(&q->text));
        q->text.n = 0;
    }
    naming_free(names);
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
