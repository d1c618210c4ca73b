/*
 * Goal: a flame graph is drawn, listed, folded and refused exactly as the eye expects.
 * Method: the little graph of pyroscope's documentation (a;b;e=1, a;c=2, a;c;d=1) at several widths against golden
 * text; names that would harm a terminal; broken levels.
 */
#include <assert.h>
#include <locale.h>
#include <string.h>

#include "ctl/draw.h"
#include "ctl/table.h"

static const struct slice names[] = { SLICE("total"), SLICE("a"), SLICE("c"), SLICE("d"), SLICE("b"), SLICE("e") };
static const int64_t      level0[] = { 0, 4, 0, 0 }, level1[] = { 0, 4, 0, 1 }, level2[] = { 0, 1, 0, 4, 0, 3, 2, 2 },
                     level3[] = { 0, 1, 1, 5, 2, 1, 1, 3 };
static const struct graph_level small_levels[] = { { level0, 4 }, { level1, 4 }, { level2, 8 }, { level3, 8 } };

static void expect(struct buf *out, const char *golden)
{
    buf_byte(out, 0);
    if (strcmp(out->p, golden) != 0)
        fprintf(stderr, "--- drawn\n%s--- golden\n%s", out->p, golden);
    assert(strcmp(out->p, golden) == 0);
    buf_free(out);
}

static struct graph small_graph(struct arena *a)
{
    struct graph g;
    struct fault why;

    assert(graph_make(names, 6, small_levels, 4, a, &g, &why) == CODE_OK);
    assert(g.n == 6 && g.total == 4);
    return g;
}

static void check_plain(const struct graph *g)
{
    struct buf          out = { 0 };
    struct draw_options o = { .columns = 41, .unit = TEXT_NANOSECONDS };

    graph_draw(g, &o, &out);
    expect(&out, "|total 4ns                              |\n"
                 "|a 100.0%                               |\n"
                 "|b 25.0%  |c 75.0%                      |\n"
                 "|e 25.0%  |                   |d 25.0%  |\n"
                 "one column = 0ns; percent of 4ns\n");
    o.columns = 21;
    o.depth_max = 2;
    graph_draw(g, &o, &out);
    expect(&out, "|total 4ns          |\n"
                 "|a 100.0%           |\n"
                 "|b   |c 75.0%       |\n"
                 "one column = 0ns; percent of 4ns; 2 deeper than 2 levels left out\n");
    o = (struct draw_options){ .columns = 41, .percent_min = 50 };
    graph_draw(g, &o, &out);
    expect(&out, "|total 4                                |\n"
                 "|a 100.0%                               |\n"
                 "          |c 75.0%                      |\n"
                 "one column = 0; percent of 4; 3 below 50% left out\n");
}

static void check_colour(const struct graph *g)
{
    struct buf          out = { 0 };
    struct draw_options o = { .columns = 40, .has_colour = true };
    size_t              boxes = 0;

    graph_draw(g, &o, &out);
    buf_byte(&out, 0);
    for (const char *at = out.p; (at = strstr(at, "\033[38;5;16;48;5;")) != NULL; at++)
        boxes++;
    assert(boxes == 6 && strchr(out.p, '|') == NULL);
    buf_free(&out);
}

static void check_lists(const struct graph *g, struct arena *a)
{
    struct buf out = { 0 };
    size_t     n;

    graph_collapse(g, &out);
    expect(&out, "a;c 2\na;b;e 1\na;c;d 1\n");
    const struct function_sum *sums = graph_functions(g, false, a, &n);
    assert(n == 5 && sums[0].name == 2 && sums[0].self == 2 && sums[0].total == 3);
    sums = graph_functions(g, true, a, &n);
    assert(sums[0].name == 1 && sums[0].total == 4 && sums[0].self == 0);
}

/* f calls itself: its total counts once, its selfs add up. */
static void check_recursion(struct arena *a)
{
    static const struct slice       two[] = { SLICE("total"), SLICE("f") };
    static const int64_t            one[] = { 0, 9, 3, 1 }, inner[] = { 3, 6, 6, 1 }, root[] = { 0, 9, 0, 0 };
    static const struct graph_level levels[] = { { root, 4 }, { one, 4 }, { inner, 4 } };
    struct graph                    g;
    struct fault                    why;
    size_t                          n;

    assert(graph_make(two, 2, levels, 3, a, &g, &why) == CODE_OK);
    const struct function_sum *sums = graph_functions(&g, false, a, &n);
    assert(n == 1 && sums[0].self == 9 && sums[0].total == 9);
}

static void check_broken(struct arena *a)
{
    static const int64_t outside[] = { 2, 3, 0, 1 }, unnamed[] = { 0, 1, 0, 6 }, negative[] = { 0, -1, 0, 1 };
    struct graph         g;
    struct fault         why;

    assert(graph_make(names, 6, NULL, 0, a, &g, &why) == CODE_DATA_LOSS);
    assert(graph_make(names, 6, (struct graph_level[]){ { level0, 4 }, { outside, 4 } }, 2, a, &g, &why) ==
           CODE_DATA_LOSS);
    assert(graph_make(names, 6, (struct graph_level[]){ { level0, 4 }, { unnamed, 4 } }, 2, a, &g, &why) ==
           CODE_DATA_LOSS);
    assert(graph_make(names, 6, (struct graph_level[]){ { level0, 4 }, { negative, 4 } }, 2, a, &g, &why) ==
           CODE_DATA_LOSS);
    assert(graph_make(names, 6, (struct graph_level[]){ { level0, 4 }, { level1, 3 } }, 2, a, &g, &why) ==
           CODE_DATA_LOSS);
}

static void check_text(void)
{
    struct buf out = { 0 };

    assert(text_fit(&out, SLICE("runtime.mallocgc"), 8) == 8);
    expect(&out, "runtime~");
    assert(text_fit(&out, SLICE("a\033[31mb\n\x7f\xff"), 20) == 10);
    expect(&out, "a?[31mb???");
    assert(text_fit(&out, SLICE("h\xc3\xa9llo"), 5) == 5);
    expect(&out, "h\xc3\xa9llo");
    assert(text_columns(SLICE("\xe7\x81\xab")) == 2); /* a wide character */
    text_json(&out, SLICE("a\"\\\n\xff"));
    expect(&out, "\"a\\\"\\\\\\u000a\\ufffd\"");
    text_value(&out, 1240000000, TEXT_NANOSECONDS);
    text_value(&out, 12 << 20, TEXT_BYTES);
    text_value(&out, 153, TEXT_PLAIN);
    expect(&out, "1.24s12.0MiB153");
}

static void check_table(struct arena *a)
{
    static const struct table_column columns[] = { { "NAME", false }, { "N", true }, { "WHAT", false } };
    struct table                    *t = table_new(a, columns, 3);
    struct buf                       out = { 0 };

    table_cell(t, SLICE("alpha"));
    table_cell(t, SLICE("12"));
    table_cell(t, SLICE("a long explanation"));
    table_cell(t, SLICE("b"));
    table_cell(t, SLICE("3"));
    table_cell(t, SLICE("x"));
    table_write(t, 20, &out);
    expect(&out, "NAME    N  WHAT\n"
                 "alpha  12  a long e~\n"
                 "b       3  x\n");
    table_write(t, 0, &out);
    expect(&out, "NAME    N  WHAT\n"
                 "alpha  12  a long explanation\n"
                 "b       3  x\n");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    struct arena *a = arena_new(0);
    struct graph  g = small_graph(a);
    check_plain(&g);
    check_colour(&g);
    check_lists(&g, a);
    check_recursion(a);
    check_broken(a);
    check_text();
    check_table(a);
    arena_free(a);
    return 0;
}
