#include "ingest/pprof_stacks.h"

#include "model/stack_hash.h"

/* By what they say: equal ones may have other numbers. */
static bool same_stack(const void *items, uint32_t i, uint32_t j)
{
    const struct hash128 *hash = items;
    return hash[i].lo == hash[j].lo && hash[i].hi == hash[j].hi;
}

/* As it was sent, and what it is lent at its root. */
static struct frames stack_whole(const struct samples *s, uint32_t k)
{
    struct frames own = samples_stack(s, k), lent = s->lent != NULL ? s->lent[k] : (struct frames){ NULL, 0 };

    if (lent.n == 0)
        return own;
    uint32_t *at = arena_array(s->p->scratch, (size_t)own.n + lent.n, sizeof *at), n = own.n;
    memcpy(at, own.at, own.n * sizeof *at);
    for (uint32_t i = 0; i < lent.n; i++)
        if (lent.at[i] != NO_LOCATION) /* the stack that lends may be a dropped sample's */
            at[n++] = lent.at[i];
    return (struct frames){ at, n };
}

static struct frames *stacks_whole(const struct samples *s)
{
    struct frames *of = arena_array(s->p->scratch, s->n, sizeof *of);

    for (uint32_t i = 0; i < s->n; i++)
        of[i] = stack_whole(s, s->stack[i]);
    return of;
}

/* All before any is looked up, for a lookup waits for its hash. */
static struct hash128 *stacks_hash(const struct samples *s, const struct frames *stacks,
                                   const struct hash128 *locations)
{
    struct hash128 *of = arena_array(s->p->scratch, s->n, sizeof *of);

    for (uint32_t i = 0; i < s->n; i++)
        of[i] = stack_hash(stacks[i].at, stacks[i].n, locations);
    return of;
}

/* Leaves those that say something new, in order, and their hashes; returns how many. */
static uint32_t stacks_known(const struct samples *s, struct frames *stacks, struct hash128 *hash, uint32_t *stack_of)
{
    struct table seen = table_new(s->p->scratch, s->n);
    uint32_t     n = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        hash[n] = hash[i];
        stacks[n] = stacks[i];
        stack_of[i] = table_put(&seen, hash[n].lo, n, same_stack, hash);
        n += stack_of[i] == n;
    }
    return n;
}

static void stacks_end(const struct frames *stacks, uint32_t n, uint32_t *end)
{
    uint32_t n_locations = 0;

    for (uint32_t i = 0; i < n; i++)
        end[i] = n_locations += stacks[i].n;
}

/* Those that lie one behind the other are copied together. */
static void stacks_copy(const struct frames *stacks, uint32_t n, uint32_t *to)
{
    for (uint32_t i = 0, next; i < n; i = next) {
        size_t n_frames = stacks[i].n;
        for (next = i + 1; next < n && stacks[next].at == stacks[i].at + n_frames; next++)
            n_frames += stacks[next].n;
        memcpy(to, stacks[i].at, n_frames * sizeof *to);
        to += n_frames;
    }
}

void stacks_unite(const struct samples *s, struct arena *a, struct batch *b, uint32_t *stack_of)
{
    struct frames  *stacks = stacks_whole(s);
    struct hash128 *hash = stacks_hash(s, stacks, location_hashes(b, s->p->scratch));
    uint32_t        n = stacks_known(s, stacks, hash, stack_of);
    uint32_t       *end = arena_array(a, n, sizeof *end);

    stacks_end(stacks, n, end);
    b->n_stack_locations = n > 0 ? end[n - 1] : 0;
    uint32_t       *at = arena_array(a, b->n_stack_locations, sizeof *at);
    struct hash128 *hash_of = arena_array(a, n, sizeof *hash_of);
    stacks_copy(stacks, n, at);
    memcpy(hash_of, hash, n * sizeof *hash_of);
    b->stack_locations = at;
    b->stack_end = end;
    b->stack_hash = hash_of;
    b->n_stacks = n;
}
