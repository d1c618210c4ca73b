/*
 * Goal: a bucket answers the six questions for what was put in, frame by frame, label by label, and gives its memory back.
 * Method: small batches told in text (batch_make.h), answers compared with what a reader of the batch would write down.
 */
#include <stdio.h>

#include "base/mem.h"
#include "index/batch_make.h"
#include "index/bucket.h"
#include "index/bucket_priv.h"
#include "index/select.h"

enum { S = 1000000000 };

static struct fault why;

static void append(struct bucket *b, struct batch_make *m)
{
    const struct batch *batch = make_end(m);
    struct arena       *a = arena_new(0);
    struct batch        read;
    struct buf          bytes = { 0 };

    batch_encode(batch, &bytes);
    enum code code = batch_decode(buf_view(&bytes), a, &read, &why);
    if (code != CODE_OK)
        printf("%s\n", why.text);
    assert(code == CODE_OK);
    size_t had = bucket_bytes(b), most = bucket_cost_max(b, &read);
    assert(most <= bucket_cost_roughly(b, &read));
    assert(bucket_append(b, &read, &why) == CODE_OK);
    assert(bucket_bytes(b) - had <= most);
    buf_free(&bytes);
    arena_free(a);
}

static struct bucket *sample_bucket(_Atomic size_t *meter)
{
    struct bucket    *b = bucket_new(SLICE("anonymous"), 0, 600 * INT64_C(1000000000), meter);
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, "web", "process_cpu", 10 * INT64_C(1000000000));
    make_type(&m, "samples", "count");
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a,zone=1");
    make_row(&m, "main;work>inlined", (int64_t[]){ 1, 10 });
    make_row(&m, "main;!/usr/lib/libx.so@1F;read", (int64_t[]){ 2, 20 });
    make_row(&m, "main;!@ff", (int64_t[]){ 1, 10 });
    make_row(&m, "", (int64_t[]){ 5, 50 });
    make_part(&m, "pod=b,span=x");
    make_row(&m, "main;work>inlined", (int64_t[]){ 3, 30 });
    append(b, &m);

    make_begin(&m, a, "db", "memory", 20 * INT64_C(1000000000));
    make_type(&m, "inuse", "bytes");
    make_type(&m, "alloc", "bytes");
    make_part(&m, "");
    make_row(&m, "main;;leaf", (int64_t[]){ 0, 7 });
    append(b, &m);

    make_begin(&m, a, "web", "process_cpu", 30 * INT64_C(1000000000));
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a,zone=1");
    make_row(&m, "main;work>inlined", (int64_t[]){ 100 });
    append(b, &m);
    arena_free(a);
    return b;
}

static void print_set(struct buf *out, struct strset *set)
{
    const struct slice *at = strset_sorted(set);

    for (uint32_t i = 0; i < strset_n(set); i++)
        buf_printf(out, "%s%.*s", i ? " " : "", SLICE_ARGS(at[i]));
}

static void expect(struct buf *got, const char *want)
{
    if (!slice_is(buf_view(got), want))
        printf("got  %.*s\nwant %s\n", SLICE_ARGS(buf_view(got)), want);
    assert(slice_is(buf_view(got), want));
    buf_free(got);
}

struct asked {
    struct arena    *a;
    struct selector  selector;
    struct selection what;
};

static struct asked ask(const char *selector, int64_t from, int64_t to, const char *type)
{
    struct asked q = { .a = arena_new(0) };

    assert(selector_parse(slice_of(selector), q.a, &q.selector, &why) == CODE_OK);
    q.what = (struct selection){ .start_ns = from * S, .end_ns = to * S, .n_selectors = 1 };
    if (type != NULL)
        q.what.profile_type = slice_of(type);
    return q;
}

static void done(struct asked *q)
{
    selector_free(&q->selector);
    arena_free(q->a);
}

static void types_are(const struct bucket *b, const char *selector, int64_t from, int64_t to, const char *want)
{
    struct asked   q = ask(selector, from, to, NULL);
    struct strset *set = strset_new(q.a);
    struct buf     got = { 0 };

    q.what.selectors = &q.selector;
    assert(select_types(b, &q.what, set, &why) == CODE_OK);
    print_set(&got, set);
    expect(&got, want);
    done(&q);
}

static void names_are(const struct bucket *b, const char *selector, const char *want)
{
    struct asked   q = ask(selector, 0, 600, NULL);
    struct strset *set = strset_new(q.a);
    struct buf     got = { 0 };

    q.what.selectors = &q.selector;
    assert(select_label_names(b, &q.what, set, &why) == CODE_OK);
    print_set(&got, set);
    expect(&got, want);
    done(&q);
}

static void values_are(const struct bucket *b, const char *selector, const char *name, const char *want)
{
    struct asked   q = ask(selector, 0, 600, NULL);
    struct strset *set = strset_new(q.a);
    struct buf     got = { 0 };

    q.what.selectors = &q.selector;
    assert(select_label_values(b, &q.what, slice_of(name), set, &why) == CODE_OK);
    print_set(&got, set);
    expect(&got, want);
    done(&q);
}

static void series_are(const struct bucket *b, const char *selector, const struct slice *names, size_t n, const char *want)
{
    struct asked   q = ask(selector, 0, 600, NULL);
    struct strset *set = strset_new(q.a);
    struct buf     got = { 0 };

    q.what.selectors = &q.selector;
    assert(select_series(b, &q.what, names, n, set, &why) == CODE_OK);
    for (uint32_t i = 0; i < strset_n(set); i++) {
        struct labels l;
        assert(labels_split(strset_sorted(set)[i], q.a, &l) && labels_are_sorted(l));
        labels_print(&got, l);
    }
    expect(&got, want);
    done(&q);
}

static void print_node(struct buf *out, const struct tree *t, uint32_t node)
{
    if (t->parent[node] != 0) {
        print_node(out, t, t->parent[node]);
        buf_byte(out, ';');
    }
    buf_slice(out, strset_at(t->names, t->name[node]));
}

static void tree_is(const struct bucket *b, const char *selector, int64_t from, int64_t to, const char *type,
                    const struct slice *site, size_t n_site, const char *want)
{
    struct asked q = ask(selector, from, to, type);
    struct tree *t = tree_new();
    struct buf   got = { 0 };

    q.what.selectors = &q.selector;
    q.what.call_site = site;
    q.what.n_call_site = n_site;
    assert(select_tree(b, &q.what, t, &why) == CODE_OK);
    for (uint32_t i = 1; i < t->n; i++) {
        assert(t->parent[i] < i);
        print_node(&got, t, i);
        buf_printf(&got, " %lld\n", (long long)t->self[i]);
    }
    expect(&got, want);
    tree_free(t);
    done(&q);
}

static void *open_stream(void *arg, struct labels labels)
{
    labels_print(arg, labels);
    return arg;
}

static void one_point(void *arg, void *stream, int64_t time_ns, int64_t total)
{
    assert(arg == stream);
    buf_printf(arg, " %lld:%lld", (long long)(time_ns / S), (long long)total);
}

static void points_are(const struct bucket *b, const char *selector, const char *type, const struct slice *site,
                       size_t n_site, const char *want)
{
    struct asked      q = ask(selector, 0, 600, type);
    struct buf        got = { 0 };
    struct point_sink sink = { &got, open_stream, one_point };

    q.what.selectors = &q.selector;
    q.what.call_site = site;
    q.what.n_call_site = n_site;
    assert(select_points(b, &q.what, &sink, &why) == CODE_OK);
    expect(&got, want);
    done(&q);
}

#define CPU "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

static void questions_are_answered(void)
{
    struct bucket *b = sample_bucket(NULL);

    types_are(b, "{}", 0, 600, "memory:alloc:bytes:cpu:nanoseconds " CPU " process_cpu:samples:count:cpu:nanoseconds");
    types_are(b, "{}", 11, 20, "memory:alloc:bytes:cpu:nanoseconds");
    types_are(b, "{}", 11, 19, "");
    types_are(b, "{service_name=~\"d.*\"}", 0, 600, "memory:alloc:bytes:cpu:nanoseconds");
    types_are(b, "{__unit__!=\"bytes\", pod=\"b\"}", 30, 600, "");
    names_are(b, "{service_name=\"db\"}",
              "__name__ __period_type__ __period_unit__ __profile_type__ __service_name__ __type__ __unit__ service_name");
    names_are(b, "{pod=\"b\"}",
              "__name__ __period_type__ __period_unit__ __profile_type__ __service_name__ __type__ __unit__ pod "
              "service_name span");
    values_are(b, "{}", "pod", "a b");
    values_are(b, "{span!=\"x\"}", "pod", "a");
    values_are(b, "{pod=\"\"}", "__service_name__", "db");
    values_are(b, "{__service_name__=\"web\"}", "__type__", "cpu samples");
    values_are(b, "{pod=~\"a|c\"}", "zone", "1");
    values_are(b, "{pod!~\"a|c\"}", "service_name", "db web");
    values_are(b, "{nothing=\"x\"}", "service_name", "");
    values_are(b, "{nothing!=\"x\"}", "service_name", "db web");
    values_are(b, "{}", "nothing", "");
    series_are(b, "{}", (struct slice[]){ SLICE("pod"), SLICE("zone") }, 2, "{}{pod=\"a\", zone=\"1\"}{pod=\"b\"}");
    series_are(b, "{service_name=\"db\"}", NULL, 0,
               "{__name__=\"memory\", __period_type__=\"cpu\", __period_unit__=\"nanoseconds\", "
               "__profile_type__=\"memory:alloc:bytes:cpu:nanoseconds\", __service_name__=\"db\", __type__=\"alloc\", "
               "__unit__=\"bytes\", service_name=\"db\"}");
    bucket_unref(b);
}

static void frames_are_shown(void)
{
    struct bucket *b = sample_bucket(NULL);
    struct slice   site[] = { SLICE("main"), SLICE("work") };

    tree_is(b, "{}", 0, 600, CPU, NULL, 0,
            "main 0\nmain;work 0\nmain;work;inlined 140\nmain;libx.so!0x1f 0\nmain;libx.so!0x1f;read 20\n"
            "main;unknown!0xff 10\n");
    tree_is(b, "{}", 11, 600, CPU, NULL, 0, "main 0\nmain;work 0\nmain;work;inlined 100\n");
    tree_is(b, "{pod!=\"a\"}", 0, 600, NULL, NULL, 0,
            "main 0\nmain;work 0\nmain;work;inlined 33\nmain; 0\nmain;;leaf 7\n");
    tree_is(b, "{}", 0, 20, CPU, site, 2, "main 0\nmain;work 0\nmain;work;inlined 40\n");
    tree_is(b, "{}", 0, 20, CPU, site + 1, 1, "");
    points_are(b, "{pod=\"b\"}", CPU, NULL, 0,
               "{__name__=\"process_cpu\", __period_type__=\"cpu\", __period_unit__=\"nanoseconds\", __profile_type__=\"" CPU
               "\", __service_name__=\"web\", __type__=\"cpu\", __unit__=\"nanoseconds\", pod=\"b\", service_name=\"web\", "
               "span=\"x\"} 10:30");
    points_are(b, "{zone=\"1\"}", CPU, site, 2,
               "{__name__=\"process_cpu\", __period_type__=\"cpu\", __period_unit__=\"nanoseconds\", __profile_type__=\"" CPU
               "\", __service_name__=\"web\", __type__=\"cpu\", __unit__=\"nanoseconds\", pod=\"a\", service_name=\"web\", "
               "zone=\"1\"} 10:10 30:100");
    points_are(b, "{service_name=\"db\"}", NULL, site, 2, "");
    bucket_unref(b);
}

/* Rows 1, 2, 3, ... of the stacks named by a word of digits, one after the other. */
static void append_in_order(struct bucket *b, const char *order)
{
    static const char *const stacks[] = { "a;b;c;d", "x;b;c;d", "b;c;d", "a;b;c", "", "a;b;c;d;e", "a;q;c;d", "x;b;q;d" };
    struct arena            *a = arena_new(0);
    struct batch_make        m;

    make_begin(&m, a, "web", "process_cpu", 10);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a");
    for (int64_t i = 0; order[i] != 0; i++)
        make_row(&m, stacks[order[i] - '0'], &(int64_t){ i + 1 });
    append(b, &m);
    arena_free(a);
}

/* Stacks that end alike, in the order in which they came, turned round, with others between: each is found again, once. */
static void the_order_of_stacks_does_not_matter(void)
{
    struct bucket *b = bucket_new(SLICE("anonymous"), 0, 100, NULL);

    append_in_order(b, "01234");
    append_in_order(b, "01234");
    append_in_order(b, "43210");
    append_in_order(b, "0516237");
    append_in_order(b, "40152637");
    append_in_order(b, "12");
    const struct group *g = group_at(b, 0);
    assert(vec_n(&g->stacks.all) == 8);
    assert(vec_n(&g->symtab.functions) == 7 && vec_n(&g->symtab.locations) == 7);
    tree_is(b, "{}", 0, 100, CPU, NULL, 0,
            "a 0\na;b 0\na;b;c 23\na;b;c;d 10\nx 0\nx;b 0\nx;b;c 0\nx;b;c;d 15\nb 0\nb;c 0\nb;c;d 21\n"
            "a;b;c;d;e 6\na;q 0\na;q;c 0\na;q;c;d 10\nx;b;q 0\nx;b;q;d 15\n");
    bucket_unref(b);
}

static void memory_comes_back(void)
{
    _Atomic size_t       meter = 0;
    struct bucket       *b = sample_bucket(&meter);
    struct bucket_stats  now = bucket_stats(b);

    assert(now.series == 3 && now.profiles == 3 && now.samples == 4 * 2 + 2 + 1 + 1);
    assert(now.oldest_ns == 10 * (int64_t)S && now.newest_ns == 30 * (int64_t)S && now.clamped == 0);
    assert(slice_is(bucket_tenant(b), "anonymous") && meter == bucket_bytes(b));
    bucket_ref(b);
    bucket_unref(b);
    assert(meter == bucket_bytes(b) && meter > 0);
    bucket_unref(b);
    assert(meter == 0);
}

static void a_small_bucket_is_small(void)
{
    struct bucket    *b = bucket_new(SLICE("t"), 0, 100, NULL);
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, "web", "process_cpu", 10);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a");
    make_row(&m, "main;a;b;c;d;e;f;g;h;i;j", (int64_t[]){ 1 });
    make_row(&m, "main;a;b;k;l", (int64_t[]){ 1 });
    append(b, &m);
    assert(bucket_bytes(b) <= 24 * 1024);
    bucket_unref(b);
    arena_free(a);
}

static void what_does_not_fit_leaves_nothing(void)
{
    struct bucket    *b = bucket_new(SLICE("t"), 0, 100, NULL);
    struct arena     *a = arena_new(0);
    struct batch_make m;
    size_t            had = bucket_bytes(b);

    make_begin(&m, a, "web", "process_cpu", 100);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a");
    make_row(&m, "main", (int64_t[]){ 1 });
    assert(bucket_append(b, make_end(&m), &why) == CODE_OUT_OF_RANGE);
    assert(bucket_bytes(b) == had && bucket_stats(b).profiles == 0);
    arena_free(a);
    bucket_unref(b);
}

/* A location of many inlined lines on a deep stack: 2^30 function nodes from a small batch. */
static void a_bomb_is_refused(void)
{
    enum { LINES = 1 << 16, DEPTH = 1 << 14 };
    struct bucket         *b = bucket_new(SLICE("t"), 0, 100, NULL);
    struct arena          *a = arena_new(0);
    struct batch_make      m;
    struct batch_line     *lines = arena_zalloc(a, LINES * sizeof *lines);
    uint32_t              *deep = arena_zalloc(a, DEPTH * sizeof *deep), end = DEPTH;
    struct batch_location  one = { .mapping = BATCH_NONE, .n_lines = LINES };
    size_t                 had = bucket_bytes(b);

    make_begin(&m, a, "web", "process_cpu", 10);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a");
    make_row(&m, "main", (int64_t[]){ 1 });
    make_end(&m);
    m.b.lines = lines, m.b.n_lines = LINES;
    m.b.locations = &one;
    m.b.stack_locations = deep, m.b.n_stack_locations = DEPTH;
    m.b.stack_end = &end;
    assert(bucket_cost_max(b, &m.b) > UINT64_C(1) << 40);
    assert(bucket_append(b, &m.b, &why) == CODE_RESOURCE_EXHAUSTED);
    assert(bucket_bytes(b) == had);
    arena_free(a);
    bucket_unref(b);
}

static void sums_stay_at_the_top(void)
{
    struct bucket    *b = bucket_new(SLICE("t"), 0, 100, NULL);
    struct arena     *a = arena_new(0);
    struct batch_make m;
    struct asked      q = ask("{}", 0, 100, NULL);
    struct tree      *t = tree_new();

    make_begin(&m, a, "web", "process_cpu", 10);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a");
    make_row(&m, "main", (int64_t[]){ INT64_MAX - 1 });
    make_row(&m, "other", (int64_t[]){ 3 });
    append(b, &m);
    make_begin(&m, a, "web", "process_cpu", 10);
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a");
    make_row(&m, "main", (int64_t[]){ INT64_MAX });
    append(b, &m);
    assert(bucket_stats(b).clamped == 1);
    q.what.selectors = &q.selector;
    assert(select_tree(b, &q.what, t, &why) == CODE_OK);
    assert(t->is_clamped && t->n == 3 && t->self[1] == INT64_MAX && t->self[2] == 3);
    tree_free(t);
    done(&q);
    arena_free(a);
    bucket_unref(b);
}

/* A peer need not have seen to it that functions, locations and stacks are distinct (batch_check_quick). */
static void what_comes_twice_is_one(bool also_lists)
{
    struct bucket         *b = bucket_new(SLICE("anonymous"), 0, 600 * INT64_C(1000000000), NULL);
    struct arena          *a = arena_new(0);
    struct batch_make      m;
    struct batch           twice;
    struct batch_function *functions;
    uint32_t              *stacks;

    make_begin(&m, a, "web", "process_cpu", 10 * INT64_C(1000000000));
    make_type(&m, "cpu", "nanoseconds");
    make_part(&m, "pod=a");
    make_row(&m, "main;work", (int64_t[]){ 10 });
    make_row(&m, "niam;krow", (int64_t[]){ 5 });
    twice = *make_end(&m);
    assert(twice.n_functions == 4 && twice.n_stack_locations == 4);
    functions = (struct batch_function *)twice.functions;
    memcpy(functions + 2, functions, 2 * sizeof *functions);
    stacks = (uint32_t *)twice.stack_locations;
    if (also_lists)
        memcpy(stacks + 2, stacks, 2 * sizeof *stacks);
    assert(batch_check(&twice, a, &why) == (also_lists ? CODE_INVALID_ARGUMENT : CODE_OK));
    assert(batch_check_quick(&twice, a, &why) == CODE_OK);
    size_t most = bucket_cost_max(b, &twice);
    assert(bucket_append(b, &twice, &why) == CODE_OK && bucket_bytes(b) <= most);
    tree_is(b, "{}", 0, 600, "process_cpu:cpu:nanoseconds:cpu:nanoseconds", NULL, 0, "main 0\nmain;work 15\n");
    bucket_unref(b);
    arena_free(a);
}

int main(void)
{
    what_comes_twice_is_one(false);
    what_comes_twice_is_one(true);
    questions_are_answered();
    frames_are_shown();
    the_order_of_stacks_does_not_matter();
    memory_comes_back();
    a_small_bucket_is_small();
    what_does_not_fit_leaves_nothing();
    a_bomb_is_refused();
    sums_stay_at_the_top();
    return 0;
}
