/*
 * Goal: every message with which a profile is refused, and that none costs more memory than it may.
 * Method: hand-made profiles with one thing wrong each (test_push.h); bytes that are none.
 */
#include "ingest/test_push.h"
#include "wire/pb.h"

/* Messages about the whole, §4.2. */
static void wholes_are_refused(void)
{
    struct push p;
    uint64_t    main;

    push_init(&p);
    refused(&p, "empty profile");
    main = push_simple(&p);
    pprof_make_time(&p.m, 100, 0);
    p.limits.oldest_ns = 200;
    p.limits.newest_ns = 300;
    sample(&p, &main, 1, 1, NULL, 0);
    refused(&p, "profile with labels '{__name__=\"process_cpu\", service_name=\"shop\"}' is outside of ingestion "
                "window (profile "
                "timestamp: 1970-01-01T00:00:00Z, the ingestion window starts at");
    main = push_simple(&p);
    p.limits.profile_bytes_max = 10;
    sample(&p, &main, 1, 1, NULL, 0);
    refused(&p, "exceeds the size limit (max_profile_size_byte, actual: ");
    main = push_simple(&p);
    p.limits.samples_max = 1;
    sample(&p, &main, 1, 1, NULL, 0);
    sample(&p, &main, 1, 1, NULL, 0);
    refused(&p, "exceeds the samples count limit (max_profile_stacktrace_samples, actual: 2, limit: 1)");
    main = push_simple(&p);
    p.limits.sample_labels_max = 1;
    struct label two[] = { { SLICE("a"), SLICE("1") }, { SLICE("b"), SLICE("2") } };
    sample(&p, &main, 1, 1, two, 2);
    refused(&p, "exceeds the sample labels limit (max_profile_stacktrace_sample_labels, actual: 2, limit: 1)");
    main = push_simple(&p);
    pprof_make_sample(&p.m, &main, 1, (int64_t[]){ 1, 2 }, 2, NULL, 0);
    refused(&p, "sample value length mismatch");
    push_init(&p);
    pprof_make_type(&p.m, SLICE("alloc-size"), SLICE("bytes"));
    refused(&p, "sample type contains -");
    main = push_simple(&p);
    sample(&p, &main, 1, INT64_MAX, NULL, 0);
    sample(&p, &main, 1, INT64_MAX, NULL, 0);
    refused(&p, "sample values add up to more than 64 bits hold");
}

/* /ingest is refused in the words of push.v1: it has the name by then that its types give it. */
static void legacy_is_refused_by_its_name(void)
{
    static const char *const configs[] = { "", "{\"x\":{\"display-name\":\"cpu\"}}" };
    struct push              p;
    uint64_t                 main = push_simple(&p);

    p.source.hints.is_legacy = true;
    p.source.labels = (struct labels){ p.labels + 1, 1 };
    p.limits.samples_max = 1;
    sample(&p, &main, 1, 1, NULL, 0);
    sample(&p, &main, 1, 1, NULL, 0);
    refused(&p, "the profile with labels '{__name__=\"process_cpu\", service_name=\"shop\"}' exceeds the samples");
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        push_simple(&p);
        p.source.hints = (struct pprof_hints){ .is_legacy = true, .type_config = slice_of(configs[i]) };
        size_t opened = pb_open(&p.m.out, 1);
        pb_put_varint(&p.m.out, 1, 1000);
        pb_close(&p.m.out, opened);
        refused(&p, "sample type type string index out of range");
    }
    static char longest[1 << 17];
    memset(longest, 'n', sizeof longest - 1);
    push_simple(&p);
    p.limits.symbol_bytes_max = INT64_MAX;
    p.source.hints = (struct pprof_hints){ .is_legacy = true, .spy_name = SLICE("rbspy") };
    for (int i = 0; i < 1024; i++)
        pprof_make_frame(&p.m, slice_of(longest));
    refused(&p, "names of functions with their files take more than 67108864 bytes");
    push_simple(&p);
    p.source.hints = (struct pprof_hints){ .is_legacy = true, .type_config = SLICE("[]") };
    refused(&p, "sample_type_config: not a JSON object of sample types");
}

/* One field in a message of its own behind a simple profile. */
static void spoilt(uint32_t message, uint32_t field, uint64_t value, const char *text)
{
    struct push p;
    uint64_t    main = push_simple(&p);

    sample(&p, &main, 1, 1, NULL, 0);
    size_t opened = pb_open(&p.m.out, message);
    if (field != 1 && message != 1)
        pb_put_varint(&p.m.out, 1, 77);
    pb_put_varint(&p.m.out, field, value);
    pb_close(&p.m.out, opened);
    refused(&p, text);
}

static void tables_are_refused(void)
{
    char        longest[200];
    struct push p;

    memset(longest, 'a', sizeof longest);
    spoilt(4, 1, 0, "location id is 0");
    spoilt(5, 1, 0, "function id is 0");
    spoilt(1, 1, 1000, "sample type type string index out of range");
    spoilt(1, 2, UINT64_MAX, "sample type type string index out of range");
    spoilt(5, 2, 1000, "function name string index out of range");
    spoilt(5, 3, 1000, "function system name index string out of range");
    spoilt(5, 4, UINT64_C(1) << 40, "function file name string index out of range");
    spoilt(3, 5, 1000, "mapping file name string index out of range");
    spoilt(3, 6, 1000, "mapping build id string index out of range");
    push_simple(&p);
    pprof_make_frame(&p.m, SLICE("\xff\xfe"));
    refused(&p, "invalid utf8 string hex: fffe");
    push_simple(&p);
    pprof_make_frame(&p.m, slice_make(longest, sizeof longest)); /* its length has a top bit of its own */
    pprof_make_frame(&p.m, SLICE("\xff"));
    refused(&p, "invalid utf8 string hex: ff");
    push_init(&p);
    pb_put_bytes(&p.m.out, 6, SLICE("")); /* and the rest of the table somewhere else */
    pprof_make_type(&p.m, SLICE("\xfe"), SLICE("nanoseconds"));
    refused(&p, "invalid utf8 string hex: fe");
    push_init(&p);
    pb_put_bytes(&p.m.out, 6, SLICE("not empty"));
    pprof_make_type(&p.m, SLICE("cpu"), SLICE("nanoseconds"));
    refused(&p, "string 0 should be empty string");

    uint64_t main = push_simple(&p);
    size_t   opened = pb_open(&p.m.out, 2), label;
    pb_put_varint(&p.m.out, 1, main);
    pb_put_varint(&p.m.out, 2, 1);
    label = pb_open(&p.m.out, 3);
    pb_put_varint(&p.m.out, 1, 1000);
    pb_close(&p.m.out, label);
    pb_close(&p.m.out, opened);
    refused(&p, "sample label string index out of range");
}

static void labels_are_refused(void)
{
    static char longest[3000];
    struct push p;
    uint64_t    main;

    memset(longest, 'n', sizeof longest - 1);
    main = push_simple(&p);
    sample(&p, &main, 1, 1, NULL, 0);
    for (int i = 0; i < 29; i++)
        push_label(&p, arena_copy(p.arena, arena_printf(p.arena, "l%d", i)).p, "x");
    refused(&p, " label names; limit 30");
    main = push_simple(&p);
    sample(&p, &main, 1, 1, NULL, 0);
    push_label(&p, longest, "x");
    refused(&p, "has label name too long: 'nnn");
    main = push_simple(&p);
    sample(&p, &main, 1, 1, &(struct label){ SLICE("k"), slice_of(longest) }, 1);
    refused(&p, "has label value too long: 'nnn");
    main = push_simple(&p);
    sample(&p, &main, 1, 1, NULL, 0);
    push_label(&p, "service_name", "twice");
    refused(&p, "has duplicate label name: 'service_name'");
    main = push_simple(&p);
    sample(&p, &main, 1, 1, NULL, 0);
    push_label(&p, "bad", "\xff");
    refused(&p, "with error: invalid label value");
    main = push_simple(&p);
    sample(&p, &main, 1, 1, NULL, 0);
    p.labels[0].name = SLICE("no_name");
    refused(&p, "with error: invalid metric name");
    main = push_simple(&p);
    push_label(&p, longest, "x"); /* labels of a profile without samples are nobody's concern */
    assert(push_made(&p) == CODE_OK && p.b.n_rows == 0);
    push_fini(&p);
}

static void hostile_bytes_are_refused(void)
{
    struct push p;
    uint64_t    main = push_simple(&p);
    struct buf  huge = { 0 };

    sample(&p, &main, 1, 1, NULL, 0);
    struct slice bytes = pprof_make_bytes(&p.m);
    for (size_t cut = 0; cut < bytes.n; cut++)
        (void)push_bytes(&p, slice_make(bytes.p, cut));
    assert(push_bytes(&p, SLICE("not a profile")) == CODE_INVALID_ARGUMENT);
    assert(push_bytes(&p, SLICE("\x12\xff\xff\xff\xff\x0f")) == CODE_INVALID_ARGUMENT); /* a sample of 4 GB */
    assert(push_bytes(&p, SLICE("\x12\x03\x0a\x01\xff")) == CODE_INVALID_ARGUMENT);
    /* a million empty types and samples: more values than there are bytes for */
    for (int i = 0; i < 1000000; i++)
        buf_text(&huge, i % 2 ? "\x0a" : "\x12"), buf_byte(&huge, 0);
    buf_put(&huge, "\x32\x00", 2);
    p.limits.samples_max = INT64_MAX;
    assert(push_bytes(&p, buf_view(&huge)) == CODE_INVALID_ARGUMENT);
    assert(arena_bytes(p.arena) < 1 << 20);
    buf_free(&huge);
    push_fini(&p);
}

int main(void)
{
    wholes_are_refused();
    legacy_is_refused_by_its_name();
    tables_are_refused();
    labels_are_refused();
    hostile_bytes_are_refused();
    printf("pprof refusals: ok\n");
    return 0;
}
