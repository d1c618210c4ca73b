/* A stack is written behind the others, and stays there unless one of them says the same. */
#include "ingest/pprof_stacks.h"

#include "model/stack_hash.h"

/* By what they say: equal ones may have other numbers. */
static bool same_stack(const void *items, uint32_t i, uint32_t j)
{
    const struct hash128 *hash = items;
    return hash[i].lo == hash[j].lo && hash[i].hi == hash[j].hi;
}

/* Writes the stack at `to`; returns how many locations it has. */
static uint32_t stack_write(const struct samples *s, uint32_t raw, uint32_t *to)
{
    struct frames own = samples_stack(s, raw);

    if (own.n > 0)
        memcpy(to, own.at, own.n * sizeof *to);
    if (s->lent == NULL)
        return own.n;
    struct frames lent = s->lent[raw];
    uint32_t      n = own.n;
    for (uint32_t i = 0; i < lent.n; i++)
        if (lent.at[i] != NO_LOCATION) /* the stack that lends may be a dropped sample's */
            to[n++] = lent.at[i];
    return n;
}

static size_t locations_most(const struct samples *s)
{
    size_t n = s->n_locations;

    for (uint32_t i = 0; s->lent != NULL && i < s->n; i++)
        n += s->lent[s->stack[i]].n;
    return n;
}

void stacks_unite(const struct samples *s, struct arena *a, struct batch *b, uint32_t *stack_of)
{
    struct arena         *scratch = s->p->scratch;
    const struct hash128 *locations = location_hashes(b, scratch);
    struct table          seen = table_new(scratch, s->n_stacks);
    uint32_t             *known_as = arena_array(scratch, s->n_stacks, sizeof *known_as);
    struct hash128       *hash = arena_array(a, s->n_stacks, sizeof *hash);
    uint32_t             *end = arena_array(a, s->n_stacks, sizeof *end);
    uint32_t             *at = arena_array(a, locations_most(s), sizeof *at), n_at = 0, n = 0, next = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t raw = s->stack[i];
        if (raw >= next) { /* numbers ascend where they are new */
            uint32_t depth = stack_write(s, raw, at + n_at);
            hash[n] = stack_hash(at + n_at, depth, locations);
            known_as[raw] = table_put(&seen, hash[n].lo, n, same_stack, hash);
            if (known_as[raw] == n)
                end[n++] = n_at += depth;
            next = raw + 1;
        }
        stack_of[i] = known_as[raw];
    }
    b->stack_locations = at;
    b->n_stack_locations = n_at;
    b->stack_end = end;
    b->stack_hash = hash;
    b->n_stacks = n;
}
