#include "model/strset.h"

#include <assert.h>

#include "base/hash.h"
#include "model/slice_sort.h"

/*
 * Ids and their strings in two growing arrays, found through a table that is at most half full; a place in it has a part
 * of the hash, so that others' strings are hardly ever looked at.  What
 * growing leaves behind stays in the arena: less than the arrays themselves, since each doubles.
 */
struct place {
    uint32_t id; /* + 1; 0: free */
    uint32_t tag;
};

struct strset {
    struct arena *arena;
    struct slice *at;    /* [cap]: [0, n) in use */
    uint64_t     *hash;  /* [cap] */
    struct place *table; /* [cap * 2] */
    uint32_t      n, cap;
};

enum {
    FIRST = 16,
    TOGETHER = 64, /* whose places are fetched before the first of them is looked at */
    AHEAD = 16,    /* the same where all are put into a new table */
};

static uint32_t tag_of(uint64_t hash) { return (uint32_t)(hash >> 32); }

static void table_fill(struct strset *set)
{
    uint32_t mask = set->cap * 2 - 1;

    set->table = arena_zalloc(set->arena, (size_t)set->cap * 2 * sizeof *set->table);
    for (uint32_t id = 0; id < set->n; id++) {
        uint32_t i = (uint32_t)set->hash[id] & mask;
        if (id + AHEAD < set->n)
            __builtin_prefetch(&set->table[(uint32_t)set->hash[id + AHEAD] & mask], 1);
        while (set->table[i].id != 0)
            i = (i + 1) & mask;
        set->table[i] = (struct place){ id + 1, tag_of(set->hash[id]) };
    }
}

static void set_grow(struct strset *set, size_t least)
{
    uint32_t cap = set->cap ? set->cap * 2 : FIRST;

    assert(least <= UINT32_MAX / 8);
    while (cap < least)
        cap *= 2;
    struct slice *at = arena_array(set->arena, cap, sizeof *at);
    uint64_t     *hash = arena_array(set->arena, cap, sizeof *hash);
    if (set->n > 0) {
        memcpy(at, set->at, set->n * sizeof *at);
        memcpy(hash, set->hash, set->n * sizeof *hash);
    }
    set->at = at;
    set->hash = hash;
    set->cap = cap;
    table_fill(set);
}

struct strset *strset_new(struct arena *a)
{
    struct strset *set = arena_alloc(a, sizeof *set);

    *set = (struct strset){ .arena = a };
    set_grow(set, FIRST);
    return set;
}

/* Where `s` is or would be in the table. */
static struct place *place_of(const struct strset *set, struct slice s, uint64_t hash)
{
    uint32_t mask = set->cap * 2 - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct place *p = &set->table[i];
        if (p->id == 0 || (p->tag == tag_of(hash) && slice_eq(set->at[p->id - 1], s)))
            return p;
    }
}

static uint32_t add_hashed(struct strset *set, struct slice s, uint64_t hash)
{
    struct place *p = place_of(set, s, hash);

    if (p->id != 0)
        return p->id - 1;
    if (set->n == set->cap) {
        set_grow(set, set->n + (size_t)1);
        p = place_of(set, s, hash);
    }
    uint32_t id = set->n++;
    set->at[id] = arena_copy(set->arena, s);
    set->hash[id] = hash;
    *p = (struct place){ id + 1, tag_of(hash) };
    return id;
}

uint32_t strset_add(struct strset *set, struct slice s) { return add_hashed(set, s, hash_text(s)); }

uint32_t strset_add_guess(struct strset *set, struct slice s, uint32_t id)
{
    return id < set->n && slice_eq(set->at[id], s) ? id : strset_add(set, s);
}

void strset_add_all(struct strset *set, const struct slice *at, size_t n)
{
    uint64_t hash[TOGETHER];

    if (n > set->cap - set->n) /* if they are all new; if none is, it is half full */
        set_grow(set, set->n + n);
    for (size_t from = 0, some; from < n; from += some) {
        some = n - from < TOGETHER ? n - from : TOGETHER;
        for (size_t i = 0; i < some; i++) {
            hash[i] = hash_text(at[from + i]);
            __builtin_prefetch(&set->table[(uint32_t)hash[i] & (set->cap * 2 - 1)], 1);
        }
        for (size_t i = 0; i < some; i++)
            add_hashed(set, at[from + i], hash[i]);
    }
}

bool strset_find(const struct strset *set, struct slice s, uint32_t *id)
{
    const struct place *p = place_of(set, s, hash_text(s));

    if (p->id == 0)
        return false;
    *id = p->id - 1;
    return true;
}

uint32_t strset_n(const struct strset *set) { return set->n; }

struct slice strset_at(const struct strset *set, uint32_t id)
{
    assert(id < set->n);
    return set->at[id];
}

const struct slice *strset_all(const struct strset *set) { return set->at; }

const struct slice *strset_sorted(struct strset *set)
{
    struct slice *sorted = arena_array(set->arena, set->n, sizeof *sorted);
    uint32_t     *order = arena_array(set->arena, set->n, sizeof *order);

    slices_order(set->at, set->n, order);
    for (uint32_t i = 0; i < set->n; i++)
        sorted[i] = set->at[order[i]];
    return sorted;
}
