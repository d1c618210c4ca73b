#include "net/h2_ids.h"

bool h2_ids_seen(struct h2_ids *ids, int32_t id)
{
    if (id > ids->highest) {
        int32_t expected = ids->highest ? ids->highest + 2 : 1;
        if (id > expected && ids->n_gaps < H2_GAPS_MAX) {
            ids->gaps[ids->n_gaps].first = expected;
            ids->gaps[ids->n_gaps++].last = id - 2;
        }
        ids->highest = id;
        return true;
    }
    for (int i = 0; i < ids->n_gaps; i++)
        if (id >= ids->gaps[i].first && id <= ids->gaps[i].last)
            return false;
    return true;
}
