/* Stacks: those of all samples as a batch has them, each once, by its own numbers of locations. */
#pragma once

#include "ingest/pprof_samples.h"

/*
 * Fills in the stacks of `b`, which live in `a`; stack_of[s->n] becomes each sample's.  `number` is a batch's number for
 * every location that is needed.
 */
void stacks_unite(const struct samples *s, const uint32_t *number, struct arena *a, struct batch *b,
                  uint32_t *stack_of);
