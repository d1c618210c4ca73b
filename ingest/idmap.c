#include "ingest/idmap.h"

#include <string.h>

#include "base/hash.h"

struct extent {
    uint64_t highest; /* of those below `most`, or a number of as many bits */
    uint64_t far;     /* how many are not below */
};

static struct extent extent_of(const uint64_t *ids, uint32_t n, uint64_t most)
{
    struct extent e = { 0 };
    uint64_t      all = 0;

    for (uint32_t i = 0; i < n; i++) /* nearly always enough, and several at a time */
        all |= ids[i];
    if (all < most)
        return (struct extent){ all, 0 };
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] >= most)
            e.far++;
        else if (ids[i] > e.highest)
            e.highest = ids[i];
    return e;
}

struct idmap idmap_new(struct arena *a, const uint64_t *ids, uint32_t n)
{
    struct idmap  m = { .n_direct = IDMAP_LEAST };
    struct extent e = extent_of(ids, n, (uint64_t)n * 4 + IDMAP_LEAST);
    uint64_t      size = 16;

    while (m.n_direct <= e.highest) /* the array is filled: no longer than it has to be */
        m.n_direct *= 2;
    m.direct = arena_array(a, m.n_direct, sizeof *m.direct);
    memset(m.direct, 0xff, m.n_direct * sizeof *m.direct);
    if (e.far > 0) {
        while (size < e.far * 2)
            size *= 2;
        m.slots = arena_zalloc(a, size * sizeof *m.slots);
        m.mask = size - 1;
    }
    return m;
}

static struct idmap_entry *slot_of(const struct idmap *m, uint64_t id)
{
    uint64_t i = hash_pair(id, 0) & m->mask;

    while (m->slots[i].value1 != 0 && m->slots[i].id != id)
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

void idmap_put_far(struct idmap *m, uint64_t id, uint32_t value)
{
    *slot_of(m, id) = (struct idmap_entry){ id, value + 1 };
}

uint32_t idmap_get_far(const struct idmap *m, uint64_t id)
{
    return m->mask ? slot_of(m, id)->value1 - 1 : IDMAP_NONE; /* a free slot's 0 - 1 is IDMAP_NONE too */
}
