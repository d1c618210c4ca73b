/* For tests, here and upstairs: profiles of one sample whose content follows from a few numbers. */
#pragma once

#include "base/arena.h"
#include "model/batch.h"

struct test_profile {
    const char *tenant, *service, *pod;
    int64_t     time_ns, value;
    unsigned    leaf; /* the sample is main -> work_<leaf>_xxx... */
    unsigned    bulk; /* bytes of x: what makes a bucket heavy */
};

struct test_batch {
    struct batch          batch;
    uint32_t              string_end[16];
    struct buf            bytes;
    struct batch_function functions[2];
    struct batch_line     lines[2];
    struct batch_location locations[2];
    struct batch_label    labels[2];
    struct batch_part     part;
    struct batch_type     type;
    uint32_t              stack_end[1], stack[2], row_stack[1];
    int64_t               value[1];
};

static inline uint32_t test_string(struct test_batch *t, const char *text)
{
    buf_text(&t->bytes, text);
    t->string_end[t->batch.n_strings] = (uint32_t)t->bytes.n;
    return t->batch.n_strings++;
}

static inline uint32_t test_leaf(struct test_batch *t, unsigned leaf, unsigned bulk)
{
    buf_printf(&t->bytes, "work_%u_", leaf);
    memset(buf_reserve(&t->bytes, bulk), 'x', bulk);
    t->bytes.n += bulk;
    return test_string(t, "");
}

static inline void test_stack(struct test_batch *t)
{
    for (uint32_t i = 0; i < 2; i++) {
        t->lines[i] = (struct batch_line){ .function = i, .line = 1 };
        t->locations[i] =
            (struct batch_location){ .address = i + 1, .mapping = BATCH_NONE, .line_at = i, .n_lines = 1 };
    }
    t->stack_end[0] = 2;
    t->stack[0] = 1; /* leaf first */
    t->stack[1] = 0;
}

/* Everything is in `a`. */
static inline struct batch *test_batch(struct arena *a, const struct test_profile *p)
{
    struct test_batch *t = arena_zalloc(a, sizeof *t);
    struct batch      *b = &t->batch;

    test_string(t, "");
    b->name = test_string(t, "process_cpu");
    t->labels[0] = (struct batch_label){ test_string(t, "pod"), test_string(t, p->pod) };
    t->labels[1] = (struct batch_label){ test_string(t, "service_name"), test_string(t, p->service) };
    t->type = (struct batch_type){ test_string(t, "cpu"), test_string(t, "nanoseconds") };
    t->functions[0].name = test_string(t, "main");
    t->functions[1].name = test_leaf(t, p->leaf, p->bulk);
    test_stack(t);
    t->part = (struct batch_part){ .n_labels = 2, .n_rows = 1 };
    t->value[0] = p->value;
    b->tenant = slice_of(p->tenant);
    b->time_ns = b->received_ns = p->time_ns;
    b->service = t->labels[1].value;
    b->period_type = t->type.type;
    b->period_unit = t->type.unit;
    b->string_end = t->string_end;
    b->string_bytes = arena_copy(a, buf_view(&t->bytes)).p;
    buf_free(&t->bytes);
    b->functions = t->functions, b->n_functions = 2;
    b->lines = t->lines, b->n_lines = 2;
    b->locations = t->locations, b->n_locations = 2;
    b->stack_end = t->stack_end, b->n_stacks = 1;
    b->stack_locations = t->stack, b->n_stack_locations = 2;
    b->types = &t->type, b->n_types = 1;
    b->labels = t->labels, b->n_labels = 2;
    b->parts = &t->part, b->n_parts = 1;
    b->row_stack = t->row_stack, b->row_values = t->value, b->n_rows = 1;
    return b;
}
