/*
 * Idmap: the ids a client chose -> our numbers.  Most count 1, 2, 3, ..., so a plain array up to four times their
 * number answers; the ids beyond it are hashed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define IDMAP_NONE UINT32_MAX

/* Ids of one byte (in a varint) are always in the plain array. */
enum { IDMAP_LEAST = 1 << 7 };

struct idmap_entry {
    uint64_t id;
    uint32_t value1; /* value + 1; 0 is free */
};

struct idmap {
    uint32_t           *direct; /* [n_direct], a power of two */
    struct idmap_entry *slots;
    uint64_t            n_direct, mask; /* no slots while mask is 0 */
};

/* For ids[0, n). */
struct idmap idmap_new(struct arena *a, const uint64_t *ids, uint32_t n);

void     idmap_put_far(struct idmap *m, uint64_t id, uint32_t value);
uint32_t idmap_get_far(const struct idmap *m, uint64_t id);

/* The last value put for an id stands. */
static inline void idmap_put(struct idmap *m, uint64_t id, uint32_t value)
{
    if (id < m->n_direct)
        m->direct[id] = value;
    else
        idmap_put_far(m, id, value);
}

static inline uint32_t idmap_get(const struct idmap *m, uint64_t id)
{
    return id < m->n_direct ? m->direct[id] : idmap_get_far(m, id);
}
