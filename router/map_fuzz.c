/* Any bytes are a map or an error; a map that was taken keeps its invariants. */
#include <assert.h>
#include <stdint.h>

#include "router/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct shard_map *m;
    struct fault      why;

    if (map_parse(slice_make(bytes, n), &m, &why) != CODE_OK)
        return 0;
    assert(m->epoch >= 1 && m->n_shards >= 1 && m->spread >= 1);
    for (int slot = 0; slot < SLOTS; slot++) {
        assert(m->owner[slot] < m->n_shards);
        assert(m->shards[m->owner[slot]].state == SHARD_ACTIVE);
    }
    map_unref(m);
    return 0;
}
