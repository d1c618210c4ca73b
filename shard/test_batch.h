/* For tests: profiles of one sample whose content follows from a few numbers. */
#pragma once

#include "index/batch_make.h"

struct test_profile {
    const char *tenant, *service, *pod;
    int64_t     time_ns, value;
    unsigned    leaf; /* the sample is main -> work_<leaf>_xxx... */
    unsigned    bulk; /* bytes of x: what makes a bucket heavy */
};

/* Everything is in `a`. */
static inline struct batch *test_batch(struct arena *a, const struct test_profile *p)
{
    struct batch_make *m = arena_alloc(a, sizeof *m);
    char              *filler = arena_alloc(a, p->bulk + 1);

    memset(filler, 'x', p->bulk);
    filler[p->bulk] = '\0';
    make_begin(m, a, p->service, "process_cpu", p->time_ns);
    make_type(m, "cpu", "nanoseconds");
    make_part(m, arena_printf(a, "pod=%s", p->pod).p);
    make_row(m, arena_printf(a, "main;work_%u_%s", p->leaf, filler).p, &p->value);
    make_end(m);
    m->b.tenant = slice_of(p->tenant);
    m->b.received_ns = p->time_ns;
    return &m->b;
}
