/*
 * A stack is written behind the others, and taken back when it was there already.  Whether it was is asked for several
 * stacks at a time: the table is large, and its slots come from memory while the next stacks are written.
 */
#include "ingest/pprof_stacks.h"

#include "model/stack_hash.h"

enum { AHEAD = 16 };

struct waiting {        /* a stack not yet known to be new */
    uint32_t       raw; /* its number in samples */
    uint32_t       n;
    struct hash128 hash;
};

struct uniting {
    const struct samples *s;
    uint32_t             *at, *end; /* the batch's stacks */
    struct hash128       *hash;     /* and what they say: equal ones may have other numbers */
    uint32_t             *known_as; /* [s->n_stacks] -> the batch's stack */
    struct table          seen;
    uint32_t              n, n_at; /* settled stacks and their locations; those that wait lie behind */
    struct waiting        waiting[AHEAD];
    uint32_t              n_waiting;
};

static bool same_stack(const void *items, uint32_t i, uint32_t j)
{
    const struct hash128 *hash = items;
    return hash[i].lo == hash[j].lo && hash[i].hi == hash[j].hi;
}

static void waiting_settle(struct uniting *u)
{
    const uint32_t *from = u->at + u->n_at;

    for (uint32_t i = 0; i < u->n_waiting; from += u->waiting[i++].n) {
        const struct waiting *w = &u->waiting[i];
        if (from != u->at + u->n_at)
            memmove(u->at + u->n_at, from, w->n * sizeof *from);
        u->end[u->n] = u->n_at + w->n;
        u->hash[u->n] = w->hash;
        u->known_as[w->raw] = table_put(&u->seen, w->hash.lo, u->n, same_stack, u->hash);
        if (u->known_as[w->raw] == u->n)
            u->n_at = u->end[u->n++];
    }
    u->n_waiting = 0;
}

/* Writes the stack at `to`; returns how many locations it has. */
static uint32_t stack_write(const struct uniting *u, uint32_t raw, uint32_t *to)
{
    struct frames own = samples_stack(u->s, raw);

    if (own.n > 0)
        memcpy(to, own.at, own.n * sizeof *to);
    if (u->s->lent == NULL)
        return own.n;
    struct frames lent = u->s->lent[raw];
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
    struct uniting        u = { .s = s, .seen = table_new(scratch, s->n_stacks) };
    uint32_t              next = 0, *to;

    u.known_as = arena_array(scratch, s->n_stacks, sizeof *u.known_as);
    u.end = arena_array(a, s->n_stacks, sizeof *u.end);
    u.hash = arena_array(a, s->n_stacks, sizeof *u.hash);
    u.at = to = arena_array(a, locations_most(s), sizeof *u.at);
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t raw = s->stack[i];
        if (raw < next) /* numbers ascend where they are new */
            continue;
        next = raw + 1;
        uint32_t       n = stack_write(&u, raw, to);
        struct hash128 hash = stack_hash(to, n, locations);
        table_prefetch(&u.seen, hash.lo);
        u.waiting[u.n_waiting++] = (struct waiting){ raw, n, hash };
        to += n;
        if (u.n_waiting == AHEAD) {
            waiting_settle(&u);
            to = u.at + u.n_at;
        }
    }
    waiting_settle(&u);
    for (uint32_t i = 0; i < s->n; i++)
        stack_of[i] = u.known_as[s->stack[i]];
    b->stack_locations = u.at;
    b->n_stack_locations = u.n_at;
    b->stack_end = u.end;
    b->stack_hash = u.hash;
    b->n_stacks = u.n;
}
