/* Stacks: those of all samples as a batch has them, each once. */
#pragma once

#include "ingest/pprof_samples.h"

/* Fills in the stacks of `b`, which has its locations and strings; they live in `a`.  stack_of[s->n] becomes each sample's. */
void stacks_unite(const struct samples *s, struct arena *a, struct batch *b, uint32_t *stack_of);
