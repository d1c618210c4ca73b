/*
 * CPU profile: samples of this process, summed by stack and written as a pprof.  One thread.
 */
#pragma once

#include "base/buf.h"
#include "server/sampler.h"
#include "server/symbols.h"

struct cpu_profile;

struct cpu_profile *cpu_profile_new(void);
void                cpu_profile_free(struct cpu_profile *p);

/* A sampler_fn; `arg` is the profile.  Bounded: above STACKS_MAX distinct stacks a sample is dropped. */
void cpu_profile_add(void *arg, const struct sample *sample);

size_t cpu_profile_stacks(const struct cpu_profile *p);

/* Types samples/count and cpu/nanoseconds.  Empties the profile. */
void cpu_profile_write(struct cpu_profile *p, struct symbols *s, int64_t time_ns, int64_t duration_ns, struct buf *out);
