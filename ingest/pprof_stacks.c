#include "ingest/pprof_stacks.h"

#include "model/stack_hash.h"

/* By what they say: equal ones may have other numbers. */
static bool same_stack(const void *items, uint32_t i, uint32_t j)
{
    const struct hash128 *hash = items;
    return hash[i].lo == hash[j].lo && hash[i].hi == hash[j].hi;
}

/* Each stack with what it is lent at its root, in arrays of its own. */
static struct samples stacks_join(const struct samples *s)
{
    struct samples joined = *s;
    size_t         most = s->n_locations, n = 0;

    for (uint32_t k = 0; k < s->n_stacks; k++)
        most += s->lent[k].n;
    joined.locations = arena_array(s->p->scratch, most, sizeof *joined.locations);
    joined.stack_end = arena_array(s->p->scratch, s->n_stacks, sizeof *joined.stack_end);
    for (uint32_t k = 0; k < s->n_stacks; k++) {
        struct frames own = samples_stack(s, k), lent = s->lent[k];
        for (uint32_t i = 0; i < own.n; i++)
            joined.locations[n++] = own.at[i];
        for (uint32_t i = 0; i < lent.n; i++)
            if (lent.at[i] != NO_LOCATION) /* the stack that lends may be a dropped sample's */
                joined.locations[n++] = lent.at[i];
        joined.stack_end[k] = (uint32_t)n;
    }
    return joined;
}

/* Each sample's; all before any is looked up, for a lookup waits for its hash. */
static struct hash128 *hashes_make(const struct samples *s, const struct hash128 *locations)
{
    struct hash128 *of = arena_array(s->p->scratch, s->n, sizeof *of);

    for (uint32_t i = 0; i < s->n; i++) {
        struct frames stack = samples_stack(s, s->stack[i]);
        of[i] = stack_hash(stack.at, stack.n, locations);
    }
    return of;
}

/* Those that say something new, in order. */
struct distinct {
    uint32_t       *sample; /* [n]: the first one that has it */
    struct hash128 *hash;   /* [n] */
    uint32_t        n;
    size_t          n_locations; /* of them all */
};

static struct distinct distinct_find(const struct samples *s, const struct hash128 *hash_of, uint32_t *stack_of)
{
    struct arena   *scratch = s->p->scratch;
    struct table    seen = table_new(scratch, s->n);
    struct distinct d = { arena_array(scratch, s->n, sizeof *d.sample), arena_array(scratch, s->n, sizeof *d.hash), 0,
                          0 };

    for (uint32_t i = 0; i < s->n; i++) {
        d.hash[d.n] = hash_of[i];
        stack_of[i] = table_put(&seen, hash_of[i].lo, d.n, same_stack, d.hash);
        if (stack_of[i] != d.n)
            continue;
        d.sample[d.n++] = i;
        d.n_locations += samples_stack(s, s->stack[i]).n;
    }
    return d;
}

/* Stacks that come one behind the other in the samples are copied together. */
static void stacks_copy(const struct samples *s, const struct distinct *d, uint32_t *to, uint32_t *end)
{
    const uint32_t *from = s->locations;
    size_t          n = 0, n_copied = 0;

    for (uint32_t i = 0; i < d->n; i++) {
        struct frames stack = samples_stack(s, s->stack[d->sample[i]]);
        if (stack.at != from + (n - n_copied)) {
            memcpy(to + n_copied, from, (n - n_copied) * sizeof *to);
            n_copied = n;
            from = stack.at;
        }
        n += stack.n;
        end[i] = (uint32_t)n;
    }
    if (n > n_copied)
        memcpy(to + n_copied, from, (n - n_copied) * sizeof *to);
}

void stacks_unite(const struct samples *sent, struct arena *a, struct batch *b, uint32_t *stack_of)
{
    struct samples  s = sent->lent != NULL ? stacks_join(sent) : *sent;
    struct distinct d = distinct_find(&s, hashes_make(&s, location_hashes(b, s.p->scratch)), stack_of);
    uint32_t       *end = arena_array(a, d.n, sizeof *end), *at = arena_array(a, d.n_locations, sizeof *at);
    struct hash128 *hash = arena_array(a, d.n, sizeof *hash);

    stacks_copy(&s, &d, at, end);
    memcpy(hash, d.hash, d.n * sizeof *hash);
    b->stack_locations = at;
    b->n_stack_locations = (uint32_t)d.n_locations;
    b->stack_end = end;
    b->stack_hash = hash;
    b->n_stacks = d.n;
}
