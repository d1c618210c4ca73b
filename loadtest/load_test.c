/*
 * Goal: what is measured is what happened, and what is planned is what was asked for.
 * Method: the histogram beside a sorted list; shapes by how many requests fall where; settings by texts that must be taken
 * or refused with a word; the search for the knee on a line.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "loadtest/hist.h"
#include "loadtest/knee.h"
#include "loadtest/schedule.h"
#include "loadtest/settings.h"
#include "loadtest/trial.h"
#include "loadtest/vitals.h"
#include "oracle/dice.h"

enum { VALUES = 20000 };

static int value_cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void test_hist(void)
{
    static const double percents[] = { 1, 50, 90, 99, 99.9, 100 };

    struct hist *h[2] = { mem_zalloc(sizeof **h), mem_zalloc(sizeof **h) };
    int64_t     *values = mem_alloc(VALUES * sizeof *values);

    for (int i = 0; i < VALUES; i++) {
        values[i] = (int64_t)(dice_mix((uint64_t)i) >> (30 + i % 30));
        hist_record(h[i % 2], values[i]);
    }
    hist_merge(h[0], h[1]);
    qsort(values, VALUES, sizeof *values, value_cmp);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        int64_t exact = values[(size_t)(percents[i] / 100 * VALUES + 0.5) - 1], read = hist_at(h[0], percents[i]);
        assert(read >= exact && (double)read <= (double)exact * (1 + 1.0 / HIST_SUB) + 1);
    }
    assert(h[0]->n == VALUES && hist_at(h[0], 100) == values[VALUES - 1]);
    hist_reset(h[1]);
    assert(hist_at(h[1], 50) == 0 && hist_mean(h[1]) == 0);
    hist_record(h[1], INT64_MAX);
    hist_record(h[1], -5);
    assert(hist_at(h[1], 50) == 0 && hist_at(h[1], 100) == INT64_MAX);
    struct buf text = { 0 };
    hist_percentiles(h[0], &text);
    assert(slice_find(buf_view(&text), SLICE("0.500000")) < text.n);
    buf_free(&text);
    free(values);
    free(h[0]);
    free(h[1]);
}

static size_t count_in(const int64_t *at, size_t n, double from_s, double to_s)
{
    size_t in = 0;

    for (size_t i = 0; i < n; i++)
        in += (double)at[i] >= from_s * 1e9 && (double)at[i] < to_s * 1e9;
    return in;
}

static void test_schedule(void)
{
    static const struct {
        const char *shape;
        double      first, last; /* requests in the first and last of ten seconds, 100 a second asked for */
    } rows[] = { { "constant", 100, 100 }, { "ramp", 14, 95 }, { "step", 20, 100 }, { "spike", 50, 50 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum shape shape;
        size_t     n;
        assert(shape_named(slice_of(rows[i].shape), &shape));
        int64_t *at = schedule_make(shape, 100, INT64_C(10000000000), &n);
        for (size_t k = 1; k < n; k++)
            assert(at[k - 1] < at[k]);
        assert(abs((int)count_in(at, n, 0, 1) - (int)rows[i].first) <= 1);
        assert(abs((int)count_in(at, n, 9, 10) - (int)rows[i].last) <= 1);
        assert(at[0] == 0 && at[n - 1] < INT64_C(10000000000));
        free(at);
    }
    enum shape none;
    assert(!shape_named(SLICE("square"), &none));
}

/* Whether flags are taken; why not in `why`. */
static bool load(struct settings *s, struct fault *why, struct arena *a, const char *first, const char *second)
{
    char *argv[] = { (char *)"hearth-load", (char *)first, (char *)second };

    return settings_load(second ? 3 : first ? 2 : 1, argv, a, s, why) == CODE_OK;
}

static void test_settings(void)
{
    static const struct {
        const char *flag, *why;
    } bad[] = { { "--rate=fast", "rate: `fast` is not a number" },
                { "--rat=5", "no flag is called --rat" },
                { "--duration=5", "duration: `5` is not a duration like 90s" },
                { "--shape=square", "shape: `square` is none of" },
                { "--kinds=cpu,heat", "kinds: `heat` is none of them" },
                { "--depth-min=50", "depth-max: 40 is not from 50 to 512" },
                { "--plant-fault=leak", "leak needs two tenants" },
                { "--rate=1e9", "more than" },
                { "--stacks=100000", "boxes of a flame graph" },
                { "--url", "--url needs a value" },
                { "nonsense", "no preset is called `nonsense`" } };

    struct arena   *a = arena_new(0);
    struct settings s;
    struct fault    why;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert(!load(&s, &why, a, bad[i].flag, NULL));
        assert(slice_find(slice_of(why.text), slice_of(bad[i].why)) < strlen(why.text));
    }
    for (unsigned i = 0; i < n_presets; i++)
        assert(load(&s, &why, a, presets[i].name, NULL));
    assert(load(&s, &why, a, "smoke", "--rate=7") && s.rate == 7 && s.duration_ns == INT64_C(30000000000));
    assert(strcmp(s.kinds, "cpu,memory,mutex,goroutine,wall") == 0);
    settings_defaults(&s);
    assert(settings_read_yaml("p", SLICE("rate: 5\nrate: 6\n"), a, &s, &why) != CODE_OK);
    assert(strcmp(why.text, "p:2:1: this setting stands here a second time") == 0);
    assert(settings_read_yaml("p", SLICE("rate: 5\nkinds: &x [cpu]\nformats: *x\n"), a, &s, &why) != CODE_OK);
    assert(settings_read_yaml("p", SLICE("- rate\n"), a, &s, &why) != CODE_OK);
    arena_free(a);
}

/* Loads that began at once would be taken for one. */
static void test_names(void)
{
    struct arena   *a = arena_new(0);
    struct settings s = { 0 };

    assert(!slice_eq(trial_name(&s, 5 * SLOT_NS, 0, a), trial_name(&s, 5 * SLOT_NS, 0, a)));
    s.start_time = 1;
    assert(slice_eq(trial_name(&s, 5 * SLOT_NS, 3, a), SLICE("5-3")));
    arena_free(a);
}

static void test_knee(void)
{
    double good = 0, bad = 0, rate;
    int    n = 0;

    for (; (rate = knee_next(100, good, bad)) > 0; n++)
        *(rate <= 777 ? &good : &bad) = rate;
    assert(good <= 777 && bad > 777 && bad <= good * 1.1 && n < 10);
    for (good = bad = 0; (rate = knee_next(100, good, bad)) > 0;)
        bad = rate; /* nothing holds: it ends all the same */
    assert(good == 0);
}

static void test_metrics(void)
{
    double v = 0;

    assert(metric_find(SLICE("# HELP a b\na_b 1\na 2.5e3\n"), "a", &v) && v == 2500);
    assert(!metric_find(SLICE("a{x=\"y\"} 1"), "a", &v) && !metric_find(SLICE(""), "a", &v));
}

int main(void)
{
    test_hist();
    test_schedule();
    test_settings();
    test_names();
    test_knee();
    test_metrics();
    puts("load_test: fine");
    return 0;
}
