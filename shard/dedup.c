#include "shard/dedup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define GENERATION_NS (1800 * NS_PER_S)

enum { GENERATIONS = 3, PLACES_MIN = 64 };

/* Open addressing; an empty place is a key of zeros. */
struct generation {
    struct hash128 *places; /* [n_places], a power of two; NULL: none yet */
    size_t          n, n_places;
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

void dedup_free(struct dedup *d)
{
    for (int i = 0; i < GENERATIONS; i++)
        free(d->at[i].places);
    free(d);
}

static bool is_none(struct hash128 key) { return key.lo == 0 && key.hi == 0; }

static size_t home_of(const struct dedup *d, const struct generation *g, struct hash128 key)
{
    return hash_pair(key.lo ^ d->seed, key.hi) & (g->n_places - 1);
}

/* Where the key stands, or would. */
static struct hash128 *place_of(const struct dedup *d, const struct generation *g, struct hash128 key)
{
    size_t i = home_of(d, g, key);

    while (!is_none(g->places[i]) && (g->places[i].lo != key.lo || g->places[i].hi != key.hi))
        i = (i + 1) & (g->n_places - 1);
    return &g->places[i];
}

bool dedup_has(const struct dedup *d, struct hash128 key)
{
    if (is_none(key))
        return false;
    for (int i = 0; i < GENERATIONS; i++) /* megabytes each: the waits for memory overlap */
        if (d->at[i].n > 0)
            __builtin_prefetch(&d->at[i].places[home_of(d, &d->at[i], key)]);
    for (int i = 0; i < GENERATIONS; i++)
        if (d->at[i].n > 0 && !is_none(*place_of(d, &d->at[i], key)))
            return true;
    return false;
}

size_t dedup_bytes(const struct dedup *d)
{
    size_t places = 0;

    for (int i = 0; i < GENERATIONS; i++)
        places += d->at[i].n_places;
    return places * sizeof(struct hash128);
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
    free(oldest->places);
    memmove(d->at + 1, d->at, (GENERATIONS - 1) * sizeof *d->at);
    d->at[0] = (struct generation){ .began_ns = now_ns };
}

static void grow(struct dedup *d)
{
    struct generation *g = &d->at[0];
    struct hash128    *old = g->places;
    size_t             n_old = g->n_places;

    g->n_places = n_old ? n_old * 2 : PLACES_MIN;
    g->places = mem_zalloc(g->n_places * sizeof *g->places);
    for (size_t i = 0; i < n_old; i++)
        if (!is_none(old[i]))
            *place_of(d, g, old[i]) = old[i];
    free(old);
}

/* Room for one more in the youngest, within the limit. */
static void make_room(struct dedup *d, int64_t now_ns)
{
    for (int i = 0; i < GENERATIONS; i++) {
        struct generation *g = &d->at[0];
        size_t more = (g->n_places ? g->n_places * 2 : PLACES_MIN) * sizeof *g->places; /* old and new at once */
        if ((g->n + 1) * 8 <= g->n_places * 7)
            return;
        if (dedup_bytes(d) + more <= d->limit_bytes)
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
    *place_of(d, g, key) = key;
    g->n++;
}

/* Closes the gap at `hole`: what stands behind it, up to the next empty place, is put in again. */
static void take_out(struct dedup *d, struct generation *g, struct hash128 *hole)
{
    size_t mask = g->n_places - 1, i = (size_t)(hole - g->places);

    *hole = (struct hash128){ 0 };
    g->n--;
    for (i = (i + 1) & mask; !is_none(g->places[i]); i = (i + 1) & mask) {
        struct hash128 key = g->places[i];
        g->places[i] = (struct hash128){ 0 };
        *place_of(d, g, key) = key;
    }
}

void dedup_forget(struct dedup *d, struct hash128 key)
{
    for (int i = 0; !is_none(key) && i < GENERATIONS; i++) {
        struct hash128 *place = d->at[i].n > 0 ? place_of(d, &d->at[i], key) : NULL;
        if (place != NULL && !is_none(*place))
            take_out(d, &d->at[i], place);
    }
}
