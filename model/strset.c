#include "model/strset.h"

#include <assert.h>

#include "base/hash.h"

/*
 * Ids and their strings in two growing arrays, found through a table of ids + 1 that is at most half full.  What
 * growing leaves behind stays in the arena: less than the arrays themselves, since each doubles.
 */
struct strset {
    struct arena *arena;
    struct slice *at;    /* [cap]: [0, n) in use */
    uint64_t     *hash;  /* [cap] */
    uint32_t     *table; /* [cap * 2]: id + 1, 0 is free */
    uint32_t      n, cap;
};

enum { FIRST = 16 };

static void table_fill(struct strset *set)
{
    uint32_t mask = set->cap * 2 - 1;

    set->table = arena_zalloc(set->arena, (size_t)set->cap * 2 * sizeof *set->table);
    for (uint32_t id = 0; id < set->n; id++) {
        uint32_t i = (uint32_t)set->hash[id] & mask;
        while (set->table[i] != 0)
            i = (i + 1) & mask;
        set->table[i] = id + 1;
    }
}

static void set_grow(struct strset *set)
{
    uint32_t cap = set->cap ? set->cap * 2 : FIRST;

    assert(cap <= UINT32_MAX / 4);
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
    set_grow(set);
    return set;
}

/* Where `s` is or would be in the table. */
static uint32_t *slot_of(const struct strset *set, struct slice s, uint64_t hash)
{
    uint32_t mask = set->cap * 2 - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &set->table[i];
        if (*slot == 0 || (set->hash[*slot - 1] == hash && slice_eq(set->at[*slot - 1], s)))
            return slot;
    }
}

uint32_t strset_add(struct strset *set, struct slice s)
{
    uint64_t  hash = hash_slice(s);
    uint32_t *slot = slot_of(set, s, hash);

    if (*slot != 0)
        return *slot - 1;
    if (set->n == set->cap) {
        set_grow(set);
        slot = slot_of(set, s, hash);
    }
    uint32_t id = set->n++;
    set->at[id] = arena_copy(set->arena, s);
    set->hash[id] = hash;
    *slot = id + 1;
    return id;
}

bool strset_find(const struct strset *set, struct slice s, uint32_t *id)
{
    uint32_t *slot = slot_of(set, s, hash_slice(s));

    if (*slot == 0)
        return false;
    *id = *slot - 1;
    return true;
}

uint32_t strset_n(const struct strset *set) { return set->n; }

struct slice strset_at(const struct strset *set, uint32_t id)
{
    assert(id < set->n);
    return set->at[id];
}

/* The end of the ascending run that begins at `at`. */
static uint32_t run_end(const struct slice *s, uint32_t at, uint32_t n)
{
    while (++at < n && slice_cmp(s[at - 1], s[at]) <= 0)
        continue;
    return at < n ? at : n;
}

static void runs_merge(const struct slice *s, uint32_t at, uint32_t mid, uint32_t end, struct slice *to)
{
    uint32_t left = at, right = mid;

    while (left < mid && right < end)
        *to++ = slice_cmp(s[right], s[left]) < 0 ? s[right++] : s[left++];
    memcpy(to, s + left, (mid - left) * sizeof *s);
    memcpy(to + (mid - left), s + right, (end - right) * sizeof *s);
}

/* Sealed blocks give their texts in order, one after the other: a few runs, merged two by two until one is left. */
const struct slice *strset_sorted(struct strset *set)
{
    struct slice *from = set->at, *spare = NULL;

    while (run_end(from, 0, set->n) < set->n) {
        struct slice *to = spare != NULL ? spare : arena_array(set->arena, set->n, sizeof *to);
        for (uint32_t at = 0, mid, end; at < set->n; at = end) {
            mid = run_end(from, at, set->n);
            end = mid < set->n ? run_end(from, mid, set->n) : mid;
            runs_merge(from, at, mid, end, to + at);
        }
        spare = from != set->at ? from : NULL; /* the set's own order is its ids */
        from = to;
    }
    return from;
}
