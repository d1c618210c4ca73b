/*
 * Stack pool: the stacks that profiles of one kind of program draw from, by index.
 *
 *     stack i = frames[frame_at[i], frame_at[i + 1])   root first, each an index into names
 *
 * Invented ones share their beginnings, as the stacks of a program do; those of a seed file are what somebody measured.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"
#include "oracle/kind.h"

enum { STACK_DEPTH_MAX = 512 };

struct stack_pool {
    const struct slice *names;
    const uint64_t     *name_hash; /* [n_names] */
    const uint32_t     *frames, *frame_at;
    uint32_t            n_names, n_stacks;
};

struct stack_shape {
    uint32_t stacks, functions, depth_min, depth_max;
};

struct stack_pool *stack_pool_invent(uint64_t seed, const struct stack_shape *shape, struct arena *a);

/*
 * The stacks and sample types of a pprof, gzip or plain; frames without a function's name are left out, and so are stacks
 * that have no others.  INVALID_ARGUMENT: no pprof, or one without such stacks.
 */
must_check enum code stack_pool_of_pprof(struct slice pprof, struct arena *a, struct stack_pool **out,
                                         struct kind *kind, struct fault *why);

static inline uint32_t stack_pool_frames(const struct stack_pool *p) { return p->frame_at[p->n_stacks]; }

/* What a path of function names comes to: the hash of the root's name, then path_hash_below for each name under it. */
static inline uint64_t path_hash_below(uint64_t parent, uint64_t name_hash)
{
    uint64_t x = (parent ^ name_hash * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    return x ^ x >> 29;
}

uint64_t stack_pool_path(const struct stack_pool *p, uint64_t root, uint32_t stack);
