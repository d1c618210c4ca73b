/*
 * For the index's bench: profiles as a large service has them.  Stacks are drawn by a Pitman-Yor process (the stack counts of
 * real CPU profiles follow one: d = 0.75, theta = 68 fits a JVM), new stacks branching off old ones near the leaf.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/batch.h"

enum { FUNCTIONS = 4000, LOCATIONS_PER_FUNCTION = 3, DEPTH_MAX = 64, STACKS_MAX = 1 << 20, EVENTS_MAX = 1 << 26 };

#define PERIOD_NS (15 * NS_PER_S) /* from one profile of a series to its next */

static uint64_t seed = 42;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static double dice01(void) { return dice(1u << 30) / (double)(1u << 30); }

/* ---- stacks that a service has ever had ----------------------------------------------------------------------------- */

struct drawn {
    uint32_t n, at[DEPTH_MAX]; /* locations from the root */
};

static struct drawn *stacks;
static uint32_t      n_stacks, n_events;
static uint32_t     *events; /* the stack of each event so far */

static void new_stack(void)
{
    struct drawn *s = &stacks[n_stacks];

    *s = (struct drawn){ 0 };
    if (n_stacks > 0) {
        *s = stacks[dice(n_stacks)];
        uint32_t back = 1 + dice(6);
        s->n = s->n > back ? s->n - back : 1;
    }
    for (uint32_t more = n_stacks ? 1 + dice(8) : 20; more > 0 && s->n < DEPTH_MAX; more--)
        s->at[s->n++] =
            dice(1 + dice(1 + dice(FUNCTIONS * LOCATIONS_PER_FUNCTION))); /* some functions are everywhere */
    n_stacks++;
}

/* Pitman-Yor: a new stack with probability (theta + d * stacks) / (theta + events), else that of an event of the past. */
static uint32_t next_event(double d, double theta)
{
    uint32_t at;

    if (n_stacks < STACKS_MAX && dice01() * (theta + n_events) < theta + d * n_stacks) {
        new_stack();
        at = n_stacks - 1;
    } else
        at = events[dice(n_events)];
    return events[n_events++] = at;
}

/* ---- batches -------------------------------------------------------------------------------------------------------- */

struct local {
    uint32_t *of, *stamp, n, now;
};

static uint32_t local_id(struct local *l, uint32_t i, bool *is_new)
{
    *is_new = l->stamp[i] != l->now;
    if (*is_new) {
        l->stamp[i] = l->now;
        l->of[i] = l->n++;
    }
    return l->of[i];
}

static struct local local_new(uint32_t n)
{
    return (struct local){ mem_zalloc(n * sizeof(uint32_t)), mem_zalloc(n * sizeof(uint32_t)), 0, 0 };
}

static void local_begin(struct local *l) { l->n = 0, l->now++; }

struct texts {
    struct buf bytes, end;
    uint32_t   n;
};

static uint32_t text_add(struct texts *t, const char *text)
{
    buf_text(&t->bytes, text);
    uint32_t end = (uint32_t)t->bytes.n;
    buf_put(&t->end, &end, sizeof end);
    return t->n++;
}

static const void *keep(struct arena *a, struct buf *b)
{
    const void *kept = arena_copy(a, buf_view(b)).p;
    buf_free(b);
    return kept;
}

static struct local local_stacks, local_locations, local_functions;

static void add_location(struct batch *b, uint32_t location, struct texts *t, struct buf *functions, struct buf *lines,
                         struct buf *locations)
{
    uint32_t f = location / LOCATIONS_PER_FUNCTION;
    bool     is_new;
    char     name[96];

    struct batch_line     line = { .function = local_id(&local_functions, f, &is_new), .line = 10 + location % 90 };
    struct batch_location l = {
        .address = 0x400000 + location * 16, .mapping = 0, .line_at = b->n_lines++, .n_lines = 1
    };
    if (is_new) {
        snprintf(name, sizeof name, "org/apache/service/package%u/Component%u.method%u", f % 40, f / 10, f);
        struct batch_function made = { .name = text_add(t, name) };
        made.system_name = made.name;
        snprintf(name, sizeof name, "Component%u.java", f / 10);
        made.file = text_add(t, name);
        buf_put(functions, &made, sizeof made);
    }
    buf_put(lines, &line, sizeof line);
    buf_put(locations, &l, sizeof l);
}

static const struct batch *make_batch(struct arena *a, uint32_t series, uint32_t profile, uint32_t events_per_profile,
                                      double d, double theta)
{
    struct batch *b = arena_zalloc(a, sizeof *b);
    struct texts  t = { 0 };
    struct buf    functions = { 0 }, lines = { 0 }, locations = { 0 }, stack_end = { 0 }, stack_locations = { 0 };
    int64_t      *counts = mem_zalloc(events_per_profile * sizeof *counts), *values;
    struct batch_mapping mapping = { .start = 0x400000, .limit = 0x4000000 };
    char                 pod[32];
    bool                 is_new;

    local_begin(&local_stacks), local_begin(&local_locations), local_begin(&local_functions);
    text_add(&t, "");
    for (uint32_t i = 0; i < events_per_profile; i++) {
        uint32_t stack = next_event(d, theta), id = local_id(&local_stacks, stack, &is_new);
        counts[id]++;
        if (!is_new)
            continue;
        for (uint32_t k = stacks[stack].n; k > 0; k--) {
            uint32_t at = stacks[stack].at[k - 1], to = local_id(&local_locations, at, &is_new);
            if (is_new)
                add_location(b, at, &t, &functions, &lines, &locations);
            buf_put(&stack_locations, &to, sizeof to);
            b->n_stack_locations++;
        }
        buf_put(&stack_end, &b->n_stack_locations, sizeof b->n_stack_locations);
    }
    b->n_stacks = b->n_rows = local_stacks.n;
    uint32_t *row_stack = arena_array(a, b->n_rows, sizeof *row_stack);
    b->row_values = values = arena_array(a, b->n_rows, 2 * sizeof *values);
    for (uint32_t i = 0; i < b->n_rows; i++) {
        row_stack[i] = i;
        values[i] = counts[i];
        values[b->n_rows + i] = counts[i] * 10000000;
    }
    free(counts);
    b->row_stack = row_stack;
    b->time_ns = profile * PERIOD_NS + series;
    b->name = text_add(&t, "process_cpu");
    b->service = text_add(&t, "kafka");
    b->period_type = text_add(&t, "cpu");
    b->period_unit = text_add(&t, "nanoseconds");
    mapping.file = text_add(&t, "/usr/lib/jvm/libjvm.so");
    struct batch_type types[] = { { text_add(&t, "samples"), text_add(&t, "count") },
                                  { b->period_type, b->period_unit } };
    snprintf(pod, sizeof pod, "kafka-%u", series);
    struct batch_label labels[] = { { text_add(&t, "pod"), text_add(&t, pod) },
                                    { text_add(&t, "service_name"), b->service } };
    struct batch_part  part = { 0, 2, 0, b->n_rows };
    b->types = (const void *)arena_copy(a, slice_make(types, sizeof types)).p;
    b->labels = (const void *)arena_copy(a, slice_make(labels, sizeof labels)).p;
    b->parts = (const void *)arena_copy(a, slice_make(&part, sizeof part)).p;
    b->mappings = (const void *)arena_copy(a, slice_make(&mapping, sizeof mapping)).p;
    b->n_types = 2, b->n_labels = 2, b->n_parts = 1, b->n_mappings = 1;
    b->n_functions = local_functions.n;
    b->n_locations = local_locations.n;
    b->n_strings = t.n;
    b->functions = keep(a, &functions);
    b->lines = keep(a, &lines);
    b->locations = keep(a, &locations);
    b->stack_end = keep(a, &stack_end);
    b->stack_locations = keep(a, &stack_locations);
    b->string_end = keep(a, &t.end);
    b->string_bytes = keep(a, &t.bytes);
    return b;
}
