/*
 * What an answer costs once the shards have spoken: merge, the way over the wire, the cut and the layout, in nanoseconds for
 * each node of the trees; and of a regex, for each value.  Ratios within one run are what to look at.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/matcher.h"
#include "query/codec.h"
#include "query/flame.h"
#include "query/partial.h"

enum { PARTS = 16, PATHS = 20000, DEPTH = 30, NAMES = 5000 };

static uint64_t seed = 1;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* Stacks that share their roots and part ways below, as real ones do. */
static struct partial *part_random(uint32_t offset)
{
    struct partial *p = partial_new(ASK_TREE);
    struct tree    *t = partial_tree(p);
    char            name[64];

    for (int i = 0; i < PATHS; i++) {
        uint32_t node = 0, depth = 5 + roll(DEPTH - 5);
        for (uint32_t d = 0; d < depth; d++) {
            uint32_t spread = d < 10 ? 2 : NAMES;
            snprintf(name, sizeof name, "github.com/example/service/internal.(*Thing).Method%u",
                     d * 7 + roll(spread) + offset);
            node = tree_child(t, node, tree_name(t, slice_of(name)));
        }
        tree_add(t, node, 1 + roll(1000));
    }
    return p;
}

static void say(const char *what, int64_t since_ns, uint64_t n, const char *of)
{
    printf("%-34s %8.1f ns a %s (%llu)\n", what, (double)(clock_mono_ns() - since_ns) / (double)n, of,
           (unsigned long long)n);
}

static void merge_and_ship(struct partial *whole)
{
    struct partial *part[PARTS];
    struct buf      bytes[PARTS] = { { 0 } };
    uint64_t        nodes = 0, n_bytes = 0;
    struct fault    why;
    int64_t         t;

    for (uint32_t i = 0; i < PARTS; i++) {
        part[i] = part_random(i % 4); /* some of it the same everywhere, some not */
        nodes += partial_tree(part[i])->n;
    }
    t = clock_mono_ns();
    for (int i = 0; i < PARTS; i++)
        tree_encode(partial_tree(part[i]), &bytes[i]);
    say("encode", t, nodes, "node");
    t = clock_mono_ns();
    for (int i = 0; i < PARTS; i++) {
        struct partial *back = partial_new(ASK_TREE);
        n_bytes += bytes[i].n;
        if (tree_decode(buf_view(&bytes[i]), partial_tree(back), &why) != CODE_OK)
            assert(!"own bytes");
        partial_free(back);
        buf_free(&bytes[i]);
    }
    say("decode", t, nodes, "node");
    printf("%-34s %8.1f bytes a node\n", "encoded", (double)n_bytes / (double)nodes);
    t = clock_mono_ns();
    for (int i = 0; i < PARTS; i++) {
        partial_merge(whole, part[i]);
        partial_free(part[i]);
    }
    say("merge of 16", t, nodes, "node");
}

static void draw(struct partial *whole, int64_t max_nodes, const char *what)
{
    struct arena *a = arena_new(0);
    struct flame  f;
    int64_t       t = clock_mono_ns();

    flame_build(partial_tree(whole), max_nodes, a, &f);
    say(what, t, partial_tree(whole)->n, "node");
    arena_free(a);
}

static void match(const char *text)
{
    struct arena   *a = arena_new(0);
    struct selector s;
    struct fault    why;
    uint64_t        passed = 0, n = 200000;
    char            value[64];

    if (selector_parse(slice_of(text), a, &s, &why) != CODE_OK)
        assert(!"a good selector");
    int64_t t = clock_mono_ns();
    for (uint64_t i = 0; i < n; i++) {
        bool passes;
        int  length = snprintf(value, sizeof value, "checkout-%llu-prod", (unsigned long long)i);
        if (matcher_test(&s.at[0], slice_make(value, (size_t)length), &passes, &why) != CODE_OK)
            assert(!"within limits");
        passed += passes;
    }
    say(text, t, n, "value, its printing included");
    assert(passed < n);
    selector_free(&s);
    arena_free(a);
}

int main(void)
{
    struct partial *whole = partial_new(ASK_TREE);

    merge_and_ship(whole);
    draw(whole, 8192, "cut to 8192 and lay out");
    draw(whole, 0, "lay out whole");
    partial_free(whole);
    match("{pod=\"checkout-77-prod\"}");
    match("{pod=~\"checkout-77-prod|checkout-78-prod\"}");
    match("{pod=~\"checkout-[0-9]+7-(prod|dev)\"}");
    return 0;
}
