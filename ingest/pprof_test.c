/*
 * Goal: every rule of the pprof pipeline.
 * Method: hand-made profiles of a few frames, one rule each (test_push.h).  What is refused is pprof_refusals_test's, profiles of real
 * programs are pprof_real_test's.
 */
#include "ingest/test_push.h"
#include "wire/pb.h"
#include "wire/zip.h"

static struct slice part_labels(const struct push *p, uint32_t part)
{
    struct buf    b = { 0 };
    struct label *at = arena_array(p->arena, p->b.parts[part].n_labels, sizeof *at);

    for (uint32_t i = 0; i < p->b.parts[part].n_labels; i++) {
        struct batch_label l = p->b.labels[p->b.parts[part].label_at + i];
        at[i] = (struct label){ batch_string(&p->b, l.name), batch_string(&p->b, l.value) };
    }
    labels_print(&b, (struct labels){ at, p->b.parts[part].n_labels });
    struct slice text = arena_copy(p->arena, buf_view(&b));
    buf_free(&b);
    return text;
}

static struct slice frame_name(const struct batch *b, uint32_t stack, uint32_t i)
{
    const struct batch_location *l = &b->locations[batch_stack(b, stack).locations[i]];
    return batch_string(b, b->functions[b->lines[l->line_at].function].name);
}

static void samples_merge(void)
{
    struct push p;
    uint64_t    main = push_simple(&p), work = pprof_make_frame(&p.m, SLICE("work")), deep[] = { work, main };

    pprof_make_period(&p.m, SLICE("cpu"), SLICE("nanoseconds"), 10000000);
    pprof_make_time(&p.m, 777, 10);
    sample(&p, deep, 2, 5, NULL, 0);
    sample(&p, &main, 1, 0, NULL, 0);  /* nothing */
    sample(&p, &main, 1, -3, NULL, 0); /* less than nothing */
    sample(&p, deep, 2, 6, NULL, 0);
    sample(&p, &main, 1, 7, NULL, 0);
    sample(&p, (uint64_t[]){ 99 }, 1, 8, NULL, 0); /* nowhere */
    sample(&p, NULL, 0, 9, NULL, 0);               /* no stack at all: counts */
    assert(push_made(&p) == CODE_OK && p.b.n_rows == 3 && p.b.n_stacks == 3 && p.b.n_parts == 1);
    assert(p.b.row_values[0] == 11 && p.b.row_values[1] == 7 && p.b.row_values[2] == 9);
    assert(batch_stack(&p.b, 0).n == 2 && slice_is(frame_name(&p.b, 0, 0), "work") && batch_stack(&p.b, 2).n == 0);
    assert(p.b.time_ns == 777 && p.b.duration_ns == 10 && p.b.period == 10000000 && p.b.received_ns == 5000);
    assert(slice_is(batch_string(&p.b, p.b.name), "process_cpu") && slice_is(batch_string(&p.b, p.b.service), "shop"));
    assert(slice_is(batch_string(&p.b, p.b.period_type), "cpu") && slice_is(p.b.tenant, "anonymous"));
    assert(slice_is(part_labels(&p, 0), "{service_name=\"shop\"}"));
    push_fini(&p);
}

static void gzip_is_known_by_its_head(void)
{
    struct push p;
    struct buf  packed = { 0 };
    uint64_t    main = push_simple(&p);

    sample(&p, &main, 1, 1, NULL, 0);
    struct slice plain = pprof_make_bytes(&p.m);
    zip_gzip(plain, &packed);
    assert(push_bytes(&p, buf_view(&packed)) == CODE_OK && p.raw == plain.n && p.b.n_rows == 1 && p.b.time_ns == 5000);
    p.limits.profile_bytes_max = (int64_t)plain.n - 1;
    assert(push_bytes(&p, buf_view(&packed)) == CODE_INVALID_ARGUMENT);
    assert(slice_starts(slice_of(p.why.text), SLICE("uncompressed profile payload size exceeds limit of")));
    packed.p[packed.n / 2] ^= 0x40;
    p.limits.profile_bytes_max = 1 << 20;
    assert(push_bytes(&p, buf_view(&packed)) == CODE_INVALID_ARGUMENT);
    buf_free(&packed);
    push_fini(&p);
}

static void stacks_that_say_the_same_unite(void)
{
    struct push            p;
    uint64_t               main = push_simple(&p), mapped, same, bare, empty;
    uint64_t               mapping = pprof_make_mapping(&p.m, SLICE("/bin/app"), 4096, 8192, true);
    struct pprof_make_line line = { 1, 3 };

    (void)main;
    mapped = pprof_make_location(&p.m, mapping, 5000, &line, 1);
    same = pprof_make_location(&p.m, mapping, 5004, &line, 1); /* told apart by its address only */
    bare = pprof_make_location(&p.m, mapping, 6000, NULL, 0);  /* stays: it has an address to show */
    empty = pprof_make_location(&p.m, mapping, 0, NULL, 0);    /* says nothing: its samples go */
    sample(&p, &mapped, 1, 1, NULL, 0);
    sample(&p, &same, 1, 2, NULL, 0);
    sample(&p, &bare, 1, 4, NULL, 0);
    sample(&p, &empty, 1, 8, NULL, 0);
    assert(push_made(&p) == CODE_OK && p.b.n_rows == 2 && p.b.n_stacks == 2 && p.b.n_mappings == 1);
    assert(p.b.row_values[0] == 3 && p.b.row_values[1] == 4 && p.b.mappings[0].start == 0);
    assert(p.b.locations[1].address == 0 && p.b.locations[3].address == 6000 && p.b.locations[3].n_lines == 0);
    push_fini(&p);
}

static void sample_labels_split(void)
{
    struct push  p;
    uint64_t     main = push_simple(&p);
    struct label one[] = { { SLICE("thread"), SLICE("t1") }, { SLICE("span_id"), SLICE("0123456789abcdef") } };
    struct label two[] = { { SLICE("thread"), SLICE("t2") }, { SLICE("zone"), SLICE("a") } };
    struct label wins[] = { { SLICE("zone"), SLICE("sample") },
                            { SLICE("thread"), SLICE("t1") },
                            { SLICE("none"), SLICE("") } };

    push_label(&p, "zone", "series");
    push_label(&p, "__delta__", "false");
    push_label(&p, "__order__", "x");
    push_label(&p, "__session_id__", "0000000000000001");
    push_label(&p, "__type__", "mine");
    push_label(&p, "__foo__", "bar");
    push_label(&p, "empty", "");
    sample(&p, &main, 1, 1, one, 2);
    sample(&p, &main, 1, 2, two, 2);
    sample(&p, &main, 1, 4, wins, 3);
    sample(&p, &main, 1, 8, NULL, 0);
    assert(push_made(&p) == CODE_OK && p.b.n_parts == 3 && p.b.n_stacks == 1 && p.b.n_rows == 3);
    assert(slice_is(part_labels(&p, 0), "{__foo__=\"bar\", service_name=\"shop\", zone=\"series\"}") ||
           slice_is(part_labels(&p, 0), "{__foo__=\"bar\", service_name=\"shop\", thread=\"t1\", zone=\"series\"}"));
    int64_t sum = 0;
    for (uint32_t i = 0; i < 3; i++) {
        bool is_t1 = slice_find(part_labels(&p, i), SLICE("t1")) < part_labels(&p, i).n;
        sum += p.b.row_values[i];
        assert(!is_t1 || p.b.row_values[i] == 5);
    }
    assert(sum == 15);
    push_fini(&p);
}

static void names_are_relabeled(void)
{
    struct push p;
    uint64_t    main = push_simple(&p);

    p.labels[0].value = SLICE("godeltaprof_memory");
    p.source.labels.n = 1; /* and without a service */
    sample(&p, &main, 1, 1, NULL, 0);
    assert(push_made(&p) == CODE_OK && slice_is(batch_string(&p.b, p.b.name), "memory"));
    assert(
        slice_is(part_labels(&p, 0), "{__name_replaced__=\"godeltaprof_memory\", service_name=\"unknown_service\"}"));
    push_fini(&p);
}

static void sessions_are_reduced(void)
{
    struct push p;
    uint64_t    main = push_simple(&p);

    push_label(&p, "__session_id__", "0b00000000000000"); /* 11, little-endian */
    p.limits.sessions_max = 4;
    sample(&p, &main, 1, 1, NULL, 0);
    assert(push_made(&p) == CODE_OK);
    assert(slice_is(part_labels(&p, 0), "{__session_id__=\"0300000000000000\", service_name=\"shop\"}"));
    push_fini(&p);
}

static void names_are_cleaned_when_asked(void)
{
    struct push p;
    uint64_t    main = push_simple(&p);

    p.limits.sanitize_labels = true;
    push_label(&p, "a.b", "1");
    sample(&p, &main, 1, 1, &(struct label){ SLICE("c.d"), SLICE("2") }, 1);
    assert(push_made(&p) == CODE_OK && slice_is(part_labels(&p, 0), "{a_b=\"1\", c_d=\"2\", service_name=\"shop\"}"));
    push_fini(&p);
    main = push_simple(&p);
    p.limits.sanitize_labels = true;
    push_label(&p, "a.b", "1");
    push_label(&p, "a_b", "2");
    sample(&p, &main, 1, 1, NULL, 0);
    refused(&p, "has duplicate label name: 'a_b' after label name sanitization");
    main = push_simple(&p);
    p.limits.sanitize_labels = true;
    sample(&p, &main, 1, 1, &(struct label){ SLICE("c d"), SLICE("2") }, 1);
    refused(&p, "invalid label name 'c d'");
}

static void a_name_is_cleaned_once(void)
{
    struct push  p;
    uint64_t     main = push_simple(&p);
    struct label l = { SLICE("c.d"), { 0 } };

    p.limits.sanitize_labels = true;
    for (int i = 0; i < 100; i++) {
        l.value = arena_printf(p.arena, "%d", i);
        sample(&p, &main, 1, 1, &l, 1);
    }
    assert(push_made(&p) == CODE_OK && p.b.n_parts == 100);
    for (uint32_t i = 1; i < p.b.n_labels; i++)
        assert(p.b.labels[i].name == p.b.labels[i % 2].name);
    push_fini(&p);
}

static void stacks_and_symbols_are_cut(void)
{
    struct push p;
    uint64_t    main = push_simple(&p), work = pprof_make_frame(&p.m, SLICE("a/very/long/work")),
             deep[] = { work, work, main };

    p.limits.depth_max = 2;
    p.limits.symbol_bytes_max = 4;
    sample(&p, deep, 3, 1, NULL, 0);
    assert(push_made(&p) == CODE_OK && batch_stack(&p.b, 0).n == 2 && slice_is(frame_name(&p.b, 0, 0), "work"));
    push_fini(&p);
}

static void go_type_parameters_go(void)
{
    struct push p;
    uint64_t    stack[2];

    push_simple(&p);
    push_label(&p, "pyroscope_spy", "gospy");
    stack[0] = pprof_make_frame(&p.m, SLICE("pkg.(*T[go.shape.struct { a [4]int }]).f"));
    stack[1] = pprof_make_frame(&p.m, SLICE("pkg.(*T[go.shape.int,go.shape.[]uint8]).f"));
    sample(&p, &stack[0], 1, 1, NULL, 0);
    sample(&p, &stack[1], 1, 2, NULL, 0);
    assert(push_made(&p) == CODE_OK && p.b.n_rows == 1 && p.b.row_values[0] == 3);
    assert(slice_is(frame_name(&p.b, 0, 0), "pkg.(*T).f"));
    push_fini(&p);
}

static void go_stacks_get_their_roots_back(void)
{
    struct push p;
    uint64_t    frames[40], other[30];

    push_init(&p);
    push_label(&p, "pyroscope_spy", "gospy");
    pprof_make_type(&p.m, SLICE("inuse_space"), SLICE("bytes"));
    for (int i = 39; i >= 0; i--) /* the whole stack's group comes first */
        frames[i] = pprof_make_frame(&p.m, arena_printf(p.arena, "f%02d", i));
    for (int i = 0; i < 30; i++) /* and the last group, which neither gives nor gets, is another */
        other[i] = pprof_make_frame(&p.m, arena_printf(p.arena, "g%02d", i));
    sample(&p, frames + 8, 32, 1, NULL, 0); /* whole: f08 ... f39 */
    sample(&p, frames + 5, 32, 2, NULL, 0); /* cut: f37 f38 f39 are missing */
    sample(&p, frames + 6, 31, 4, NULL, 0);
    sample(&p, other, 30, 8, NULL, 0);
    assert(push_made(&p) == CODE_OK && p.b.n_rows == 4);
    uint32_t repaired = 0;
    for (uint32_t i = 0; i < p.b.n_stacks; i++)
        repaired += slice_is(frame_name(&p.b, i, batch_stack(&p.b, i).n - 1), "f39");
    assert(repaired == 3);
    push_fini(&p);
}

/* A chain of four groups, seven frames each: more than the group at its end agrees on. */
static uint32_t roots_after_a_long_chain(bool is_long_first)
{
    struct push p;
    uint64_t    frames[71], other[30];

    push_init(&p);
    push_label(&p, "pyroscope_spy", "gospy");
    pprof_make_type(&p.m, SLICE("cpu"), SLICE("nanoseconds"));
    for (int i = 70; i >= 0; i--)
        frames[i] = pprof_make_frame(&p.m, arena_printf(p.arena, "f%02d", i));
    for (int i = 0; i < 30; i++)
        other[i] = pprof_make_frame(&p.m, arena_printf(p.arena, "g%02d", i));
    for (int i = 0; i < 2; i++)
        sample(&p, (i == 0) == is_long_first ? frames : frames + 46, (i == 0) == is_long_first ? 71 : 25, 1, NULL, 0);
    for (int i = 1; i <= 4; i++)
        sample(&p, frames + 18 - i, (size_t)(53 - 6 * i), 1, NULL, 0); /* cut behind f63, f56, f49, f42 */
    sample(&p, other, 30, 1, NULL, 0);
    assert(push_made(&p) == CODE_OK && p.b.n_rows == 7);
    uint32_t whole = 0;
    for (uint32_t i = 0; i < p.b.n_stacks; i++)
        whole += slice_is(frame_name(&p.b, i, batch_stack(&p.b, i).n - 1), "f70");
    push_fini(&p);
    return whole;
}

static void the_first_of_a_group_lends_its_root(void)
{
    assert(roots_after_a_long_chain(true) == 6);
    assert(roots_after_a_long_chain(false) == 5);
}

static void build_ids_tell_the_source(void)
{
    struct push            p;
    uint64_t               main = push_simple(&p), at;
    struct pprof_make_line line = { main, 0 };

    push_label(&p, "service_repository", "https://example.com/r");
    push_label(&p, "service_git_ref", "v1");
    at = pprof_make_location(&p.m, pprof_make_mapping(&p.m, SLICE("app"), 0, 0, false), 1, &line, 1);
    sample(&p, &at, 1, 1, NULL, 0);
    assert(push_made(&p) == CODE_OK);
    assert(slice_is(batch_string(&p.b, p.b.mappings[0].build_id),
                    "{\"repository\":\"https://example.com/r\",\"git_ref\":\"v1\"}"));
    push_fini(&p);
}

static void keys_tell_pushes_apart(void)
{
    struct push    p;
    uint64_t       main = push_simple(&p);
    struct hash128 first;

    sample(&p, &main, 1, 1, NULL, 0);
    struct slice bytes = pprof_make_bytes(&p.m);
    assert(push_bytes(&p, bytes) == CODE_OK);
    first = p.b.key;
    p.source.now_ns++; /* the time of arrival is none of the key's */
    assert(push_bytes(&p, bytes) == CODE_OK && p.b.key.lo == first.lo && p.b.key.hi == first.hi);
    p.source.ordinal = 1;
    assert(push_bytes(&p, bytes) == CODE_OK && p.b.key.lo != first.lo);
    p.source.ordinal = 0;
    p.source.tenant = SLICE("other");
    assert(push_bytes(&p, bytes) == CODE_OK && p.b.key.lo != first.lo);
    p.source.tenant = SLICE("anonymous");
    p.source.client_id = SLICE("id");
    assert(push_bytes(&p, bytes) == CODE_OK && p.b.key.lo != first.lo);
    push_fini(&p);
}

static void legacy_is_named(void)
{
    static const char *const cases[][4] = {
        /* type, config, spy, name */
        { "samples", "", "gospy", "process_cpu" },
        { "wall", "", "nodespy", "wall" },
        { "inuse_space", "", "gospy", "memory" },
        { "contentions", "", "gospy", "mutex" },
        { "contentions", "{\"contentions\":{\"display-name\":\"block_count\"}}", "gospy", "block" },
        { "goroutine", "", "gospy", "goroutines" },
        { "goroutineleak", "{\"goroutineleak\":{\"display-name\":\"goroutine_leak\"}}", "gospy", "goroutine_leak" },
        { "alloc-size", "{\"alloc-size\":{}}", "dotnetspy", "memory" },
        { "other", "", "x", "other" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct push p;
        push_init(&p);
        pprof_make_type(&p.m, slice_of(cases[i][0]), SLICE("count"));
        uint64_t main = pprof_make_frame(&p.m, SLICE("main"));
        sample(&p, &main, 1, 1, NULL, 0);
        p.source.hints = (struct pprof_hints){
            .is_legacy = true, .spy_name = slice_of(cases[i][2]), .type_config = slice_of(cases[i][1]), .from_ns = 1234
        };
        assert(push_made(&p) == CODE_OK && slice_is(batch_string(&p.b, p.b.name), cases[i][3]) && p.b.time_ns == 1234);
        push_fini(&p);
    }
}

static void scripting_functions_get_their_file(void)
{
    struct push p;
    uint64_t    stack[3];

    push_init(&p);
    pprof_make_type(&p.m, SLICE("cpu"), SLICE("nanoseconds"));
    const char *const files[] = { "a.py", "/abs/b.py", "a.py" };
    for (int i = 0; i < 3; i++) {
        struct pprof_make_line line = { pprof_make_function(&p.m, SLICE("f"), slice_of(files[i])), i };
        stack[i] = pprof_make_location(&p.m, 0, 0, &line, 1);
    }
    sample(&p, stack, 3, 1, NULL, 0);
    p.source.hints = (struct pprof_hints){ .is_legacy = true, .spy_name = SLICE("pyspy") };
    assert(push_made(&p) == CODE_OK);
    assert(slice_is(frame_name(&p.b, 0, 0), "a.py f") && slice_is(frame_name(&p.b, 0, 1), "f"));
    assert(slice_is(frame_name(&p.b, 0, 2), "a.py f") && p.b.functions[0].name == p.b.functions[2].name);
    push_fini(&p);
}

/* Unpacked, in several runs, and padded varints: the same stack. */
static void wire_forms_agree(void)
{
    struct push p;
    uint64_t    main = push_simple(&p), work = pprof_make_frame(&p.m, SLICE("work")), deep[] = { work, main };

    sample(&p, deep, 2, 1, NULL, 0);
    size_t opened = pb_open(&p.m.out, 2);
    pb_put_varint(&p.m.out, 1, work);
    pb_put_varint(&p.m.out, 1, main);
    pb_put_varint(&p.m.out, 2, 2);
    pb_close(&p.m.out, opened);
    opened = pb_open(&p.m.out, 2);
    pb_put_packed(&p.m.out, 1, &work, 1);
    pb_put_packed(&p.m.out, 1, &main, 1);
    pb_put_packed(&p.m.out, 2, (uint64_t[]){ 4 }, 1);
    pb_close(&p.m.out, opened);
    opened = pb_open(&p.m.out, 2);
    pb_put_bytes(&p.m.out, 1, SLICE("\x82\x80\x00\x81\x00")); /* 2 and 1, longer than need be */
    pb_put_varint(&p.m.out, 2, 8);
    pb_put_bytes(&p.m.out, 9, SLICE("a field of tomorrow"));
    pb_close(&p.m.out, opened);
    assert(push_made(&p) == CODE_OK && p.b.n_rows == 1 && p.b.row_values[0] == 15);
    push_fini(&p);
}

int main(void)
{
    samples_merge();
    gzip_is_known_by_its_head();
    stacks_that_say_the_same_unite();
    sample_labels_split();
    names_are_relabeled();
    sessions_are_reduced();
    names_are_cleaned_when_asked();
    a_name_is_cleaned_once();
    stacks_and_symbols_are_cut();
    go_type_parameters_go();
    go_stacks_get_their_roots_back();
    the_first_of_a_group_lends_its_root();
    build_ids_tell_the_source();
    keys_tell_pushes_apart();
    legacy_is_named();
    scripting_functions_get_their_file();
    wire_forms_agree();
    printf("pprof: ok\n");
    return 0;
}
