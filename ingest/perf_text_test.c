/*
 * Goal: what perf prints becomes the profile it means.  Method: a text with two events, spaces in names, frames without
 * symbols; through ingest, and compared by its frames and sums; every truncation must be survived.
 */
#include <assert.h>
#include <stdio.h>

#include "ingest/ingest.h"
#include "ingest/perf_text.h"

static const char text[] = "# captured on: today\n"
                           "\n"
                           "my app  1234/1235 [001]  100.000001:     250000 cpu-clock:pppH: \n"
                           "\t            55d0 std::map<int, int>::find(int const&)+0x12 (/bin/my app)\n"
                           "\t            7f3a main+0x1 (/bin/my app)\n"
                           "\t        ffff8000 [unknown] ([kernel.kallsyms])\n"
                           "\n"
                           "my app  1234/1235 [000]  100.000002:     250000 cpu-clock:pppH: \n"
                           "\t            55d8 std::map<int, int>::find(int const&)+0x1a (/bin/my app)\n"
                           "\t            7f3a main+0x1 (/bin/my app)\n"
                           "\t        ffff8000 [unknown] ([kernel.kallsyms])\n"
                           "\n"
                           "sh   7  100.000003: page-faults:            401000 _start+0x0 (/bin/sh)\n";

static struct slice frame_text(const struct batch *b, uint32_t stack, uint32_t i, struct arena *a)
{
    const struct batch_location *l = &b->locations[batch_stack(b, stack).locations[i]];

    if (l->n_lines > 0)
        return batch_string(b, b->functions[b->lines[l->line_at].function].name);
    return arena_printf(a, "%.*s!0x%llx", SLICE_ARGS(batch_string(b, b->mappings[l->mapping].file)),
                        (unsigned long long)l->address);
}

static void text_becomes_a_profile(void)
{
    struct label         name = { SLICE("__name__"), SLICE("process_cpu") };
    struct ingest_source source = { .tenant = SLICE("t"), .labels = { &name, 1 }, .now_ns = 1 };
    struct arena        *a = arena_new(0);
    struct buf           pprof = { 0 };
    struct fault         why;
    struct batch         b;
    size_t               raw;

    assert(perf_text_is(slice_of(text)));
    assert(perf_text_to_pprof(slice_of(text), true, 42, &pprof, &why) == CODE_OK);
    assert(ingest_pprof(buf_view(&pprof), &source, &decode_limits_usual, a, &b, &raw, &why) == CODE_OK);
    assert(b.time_ns == 42 && b.n_types == 2 && b.n_rows == 2 && b.row_values[0] == 500000 && b.row_values[3] == 1);
    assert(slice_is(batch_string(&b, b.types[0].type), "cpu") &&
           slice_is(batch_string(&b, b.types[0].unit), "nanoseconds"));
    assert(slice_is(batch_string(&b, b.types[1].type), "page_faults"));
    assert(batch_stack(&b, 0).n == 4 && slice_is(frame_text(&b, 0, 0, a), "std::map<int, int>::find(int const&)"));
    assert(slice_is(frame_text(&b, 0, 2, a), "[kernel.kallsyms]!0xffff8000") &&
           slice_is(frame_text(&b, 0, 3, a), "my app"));
    assert(batch_stack(&b, 1).n == 2 && slice_is(frame_text(&b, 1, 0, a), "_start") &&
           slice_is(frame_text(&b, 1, 1, a), "sh"));
    buf_free(&pprof);
    arena_free(a);
}

static void other_texts_are_refused(void)
{
    struct buf   pprof = { 0 };
    struct fault why;

    assert(!perf_text_is(SLICE("hello world\n")) && !perf_text_is(SLICE("")) &&
           !perf_text_is(SLICE("\x1f\x8b\x08\0\0")));
    assert(perf_text_to_pprof(SLICE("hello\n"), false, 0, &pprof, &why) == CODE_INVALID_ARGUMENT);
    assert(perf_text_to_pprof(SLICE("# nothing\n\n"), false, 0, &pprof, &why) == CODE_INVALID_ARGUMENT);
    assert(perf_text_to_pprof(SLICE("a 1 1.000: cycles:\n\tnothex (x)\n"), false, 0, &pprof, &why) ==
           CODE_INVALID_ARGUMENT);
    assert(slice_starts(slice_of(why.text), SLICE("perf script: not a frame")) && pprof.n == 0);
    for (size_t cut = 0; cut < sizeof text; cut++) {
        (void)!perf_text_to_pprof(slice_make(text, cut), cut % 2, 0, &pprof, &why);
        buf_free(&pprof);
    }
}

int main(void)
{
    text_becomes_a_profile();
    other_texts_are_refused();
    printf("perf_text: ok\n");
    return 0;
}
