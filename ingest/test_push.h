/* For tests of the pprof pipeline: a profile made by hand, pushed under limits, and what came of it checked as a batch. */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/ingest.h"
#include "ingest/pprof_make.h"

/* One push: what is sent, under which limits, and what came of it. */
struct push {
    struct pprof_make    m;
    struct arena        *arena;
    struct label         labels[40];
    struct ingest_source source;
    struct decode_limits limits;
    struct batch         b;
    struct fault         why;
    size_t               raw;
};

static void push_init(struct push *p)
{
    *p = (struct push){ .arena = arena_new(0) };
    pprof_make_init(&p->m);
    p->labels[0] = (struct label){ SLICE("__name__"), SLICE("process_cpu") };
    p->labels[1] = (struct label){ SLICE("service_name"), SLICE("shop") };
    p->source = (struct ingest_source){ .tenant = SLICE("anonymous"), .labels = { p->labels, 2 }, .now_ns = 5000 };
    p->limits = decode_limits_usual;
}

static void push_fini(struct push *p)
{
    pprof_make_fini(&p->m);
    arena_free(p->arena);
}

static inline void push_label(struct push *p, const char *name, const char *value)
{
    p->labels[p->source.labels.n++] = (struct label){ slice_of(name), slice_of(value) };
}

static enum code push_bytes(struct push *p, struct slice bytes)
{
    enum code code = ingest_pprof(bytes, &p->source, &p->limits, p->arena, &p->b, &p->raw, &p->why);

    if (code == CODE_OK && p->b.n_rows > 0 && batch_check(&p->b, p->arena, &p->why) != CODE_OK) {
        fprintf(stderr, "%s\n", p->why.text);
        abort();
    }
    return code;
}

static enum code push_made(struct push *p) { return push_bytes(p, pprof_make_bytes(&p->m)); }

static inline void refused(struct push *p, const char *text)
{
    if (push_made(p) != CODE_INVALID_ARGUMENT ||
        slice_find(slice_of(p->why.text), slice_of(text)) == strlen(p->why.text)) {
        fprintf(stderr, "wanted: %s\ngot:    %s\n", text, p->why.text);
        abort();
    }
    push_fini(p);
}

static void sample(struct push *p, const uint64_t *stack, size_t n, int64_t value, const struct label *labels,
                   size_t n_labels)
{
    pprof_make_sample(&p->m, stack, n, &value, 1, labels, n_labels);
}

/* A profile of one type and one frame, the sample still to come. */
static inline uint64_t push_simple(struct push *p)
{
    push_init(p);
    pprof_make_type(&p->m, SLICE("cpu"), SLICE("nanoseconds"));
    return pprof_make_frame(&p->m, SLICE("main"));
}
