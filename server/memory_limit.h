/*
 * Memory limit: how much this process may use when nobody said.
 *
 * In a container the limit is ours: 80 % of it, the rest being stacks, code and what the allocator has not given back.
 * On a machine there are others: half of it.
 *
 * A limit is shared out so that the sum stays below it whatever arrives.  First the program's own 16 MiB: code, stacks, what
 * an idle process has resident, the decoders' scratch.  Of the rest:
 *
 *     index of the shard         75 %   accounted to the byte, oldest buckets go first (shard/shard.h S4)
 *     requests being read        12 %   bodies in flight and what they are decoded into
 *     answers not yet taken       5 %   above, connections that take nothing are closed (net/http.h)
 *     everything else             8 %   queries' trees, connections, the allocator's slack
 *
 * Without a shard the requests have half of the rest.
 */
#pragma once

#include <stdint.h>

#define MEMORY_LIMIT_MIN (INT64_C(64) << 20)
#define MEMORY_OWN (INT64_C(16) << 20)

int64_t memory_limit_choose(void);

static inline int64_t memory_for_shard(int64_t limit_bytes) { return (limit_bytes - MEMORY_OWN) / 100 * 75; }

static inline int64_t memory_for_answers(int64_t limit_bytes) { return (limit_bytes - MEMORY_OWN) / 100 * 5; }

static inline int64_t memory_for_requests(int64_t limit_bytes, int has_shard)
{
    return (limit_bytes - MEMORY_OWN) / 100 * (has_shard ? 12 : 50);
}
