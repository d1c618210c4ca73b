/* For benchmarks: limits that refuse nothing, and the generated profile of who has no real ones beside the checkout. */
#pragma once

#include "ingest/ingest.h"
#include "ingest/pprof_make.h"

static const struct decode_limits no_limits = {
    .profile_bytes_max = INT64_MAX,
    .samples_max = INT64_MAX,
    .sample_labels_max = INT64_MAX,
    .depth_max = 1000,
    .symbol_bytes_max = 65535,
    .label_names_max = INT64_MAX,
    .label_name_bytes_max = 1024,
    .label_value_bytes_max = 2048,
    .oldest_ns = INT64_MIN,
    .newest_ns = INT64_MAX,
};

/* A program of 2,000 functions, sampled: stacks of 10 to 40 frames. */
static inline void bench_generate(struct pprof_make *m, uint64_t seed)
{
    struct arena *a = arena_new(0);
    uint64_t      frames[2000], stack[40], x = seed * 2654435761u + 1;

    pprof_make_init(m);
    pprof_make_type(m, SLICE("samples"), SLICE("count"));
    pprof_make_type(m, SLICE("cpu"), SLICE("nanoseconds"));
    for (int i = 0; i < 2000; i++)
        frames[i] = pprof_make_frame(
            m, arena_printf(a, "example.com/service/package%d.(*Type%d).Method%d", i % 37, i % 211, i));
    for (int i = 0; i < 3000; i++) {
        size_t depth = 10 + x % 31;
        for (size_t j = 0; j < depth; j++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            stack[j] = frames[(x >> 33) % (50 * (depth - j))];
        }
        pprof_make_sample(m, stack, depth, (int64_t[]){ 1, 10000000 }, 2, NULL, 0);
    }
    arena_free(a);
}
