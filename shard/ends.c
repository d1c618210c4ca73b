#include "shard/ends.h"

struct pair {
    uint64_t first, last;
};

static struct pair *find(const struct ends *e, uint64_t first)
{
    struct pair *all = (struct pair *)(void *)e->pairs.p;
    size_t       lo = 0, hi = e->pairs.n / sizeof *all;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (all[mid].first == first)
            return &all[mid];
        if (all[mid].first < first)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

void ends_note(struct ends *e, uint64_t generation, uint64_t seq)
{
    struct pair *known = generation != 0 ? find(e, generation) : NULL;

    if (known != NULL)
        known->last = seq;
    else if (generation == 0)
        buf_put(&e->pairs, &(struct pair){ seq, seq }, sizeof(struct pair));
}

uint64_t ends_of(const struct ends *e, uint64_t first)
{
    const struct pair *known = find(e, first);

    return known != NULL ? known->last : first;
}

void ends_free(struct ends *e) { buf_free(&e->pairs); }
