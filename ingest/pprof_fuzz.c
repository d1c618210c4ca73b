/*
 * Any bytes as a pprof, pushed and sent to /ingest: refused with a text, or a batch that keeps its invariants.  The
 * first byte chooses the way and the limits, so that cutting and cleaning are reached too.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct decode_limits limits_of(uint8_t choice)
{
    struct decode_limits l = decode_limits_usual;

    l.sanitize_labels = choice & 4;

    if (choice & 8) {
        l.depth_max = 3;
        l.symbol_bytes_max = 5;
    }
    return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const spies[] = { "gospy", "pyspy", "dotnetspy", "unknown" };
    struct label             labels[] = { { SLICE("__name__"), SLICE("godeltaprof_memory") },
                                          { SLICE("thread"), SLICE("series") },
                                          { SLICE("pyroscope_spy"), SLICE("gospy") } };
    uint8_t                  choice = n ? data[0] : 0;
    struct decode_limits     limits = limits_of(choice);
    struct ingest_source     source = { .tenant = SLICE("t"), .labels = { labels, choice & 2 ? 3 : 2 }, .now_ns = 1 };
    struct arena            *a = arena_new(0);
    struct fault             why = { 0 };
    struct batch             b;
    size_t                   raw;

    if (choice & 1)
        source.hints = (struct pprof_hints){ .is_legacy = true,
                                             .spy_name = slice_of(spies[choice >> 6]),
                                             .type_config = choice & 32 ? SLICE("{\"cpu\":{\"display-name\":\"x\"}}")
                                                                        : SLICE("") };
    if (n > 0 && ingest_pprof(slice_make(data + 1, n - 1), &source, &limits, a, &b, &raw, &why) == CODE_OK) {
        if (b.n_rows > 0 && batch_check(&b, a, &why) != CODE_OK) {
            fprintf(stderr, "%s\n", why.text);
            abort();
        }
    } else {
        assert(n == 0 || why.text[0] != '\0');
    }
    arena_free(a);
    return 0;
}
