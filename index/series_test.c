/*
 * Goal: each point goes to the one stream of its series and type, of few streams as of many.
 * Method: points under more and more types in a shuffled order, in two series; a count for each is the oracle.
 */
#include "index/series.h"

#include <stdio.h>

enum { TYPES = 40, TURNS = 4000 };

static uint32_t count_streams(const struct series *s, uint32_t points[TYPES])
{
    uint32_t n = 0;

    for (const struct stream *at = series_streams(s); at != NULL; at = at->next, n++) {
        assert(at->series == s->id && at->type < TYPES && points[at->type] == 0);
        points[at->type] = vec_n(&at->points);
    }
    return n;
}

int main(void)
{
    struct slab        slab;
    struct series_set  set;
    struct label_value values[2] = { 0 };
    struct series     *series[2];
    uint32_t           want[2][TYPES] = { { 0 } };

    slab_init(&slab, NULL);
    series_set_init(&set);
    for (int i = 0; i < 2; i++) /* of a value only its place is looked at */
        series[i] = series_add(&set, &slab, 0, &(struct label_value *){ &values[i] }, 1);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        uint32_t types = 1 + turn * 2 * TYPES / TURNS, of = turn / 64 % 2;
        uint32_t type = turn * 7919 % (types < TYPES ? types : TYPES);
        size_t   most = slab_bytes(&slab) + slab_cost_max(&slab, series_cost(&set, 0, 0, 1));
        series_point(&set, &slab, series[of], type, &(struct point){ .time_ns = turn });
        want[of][type]++;
        assert(slab_bytes(&slab) <= most);
    }
    for (int i = 0; i < 2; i++) {
        uint32_t got[TYPES] = { 0 };
        assert(count_streams(series[i], got) == TYPES);
        for (uint32_t type = 0; type < TYPES; type++)
            assert(got[type] == want[i][type]);
    }
    assert(set.n_streams == 2 * TYPES);
    series_set_free(&set, &slab);
    slab_fini(&slab);
    puts("series: ok");
    return 0;
}
