#include "oracle/kind.h"

#define TEN_MS 10000000

const struct kind kind_table[] = {
    { .word = SLICE("cpu"),
      .name = SLICE("process_cpu"),
      .types = { { SLICE("samples"), SLICE("count"), 1 }, { SLICE("cpu"), SLICE("nanoseconds"), TEN_MS } },
      .n_types = 2,
      .period_type = SLICE("cpu"),
      .period_unit = SLICE("nanoseconds"),
      .period = TEN_MS,
      .is_proportional = true },
    { .word = SLICE("memory"),
      .name = SLICE("memory"),
      .types = { { SLICE("alloc_objects"), SLICE("count"), 1 },
                 { SLICE("alloc_space"), SLICE("bytes"), 48 },
                 { SLICE("inuse_objects"), SLICE("count"), 1 },
                 { SLICE("inuse_space"), SLICE("bytes"), 48 } },
      .n_types = 4,
      .period_type = SLICE("space"),
      .period_unit = SLICE("bytes"),
      .period = 524288 },
    { .word = SLICE("mutex"),
      .name = SLICE("mutex"),
      .types = { { SLICE("contentions"), SLICE("count"), 1 }, { SLICE("delay"), SLICE("nanoseconds"), 1000 } },
      .n_types = 2,
      .period_type = SLICE("contentions"),
      .period_unit = SLICE("count"),
      .period = 1 },
    { .word = SLICE("goroutine"),
      .name = SLICE("goroutines"),
      .types = { { SLICE("goroutine"), SLICE("count"), 1 } },
      .n_types = 1,
      .period_type = SLICE("goroutine"),
      .period_unit = SLICE("count"),
      .period = 1 },
    { .word = SLICE("wall"),
      .name = SLICE("wall"),
      .types = { { SLICE("wall"), SLICE("nanoseconds"), TEN_MS } },
      .n_types = 1,
      .period_type = SLICE("wall"),
      .period_unit = SLICE("nanoseconds"),
      .period = TEN_MS },
};
const size_t n_kinds = sizeof kind_table / sizeof *kind_table;

const struct kind *kind_named(struct slice word)
{
    for (size_t i = 0; i < n_kinds; i++)
        if (slice_eq(kind_table[i].word, word))
            return &kind_table[i];
    return NULL;
}

static bool has(struct slice s, const char *part) { return slice_find(s, slice_of(part)) < s.n; }

struct slice kind_name_of(const struct value_type *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (slice_is(types[i].type, "wall"))
            return SLICE("wall");
    for (uint32_t i = 0; i < n; i++) {
        struct slice t = types[i].type;
        if (slice_is(t, "samples") || has(t, "cpu"))
            return SLICE("process_cpu");
        if (has(t, "alloc_") || has(t, "inuse_") || slice_is(t, "space") || slice_is(t, "objects"))
            return SLICE("memory");
        if (has(t, "mutex_") || slice_is(t, "contentions") || slice_is(t, "delay"))
            return SLICE("mutex");
        if (has(t, "block_"))
            return SLICE("block");
        if (slice_is(t, "goroutine") || has(t, "goroutines"))
            return SLICE("goroutines");
    }
    return n > 0 ? types[n - 1].type : (struct slice){ 0 };
}

struct slice kind_type_id(const struct kind *k, uint32_t type, struct arena *a)
{
    const struct value_type *t = &k->types[type];

    return arena_printf(a, "%.*s:%.*s:%.*s:%.*s:%.*s", SLICE_ARGS(k->name), SLICE_ARGS(t->type), SLICE_ARGS(t->unit),
                        SLICE_ARGS(k->period_type), SLICE_ARGS(k->period_unit));
}
