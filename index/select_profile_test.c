/*
 * Goal: the exact stacks of buckets come with all that was pushed of their locations, and however few texts there are, the
 * locations made of them are bounded.  Method: hand-made batches; one whose only text is long and shared by all; buckets that
 * know the same locations by other ids.
 */
#include <assert.h>
#include <stdio.h>

#include "index/batch_make.h"
#include "index/bucket.h"
#include "index/naming.h"
#include "index/select.h"
#include "model/location.h"

enum { MINUTE = 60, LONG = 60000, MANY = 100, BOUND = 1 << 20 };
#define NS INT64_C(1000000000)

static struct bucket *bucket_of(struct batch_make *m)
{
    struct bucket *b = bucket_new(SLICE("anonymous"), 0, 10 * MINUTE * NS, NULL);
    struct fault   why;

    if (bucket_append(b, make_end(m), &why) != CODE_OK)
        assert(!"appended");
    return b;
}

static void begin(struct batch_make *m, struct arena *a)
{
    make_begin(m, a, "checkout", "process_cpu", 5 * NS);
    make_type(m, "cpu", "nanoseconds");
    make_part(m, "pod=a");
}

/* "name@address[file]:line>...": a location as text, outermost line first. */
static void print(struct buf *out, const struct tree *t, uint32_t node, struct arena *a)
{
    struct location l;
    bool            is_good = location_decode(strset_at(t->names, t->name[node]), a, &l);

    assert(is_good);
    if (t->parent[node] != 0)
        print(out, t, t->parent[node], a);
    buf_printf(out, "%s@%llx[%.*s]", t->parent[node] ? ";" : "", (unsigned long long)l.address,
               SLICE_ARGS(l.mapping.file));
    for (uint32_t i = l.n_lines; i-- > 0;)
        buf_printf(out, "%.*s:%lld%s", SLICE_ARGS(l.lines[i].function.name), (long long)l.lines[i].line, i ? ">" : "");
}

static enum code select_into(struct tree *t, const struct bucket *const *buckets, size_t n, const struct selection *s,
                             struct fault *why)
{
    struct naming *names = naming_new(t, BOUND);
    enum code      code = CODE_OK;

    for (size_t i = 0; i < n && code == CODE_OK; i++)
        code = select_profile(buckets[i], s, names, why);
    naming_free(names);
    return code;
}

static void expect_of(const struct bucket *const *buckets, size_t n, const struct slice *site, size_t n_site,
                      const char *want)
{
    struct arena          *a = arena_new(0);
    const struct selection s = { .end_ns = INT64_MAX, .call_site = site, .n_call_site = n_site };
    struct tree           *t = tree_new();
    struct buf             got = { 0 };
    struct fault           why;

    assert(select_into(t, buckets, n, &s, &why) == CODE_OK);
    for (uint32_t i = 1; i < t->n; i++)
        if (t->self[i] > 0) {
            print(&got, t, i, a);
            buf_printf(&got, " %lld\n", (long long)t->self[i]);
        }
    if (!slice_is(buf_view(&got), want))
        fprintf(stderr, "%.*s", SLICE_ARGS(buf_view(&got))), assert(!"not as expected");
    buf_free(&got);
    tree_free(t);
    arena_free(a);
}

static void expect(const struct bucket *b, const struct slice *site, size_t n_site, const char *want)
{
    expect_of(&b, 1, site, n_site, want);
}

static void stacks(void)
{
    static const struct slice site[] = { SLICE("main"), SLICE("work") };
    struct arena             *a = arena_new(0);
    struct batch_make         m;

    begin(&m, a);
    make_row(&m, "main;work>inlined", (int64_t[]){ 10 });
    make_row(&m, "main;work;inlined", (int64_t[]){ 5 }); /* the same graph, other locations */
    make_row(&m, "main;!/usr/bin/x@1f", (int64_t[]){ 2 });
    make_row(&m, "main;!@20", (int64_t[]){ 1 });
    make_row(&m, "", (int64_t[]){ 7 });
    struct bucket *b = bucket_of(&m);
    expect(b, NULL, 0,
           "@0[]main:7;@0[]work:7>inlined:7 10\n"
           "@0[]main:7;@0[]work:7;@0[]inlined:7 5\n"
           "@0[]main:7;@1f[/usr/bin/x] 2\n"
           "@0[]main:7;@20[] 1\n");
    expect(b, site, 2,
           "@0[]main:7;@0[]work:7>inlined:7 10\n"
           "@0[]main:7;@0[]work:7;@0[]inlined:7 5\n");
    bucket_unref(b);
    arena_free(a);
}

static void several(void)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;

    begin(&m, a);
    make_row(&m, "main;work>inlined", (int64_t[]){ 1 });
    make_row(&m, "main;!/usr/bin/x@1f", (int64_t[]){ 2 });
    struct bucket *first = bucket_of(&m);
    begin(&m, a);
    make_row(&m, "!/usr/bin/x@1f;main", (int64_t[]){ 10 });
    make_row(&m, "inlined>work", (int64_t[]){ 20 });
    make_row(&m, "main;work>inlined", (int64_t[]){ 30 });
    make_row(&m, "main;!@20", (int64_t[]){ 40 });
    make_row(&m, "main;!/usr/bin/y@1f", (int64_t[]){ 50 });
    struct bucket *second = bucket_of(&m);
    expect_of((const struct bucket *[]){ first, second, first }, 3, NULL, 0,
              "@0[]main:7;@0[]work:7>inlined:7 32\n"
              "@0[]main:7;@1f[/usr/bin/x] 4\n"
              "@1f[/usr/bin/x];@0[]main:7 10\n"
              "@0[]inlined:7>work:7 20\n"
              "@0[]main:7;@20[] 40\n"
              "@0[]main:7;@1f[/usr/bin/y] 50\n");
    bucket_unref(first);
    bucket_unref(second);
    arena_free(a);
}

/* A hundred addresses in one file of a very long name; and one location of a hundred lines in one such function. */
static void bounds(void)
{
    char text[LONG + 1];

    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (int is_inlined = 0; is_inlined < 2; is_inlined++) {
        struct arena          *a = arena_new(0);
        const struct selection s = { .end_ns = INT64_MAX };
        struct tree           *t = tree_new();
        struct batch_make      m;
        struct fault           why;
        struct buf             stack = { 0 };

        begin(&m, a);
        for (int i = 0; i < MANY; i++) {
            if (is_inlined)
                buf_printf(&stack, "%s%s", i % 16 ? ">" : i ? ";" : "", text);
            else
                buf_printf(&stack, "%s!%s@%x", i ? ";" : "", text, 1 + (unsigned)i);
        }
        buf_byte(&stack, '\0');
        make_row(&m, stack.p, (int64_t[]){ 1 });
        struct bucket *b = bucket_of(&m);
        assert(select_into(t, (const struct bucket *[]){ b }, 1, &s, &why) == CODE_RESOURCE_EXHAUSTED);
        assert(strstr(why.text, "1048576 bytes") != NULL && tree_name_bytes(t) < 6 * BOUND);
        assert(select_tree(b, &s, t, &why) == CODE_OK); /* names are short or shared there */
        bucket_unref(b);
        buf_free(&stack);
        tree_free(t);
        arena_free(a);
    }
}

int main(void)
{
    stacks();
    several();
    bounds();
    puts("select profile: ok");
    return 0;
}
