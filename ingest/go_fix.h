/*
 * Go fixes: two known faults of Go's profiler, put right as pyroscope-ingest.md §2.3.5 has it.
 */
#pragma once

#include "ingest/pprof_samples.h"

/* `name` without its balanced [go.shape. ...] parts; the copy is in `a`. */
struct slice go_shapes_cut(struct slice name, struct arena *a);

/*
 * Since Go 1.21 a function's name carries the type parameters of any of its instances, so one function has several
 * names.  They lose them, and functions then equal become one.  Before symbols_resolve.
 */
void go_shapes_drop(struct pprof *p);

/*
 * Stacks may have lost their root frames to the profiler's limit when the deepest is within these; least > most: never.
 */
struct go_depths {
    uint32_t least, most;
};
struct go_depths go_depths_of_cut(const struct pprof *p);

/*
 * Guesses the missing root frames of cut stacks from their neighbours: s->lent.  `s` was read with symbols_as_sent and
 * keeps_all_stacks; `order` is that of symbols_as_sent.
 */
void go_stacks_repair(const uint64_t *order, struct samples *s);
