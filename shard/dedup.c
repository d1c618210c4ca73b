#include "shard/dedup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pages.h"

#define GENERATION_NS (1800 * NS_PER_S)

enum { GENERATIONS = 3, GROUP = 8, GROUPS_MIN = 8 };

#define EACH UINT64_C(0x0101010101010101)
#define TAKEN UINT64_C(0x80) /* a tag: this and seven bits of the hash; 0: the place is free */

/*
 * Open addressing by groups of places: a key is in its home group or, where that is full, in the next that is not.  A group
 * is told by its tags, all in one word: a key that is new, as most are, costs a look at one word in a sixteenth of the memory.
 */
struct generation {
    uint64_t       *tags; /* [n_groups], a power of two; NULL: none yet */
    struct hash128 *keys; /* [n_groups * GROUP]; zeros: of a taken place, forgotten */
    size_t          n, n_taken, n_groups;
    int64_t         began_ns;
};

struct dedup {
    struct generation at[GENERATIONS]; /* the youngest first */
    size_t            limit_bytes;
    uint64_t          seed;
    int64_t           since_ns;
};

struct dedup *dedup_new(size_t limit_bytes, uint64_t seed)
{
    struct dedup *d = mem_zalloc(sizeof *d);

    d->limit_bytes = limit_bytes;
    d->seed = seed;
    d->since_ns = INT64_MIN;
    return d;
}

static size_t bytes_of(size_t n_groups) { return n_groups * (GROUP * sizeof(struct hash128) + sizeof(uint64_t)); }

static void forget_all(struct generation *g) { pages_give(g->keys, bytes_of(g->n_groups)); }

void dedup_free(struct dedup *d)
{
    for (int i = 0; i < GENERATIONS; i++)
        forget_all(&d->at[i]);
    free(d);
}

static bool is_none(struct hash128 key) { return key.lo == 0 && key.hi == 0; }

static uint64_t hash_of(const struct dedup *d, struct hash128 key) { return hash_pair(key.lo ^ d->seed, key.hi); }

static uint64_t tag_of(uint64_t hash) { return TAKEN | hash >> 57; }

/* The top bit of each byte that is `tag`, and now and then of the one above it: keys are compared. */
static uint64_t tags_equal(uint64_t tags, uint64_t tag)
{
    uint64_t differ = tags ^ EACH * tag;
    return (differ - EACH) & ~differ & EACH * TAKEN;
}

static uint64_t tags_free(uint64_t tags) { return ~tags & EACH * TAKEN; }

static size_t first_of(uint64_t bits) { return (size_t)__builtin_ctzll(bits) / 8; }

/* Where the key stands; NULL: nowhere. */
static struct hash128 *place_of(const struct generation *g, uint64_t hash, struct hash128 key)
{
    for (size_t i = hash & (g->n_groups - 1);; i = (i + 1) & (g->n_groups - 1)) {
        for (uint64_t at = tags_equal(g->tags[i], tag_of(hash)); at != 0; at &= at - 1) {
            struct hash128 *place = &g->keys[i * GROUP + first_of(at)];
            if (place->lo == key.lo && place->hi == key.hi)
                return place;
        }
        if (tags_free(g->tags[i]) != 0) {
            __builtin_prefetch(&g->keys[i * GROUP + first_of(tags_free(g->tags[i]))], 1); /* where it will be put */
            return NULL;
        }
    }
}

/* There is room, and it is not there. */
static void place(struct generation *g, uint64_t hash, struct hash128 key)
{
    size_t i = hash & (g->n_groups - 1), k;

    while (tags_free(g->tags[i]) == 0)
        i = (i + 1) & (g->n_groups - 1);
    k = first_of(tags_free(g->tags[i]));
    g->tags[i] |= tag_of(hash) << 8 * k;
    g->keys[i * GROUP + k] = key;
    g->n++;
    g->n_taken++;
}

void dedup_warm(const struct dedup *d, struct hash128 key)
{
    uint64_t hash = hash_of(d, key);

    for (int i = 0; i < GENERATIONS; i++)
        if (d->at[i].n > 0)
            __builtin_prefetch(&d->at[i].tags[hash & (d->at[i].n_groups - 1)]);
}

bool dedup_has(const struct dedup *d, struct hash128 key)
{
    uint64_t hash = hash_of(d, key);

    for (int i = 0; i < GENERATIONS && !is_none(key); i++)
        if (d->at[i].n > 0 && place_of(&d->at[i], hash, key) != NULL)
            return true;
    return false;
}

size_t dedup_bytes(const struct dedup *d)
{
    size_t bytes = 0;

    for (int i = 0; i < GENERATIONS; i++)
        bytes += bytes_of(d->at[i].n_groups);
    return bytes;
}

size_t dedup_n(const struct dedup *d)
{
    size_t n = 0;

    for (int i = 0; i < GENERATIONS; i++)
        n += d->at[i].n;
    return n;
}

int64_t dedup_since_ns(const struct dedup *d) { return d->since_ns; }

/* The oldest generation is forgotten, a new one begins. */
static void turn(struct dedup *d, int64_t now_ns)
{
    struct generation *oldest = &d->at[GENERATIONS - 1];

    if (oldest->n > 0)
        d->since_ns = d->at[GENERATIONS - 2].began_ns;
    forget_all(oldest);
    memmove(d->at + 1, d->at, (GENERATIONS - 1) * sizeof *d->at);
    d->at[0] = (struct generation){ .began_ns = now_ns };
}

/* As many groups as there are, where the half of them are of what was forgotten; else twice as many. */
static size_t groups_next(const struct generation *g)
{
    if (g->n_groups == 0)
        return GROUPS_MIN;
    return g->n * 2 > g->n_groups * GROUP ? g->n_groups * 2 : g->n_groups;
}

static void grow(struct dedup *d)
{
    struct generation *g = &d->at[0], old = *g;

    g->n_groups = groups_next(&old);
    g->keys = pages_take(bytes_of(g->n_groups));
    g->tags = (uint64_t *)(g->keys + g->n_groups * GROUP);
    g->n = g->n_taken = 0;
    for (size_t i = 0; i < old.n_groups * GROUP; i++)
        if ((old.tags[i / GROUP] >> 8 * (i % GROUP) & TAKEN) != 0 && !is_none(old.keys[i]))
            place(g, hash_of(d, old.keys[i]), old.keys[i]);
    forget_all(&old);
}

/* Room for one more in the youngest, within the limit. */
static void make_room(struct dedup *d, int64_t now_ns)
{
    for (int i = 0; i < GENERATIONS; i++) {
        const struct generation *g = &d->at[0];
        if ((g->n_taken + 1) * 8 <= g->n_groups * GROUP * 7)
            return;
        if (dedup_bytes(d) + bytes_of(groups_next(g)) <= d->limit_bytes) /* old and new at once */
            break;
        turn(d, now_ns); /* X1 */
    }
    grow(d);
}

void dedup_add(struct dedup *d, struct hash128 key, int64_t now_ns)
{
    if (is_none(key))
        return;
    if (d->at[0].n > 0 && now_ns - d->at[0].began_ns >= GENERATION_NS)
        turn(d, now_ns);
    make_room(d, now_ns);
    struct generation *g = &d->at[0];
    if (g->n == 0)
        g->began_ns = now_ns;
    place(g, hash_of(d, key), key);
}

/* A place in a full group stays taken: others may have gone on from there. */
static void take_out(struct generation *g, struct hash128 *key)
{
    size_t    at = (size_t)(key - g->keys);
    uint64_t *tags = &g->tags[at / GROUP];

    g->n--;
    *key = (struct hash128){ 0 };
    if (tags_free(*tags) == 0)
        return;
    *tags &= ~(UINT64_C(0xFF) << 8 * (at % GROUP));
    g->n_taken--;
}

void dedup_forget(struct dedup *d, struct hash128 key)
{
    uint64_t hash = hash_of(d, key);

    for (int i = 0; i < GENERATIONS && !is_none(key); i++) {
        struct hash128 *at = d->at[i].n > 0 ? place_of(&d->at[i], hash, key) : NULL;
        if (at != NULL)
            take_out(&d->at[i], at);
    }
}
