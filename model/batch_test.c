/*
 * Goal: a batch survives its encoding; nothing that breaks an invariant passes, and no damage makes the reader read
 * where it must not.  Method: one small batch there and back; each invariant broken once; every truncation and every
 * flipped bit.  With a file name as argument the record is also written there (a seed for the fuzzer).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/batch.h"

/* All arrays in one struct, so that a test can break what it likes in a copy. */
struct sample {
    uint32_t              string_end[9];
    char                  string_bytes[64];
    struct batch_mapping  mappings[1];
    struct batch_function functions[2];
    struct batch_line     lines[3];
    struct batch_location locations[3];
    uint32_t              stack_end[2], stack_locations[4];
    struct batch_type     types[2];
    struct batch_label    labels[3];
    struct batch_part     parts[2];
    uint32_t              row_stack[3];
    int64_t               row_values[6];
    struct batch          b;
};

enum { S_EMPTY, S_NAME, S_KEY, S_SERVICE, S_MAIN, S_WORK, S_CPU, S_NS, S_THREAD };

static void strings_fill(struct sample *s)
{
    static const char *const text[] = { "",     "process_cpu", "service_name", "checkout", "main",
                                        "work", "cpu",         "nanoseconds",  "thread" };
    uint32_t                 end = 0;

    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        memcpy(s->string_bytes + end, text[i], strlen(text[i]));
        end += (uint32_t)strlen(text[i]);
        s->string_end[i] = end;
    }
}

static void arrays_fill(struct sample *s)
{
    s->mappings[0] =
        (struct batch_mapping){ .start = 4096, .limit = 8192, .file = S_MAIN, .flags = BATCH_HAS_FUNCTIONS };
    s->functions[0] = (struct batch_function){ .name = S_MAIN, .file = S_MAIN };
    s->functions[1] = (struct batch_function){ .name = S_WORK, .start_line = 7 };
    s->lines[0] = (struct batch_line){ .function = 0, .line = 1 };
    s->lines[1] = (struct batch_line){ .function = 1, .line = 2 };
    s->lines[2] = (struct batch_line){ .function = 0, .line = 3 };
    s->locations[0] = (struct batch_location){ .line_at = 0, .n_lines = 1 };
    s->locations[1] = (struct batch_location){ .line_at = 1, .n_lines = 2, .mapping = BATCH_NONE };
    s->locations[2] = (struct batch_location){ .line_at = 3, .n_lines = 0, .address = 0xabc };
    memcpy(s->stack_end, (uint32_t[]){ 2, 4 }, sizeof s->stack_end);
    memcpy(s->stack_locations, (uint32_t[]){ 1, 0, 2, 0 }, sizeof s->stack_locations);
    s->types[0] = (struct batch_type){ S_CPU, S_NS };
    s->types[1] = (struct batch_type){ S_WORK, S_NS };
    s->labels[0] = (struct batch_label){ S_KEY, S_SERVICE };
    s->labels[1] = (struct batch_label){ S_KEY, S_SERVICE };
    s->labels[2] = (struct batch_label){ S_THREAD, S_MAIN };
    s->parts[0] = (struct batch_part){ 0, 1, 0, 2 };
    s->parts[1] = (struct batch_part){ 1, 2, 2, 1 };
    memcpy(s->row_stack, (uint32_t[]){ 0, 1, 0 }, sizeof s->row_stack);
    memcpy(s->row_values, (int64_t[]){ 10, 0, 30, 1, 2, 0 }, sizeof s->row_values);
}

static struct sample *sample_new(void)
{
    struct sample *s = mem_zalloc(sizeof *s);

    strings_fill(s);
    arrays_fill(s);
    s->b = (struct batch){
        .tenant = SLICE("anonymous"),
        .key = { 1, 2 },
        .map_epoch = 3,
        .received_ns = 4,
        .slot = 5,
        .mode = BATCH_INTERVAL,
        .time_ns = 6,
        .duration_ns = 7,
        .period = 8,
        .name = S_NAME,
        .service = S_SERVICE,
        .period_type = S_CPU,
        .period_unit = S_NS,
        .string_end = s->string_end,
        .string_bytes = s->string_bytes,
        .mappings = s->mappings,
        .functions = s->functions,
        .lines = s->lines,
        .locations = s->locations,
        .stack_end = s->stack_end,
        .stack_locations = s->stack_locations,
        .types = s->types,
        .labels = s->labels,
        .parts = s->parts,
        .row_stack = s->row_stack,
        .row_values = s->row_values,
        .n_strings = 9,
        .n_mappings = 1,
        .n_functions = 2,
        .n_lines = 3,
        .n_locations = 3,
        .n_stacks = 2,
        .n_types = 2,
        .n_labels = 3,
        .n_parts = 2,
        .n_rows = 3,
        .n_stack_locations = 4,
    };
    return s;
}

static void there_and_back(const char *seed)
{
    struct sample *s = sample_new();
    struct arena  *a = arena_new(0);
    struct buf     first = { 0 }, again = { 0 };
    struct batch   b;
    struct fault   why;

    batch_encode(&s->b, &first);
    assert(first.n % 8 == 0 && batch_record_bytes(buf_view(&first)) == first.n);
    assert(batch_decode(buf_view(&first), a, &b, &why) == CODE_OK);
    assert(slice_is(b.tenant, "anonymous") && b.key.hi == 2 && b.slot == 5 && b.mode == BATCH_INTERVAL &&
           b.period == 8);
    assert(slice_is(batch_string(&b, b.functions[1].name), "work") && batch_stack(&b, 1).locations[0] == 2);
    assert(b.row_values[5] == 0 && b.row_values[2] == 30);
    batch_encode(&b, &again);
    assert(slice_eq(buf_view(&first), buf_view(&again)));
    if (seed != NULL) {
        FILE *f = fopen(seed, "wb");
        assert(f != NULL && fwrite(first.p, 1, first.n, f) == first.n && fclose(f) == 0);
    }
    buf_free(&first);
    buf_free(&again);
    arena_free(a);
    free(s);
}

typedef void break_fn(struct sample *s);

static void b1_string(struct sample *s) { s->functions[1].name = 9; }
static void b1_order(struct sample *s) { s->string_end[3] = 2; }
static void b1_zero(struct sample *s) { s->string_end[0] = 1; }
static void b1_service(struct sample *s) { s->b.service = 100; }
static void b1_mapping(struct sample *s) { s->locations[1].mapping = 1; }
static void b1_function(struct sample *s) { s->lines[2].function = 2; }
static void b1_location(struct sample *s) { s->stack_locations[2] = 3; }
static void b1_stack(struct sample *s) { s->row_stack[2] = 2; }
static void b1_type(struct sample *s) { s->types[1].unit = 9; }
static void b2_stacks(struct sample *s) { s->stack_locations[2] = 1; }
static void b2_stack_order(struct sample *s) { s->stack_end[0] = 5; }
static void b3_unsorted(struct sample *s) { s->labels[1].name = S_WORK; }
static void b3_service(struct sample *s) { s->labels[0].value = S_MAIN; }
static void b3_same(struct sample *s)
{
    s->parts[1].n_labels = 1;
    s->b.n_labels = 2;
}
static void b3_row_twice(struct sample *s) { s->row_stack[1] = 0; }
static void b3_row_order(struct sample *s) { s->row_stack[0] = 1; }
static void b4_negative(struct sample *s) { s->row_values[0] = -1; }
static void b4_zero(struct sample *s) { s->row_values[2] = 0; }
static void b6_lines(struct sample *s) { s->locations[1].line_at = 0; }
static void b6_rows(struct sample *s) { s->parts[1].n_rows = 2; }
static void b6_orphan(struct sample *s) { s->parts[0].n_rows = 1; }
static void b6_empty_value(struct sample *s) { s->labels[2].value = S_EMPTY; }

static void each_invariant_is_kept(void)
{
    static break_fn *const breaks[] = { b1_string,      b1_order,      b1_zero,  b1_service,   b1_mapping,
                                        b1_function,    b1_location,   b1_stack, b1_type,      b2_stacks,
                                        b3_unsorted,    b3_service,    b3_same,  b3_row_twice, b3_row_order,
                                        b4_negative,    b4_zero,       b6_lines, b6_rows,      b6_orphan,
                                        b6_empty_value, b2_stack_order };

    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        struct sample *s = sample_new();
        struct arena  *a = arena_new(0);
        struct fault   why;
        assert(batch_check(&s->b, a, &why) == CODE_OK);
        breaks[i](s);
        if (batch_check(&s->b, a, &why) != CODE_INVALID_ARGUMENT) {
            fprintf(stderr, "break %zu went unseen\n", i);
            abort();
        }
        arena_free(a);
        free(s);
    }
}

/* A copy that ends with the n bytes, so that a read past them is seen, and does not begin aligned; decoded, and if it passes, encoded again. */
static enum code decode_exact(const char *p, size_t n)
{
    char         *copy = mem_alloc(1 + n);
    struct arena *a = arena_new(0);
    struct buf    again = { 0 };
    struct batch  b;
    struct fault  why;

    memcpy(copy + 1, p, n);
    enum code code = batch_decode(slice_make(copy + 1, n), a, &b, &why);
    if (code == CODE_OK)
        batch_encode(&b, &again);
    buf_free(&again);
    arena_free(a);
    free(copy);
    return code;
}

static void damage_is_harmless(void)
{
    struct sample *s = sample_new();
    struct buf     record = { 0 };

    batch_encode(&s->b, &record);
    for (size_t cut = 0; cut < record.n; cut++)
        assert(decode_exact(record.p, cut) == CODE_INVALID_ARGUMENT);
    for (size_t bit = 0; bit < record.n * 8; bit++) {
        record.p[bit / 8] = (char)(record.p[bit / 8] ^ 1 << bit % 8);
        (void)decode_exact(record.p, record.n);
        record.p[bit / 8] = (char)(record.p[bit / 8] ^ 1 << bit % 8);
    }
    assert(decode_exact(record.p, record.n) == CODE_OK);
    buf_free(&record);
    free(s);
}

/* Stacks that share no, some and more locations than a byte counts; numbers of a byte, of two and of four. */
static void packs_stacks(uint32_t n_locations)
{
    enum { STACKS = 40, DEPTH = 600 };
    struct sample *s = sample_new();
    struct arena  *a = arena_new(0);
    uint32_t      *at = arena_array(a, STACKS * DEPTH, sizeof *at), *end = arena_array(a, STACKS, sizeof *end), n = 0;
    uint64_t       x = n_locations;
    struct buf     bytes = { 0 };
    struct batch   b;
    struct fault   why;

    s->b.locations = arena_zalloc(a, n_locations * sizeof *s->b.locations);
    for (uint32_t i = 0; i < n_locations; i++)
        ((struct batch_location *)s->b.locations)[i].address = i;
    for (uint32_t i = 0, before = 0; i < STACKS; i++) {
        uint32_t depth = i == 7 ? 0 : 1 + i * 37 % DEPTH, alike = i * 20;
        alike = alike < depth ? alike : depth;
        alike = alike < before ? alike : before;
        for (uint32_t k = 0; k < depth; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            at[n + k] = depth - k <= alike ? at[n + k - depth] : (uint32_t)(x >> 33) % n_locations;
        }
        end[i] = n += depth;
        before = depth;
    }
    s->b.n_locations = n_locations;
    s->b.n_lines = 0;
    s->b.stack_locations = at, s->b.n_stack_locations = n;
    s->b.stack_end = end, s->b.n_stacks = STACKS;
    batch_encode(&s->b, &bytes);
    assert(bytes.n <
           n_locations * 5 + n * (n_locations > 65536 ? 4 : 2) + 2000); /* of a location its address and line */
    assert(batch_decode(buf_view(&bytes), a, &b, &why) == CODE_OK);
    assert(b.n_stacks == STACKS && b.n_stack_locations == n && memcmp(b.stack_end, end, sizeof *end * STACKS) == 0 &&
           memcmp(b.stack_locations, at, sizeof *at * n) == 0);
    buf_free(&bytes);
    arena_free(a);
    free(s);
}

int main(int argc, char **argv)
{
    there_and_back(argc > 1 ? argv[1] : NULL);
    each_invariant_is_kept();
    damage_is_harmless();
    packs_stacks(1000);
    packs_stacks(65536);
    packs_stacks(70000);
    printf("batch: ok\n");
    return 0;
}
