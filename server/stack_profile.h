/*
 * Stack profile: samples of this process by one clock, summed by stack and written as a pprof.  One thread.
 */
#pragma once

#include "base/buf.h"
#include "server/sampler.h"
#include "server/symbols.h"

struct stack_profile;

struct stack_profile *stack_profile_new(enum sample_clock clock);
void                  stack_profile_free(struct stack_profile *p);

/* A sample of the profile's clock.  Bounded: above STACKS_MAX distinct stacks a sample is dropped. */
void stack_profile_add(struct stack_profile *p, const struct sample *sample);

size_t stack_profile_stacks(const struct stack_profile *p);

/* Types samples/count and cpu/nanoseconds, or wall/nanoseconds.  Empties the profile. */
void stack_profile_write(struct stack_profile *p, struct symbols *s, int64_t time_ns, int64_t duration_ns,
                         struct buf *out);
