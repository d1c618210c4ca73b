/*
 * Goal: a redo that was damaged behind a checksum is refused, or makes a bucket that can be sealed and asked; and none costs
 * more than what is in it.  What is there twice is found behind the last one.
 * Method: the redos of a small bucket with everything in it are cut at every length and changed at every byte; a forged one has
 * a stack at each node of a path of 300,000.  What a shard makes of redos is keeper_test's, any bytes are redo_fuzz's.
 */
#include <stdio.h>
#include <time.h>

#include "index/batch_make.h"
#include "index/block_probe.h"
#include "index/bucket.h"
#include "index/making.h"
#include "index/redo.h"

enum { REDOS = 3 };

static struct fault why;

static struct bucket *bucket_make(void) { return bucket_new(SLICE("t"), 0, 1000, NULL); }

static void take(struct bucket *b, const char *service, const char *pod, int64_t time_ns, struct buf *redo)
{
    struct arena     *a = arena_new(0);
    struct batch_make m;

    make_begin(&m, a, service, "process_cpu", time_ns);
    make_type(&m, "cpu", "nanoseconds");
    make_type(&m, "samples", "count");
    make_part(&m, arena_printf(a, "pod=%s,zone=z", pod).p);
    make_row(&m, "main;work>inlined;!/usr/bin/x@1f", (int64_t[]){ 10000000, 1 });
    make_row(&m, "main;work", (int64_t[]){ 30000000, 3 });
    make_row(&m, "", (int64_t[]){ 20000000, 2 });
    enum code code = bucket_take(b, make_end(&m), redo, &why);
    assert(code == CODE_OK);
    bucket_publish(b);
    arena_free(a);
}

static void redos_make(struct buf redos[REDOS])
{
    struct bucket *b = bucket_make();

    take(b, "web", "a", 10, &redos[0]);
    take(b, "db", "a", 20, &redos[1]);
    take(b, "web", "b", 30, &redos[2]);
    bucket_unref(b);
}

static void seal_and_ask(const struct bucket *live)
{
    struct buf     out = { 0 };
    struct bucket *b;

    enum code code = block_write(live, &(struct block_origin){ 0 }, &out, &why);
    assert(code == CODE_OK);
    struct block_image image = probe_copy(buf_view(&out));
    code = block_open(&image, NULL, &b, &why);
    assert(code == CODE_OK);
    probe_ask(b);
    bucket_unref(b);
    buf_free(&out);
}

static bool is_refusal(enum code code)
{
    return code == CODE_DATA_LOSS && slice_starts(slice_of(why.text), SLICE("redo: "));
}

/* As the owner does it, or as the other thread would. */
static enum code make(struct bucket *b, bool is_helped)
{
    struct making m;

    if (!is_helped)
        return bucket_redone(b, &why);
    making_begin(&m, b);
    making_help(&m);
    making_own(&m); /* nothing is left */
    return making_end(&m, &why);
}

/* All of them, of the k-th only the first `n` bytes; false: that one was refused. */
static bool is_taken(const struct buf redos[REDOS], size_t k, size_t n)
{
    struct bucket *b = bucket_make();
    enum code      code = CODE_OK;

    for (size_t i = 0; i <= k && code == CODE_OK; i++) {
        struct block_image own = probe_copy(slice_make(redos[i].p, i == k ? n : redos[i].n));
        code = bucket_redo(b, own.bytes, &why);
        own.release(own.bytes);
        assert(code == CODE_OK || (i == k && is_refusal(code)));
    }
    if (code == CODE_OK) {
        code = make(b, n % 2 == 0);
        assert(code == CODE_OK || is_refusal(code));
    }
    if (code == CODE_OK) {
        bucket_publish(b);
        seal_and_ask(b);
    }
    bucket_unref(b);
    return code == CODE_OK;
}

static void every_cut_is_refused(const struct buf redos[REDOS])
{
    for (size_t k = 0; k < REDOS; k++)
        for (size_t n = 0; n < redos[k].n; n++)
            assert(!is_taken(redos, k, n));
}

static void every_change_is_refused_or_harmless(struct buf redos[REDOS])
{
    static const int bits[] = { 0x01, 0x10, 0x80, 0xFF };
    size_t           taken = 0, refused = 0;

    for (size_t k = 0; k < REDOS; k++)
        for (size_t at = 0; at < redos[k].n; at++)
            for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
                redos[k].p[at] ^= (char)bits[i];
                *(is_taken(redos, k, redos[k].n) ? &taken : &refused) += 1;
                redos[k].p[at] ^= (char)bits[i];
            }
    assert(is_taken(redos, REDOS - 1, redos[REDOS - 1].n) && refused > taken && taken > 0);
    printf("redo: %zu changes refused, %zu taken\n", refused, taken);
}

/* What follows one that is missing is not taken for the next, nor one that was there already. */
static void a_gap_is_refused(const struct buf redos[REDOS])
{
    struct bucket *b = bucket_make();

    assert(bucket_redo(b, buf_view(&redos[0]), &why) == CODE_OK);
    assert(bucket_redo(b, buf_view(&redos[2]), &why) == CODE_DATA_LOSS);
    assert(strstr(why.text, "it is batch 2 of a bucket that has 1") != NULL);
    assert(bucket_redo(b, buf_view(&redos[0]), &why) == CODE_DATA_LOSS);
    assert(strstr(why.text, "it is batch 0 of a bucket that has 1") != NULL);
    bucket_unref(b);
}

static void put(struct buf *out, uint64_t v)
{
    uint8_t *at = (uint8_t *)buf_reserve(out, 10);
    out->n += (size_t)(uvarint_put(at, v) - at);
}

static void put_all(struct buf *out, const uint64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(out, v[i]);
}

/* main calls main calls main: a path of `n` nodes, a stack at each. */
static void deep_redo(struct buf *out, uint32_t n)
{
    struct redo_head h = { .functions = 1, .lines = 1, .locations = 1, .nodes = n, .frames = n, .stacks = n };
    const uint64_t
        symbols[] = { 0, /* service */ 0, 0, 0, 0, /* function */ 0, 0, 0, 1, 0, 0 /* location, its line */ };

    buf_put(out, &h, sizeof h);
    put_all(out, symbols, sizeof symbols / sizeof *symbols);
    for (uint32_t i = 0; i < 2 * n; i++)
        put(out, 0);
    for (uint32_t i = 1; i <= n; i++)
        put(out, i);
}

enum twice {
    TWICE_NONE,
    TWICE_STRING,
    TWICE_FUNCTION,
    TWICE_LOCATION,
    TWICE_NODE,
    TWICE_STACK,
    TWICE_FRAME,
    TWICE_KINDS
};

/* A, called by b, each with a stack; or one of them is the other once more. */
static void pair_redo(struct buf *out, enum twice twice)
{
    struct redo_head h = { .strings = 2,
                           .text_bytes = 2,
                           .functions = 2,
                           .lines = 2,
                           .locations = 2,
                           .nodes = 2,
                           .frames = twice == TWICE_FRAME ? 1 : 2,
                           .stacks = 2 };
    const uint64_t   functions[] = { 1, 0, 0, 0, twice == TWICE_FUNCTION ? 1 : 2, 0, 0, 0 };
    const uint64_t   locations[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, twice != TWICE_LOCATION, 0 };
    const uint64_t   stacks[] = { 0, 0, twice == TWICE_NODE, twice != TWICE_NODE, 1, twice == TWICE_STACK ? 1 : 2 };

    buf_put(out, &h, sizeof h);
    buf_slice(out, slice_make("\0\1a\1", 4)); /* no service, two strings */
    buf_slice(out, twice == TWICE_STRING ? SLICE("a") : SLICE("b"));
    put_all(out, functions, sizeof functions / sizeof *functions);
    put_all(out, locations, sizeof locations / sizeof *locations);
    put_all(out, stacks, sizeof stacks / sizeof *stacks);
}

static void what_is_twice_is_refused(void)
{
    for (int turn = 0; turn < 2 * TWICE_KINDS; turn++) {
        enum twice     twice = (enum twice)(turn / 2);
        struct bucket *b = bucket_make();
        struct buf     redo = { 0 };
        pair_redo(&redo, twice);
        enum code code = bucket_redo(b, buf_view(&redo), &why);
        assert(code == CODE_OK);
        code = make(b, turn % 2 == 1);
        assert(twice == TWICE_NONE ? code == CODE_OK : is_refusal(code));
        bucket_unref(b);
        buf_free(&redo);
    }
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_deep_one_costs_what_is_in_it(void)
{
    struct bucket *b = bucket_make();
    struct buf     redo = { 0 };

    deep_redo(&redo, 300000);
    double    began_s = cpu_s();
    enum code code = bucket_redo(b, buf_view(&redo), &why);
    assert(code == CODE_OK);
    code = bucket_redone(b, &why);
    assert(code == CODE_OK);
    printf("redo: 300,000 stacks of up to 300,000 frames in %.2f s\n", cpu_s() - began_s);
    assert(cpu_s() - began_s < 10); /* 45 thousand million steps would take longer */
    bucket_unref(b);
    buf_free(&redo);
}

int main(void)
{
    struct buf redos[REDOS] = { 0 };

    redos_make(redos);
    every_cut_is_refused(redos);
    every_change_is_refused_or_harmless(redos);
    a_gap_is_refused(redos);
    what_is_twice_is_refused();
    a_deep_one_costs_what_is_in_it();
    for (size_t k = 0; k < REDOS; k++)
        buf_free(&redos[k]);
    puts("redo: ok");
    return 0;
}
