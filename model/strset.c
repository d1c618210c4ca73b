#include "model/strset.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

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

enum { FIRST = 16 };

static uint32_t tag_of(uint64_t hash) { return (uint32_t)(hash >> 32); }

static void table_fill(struct strset *set)
{
    uint32_t mask = set->cap * 2 - 1;

    set->table = arena_zalloc(set->arena, (size_t)set->cap * 2 * sizeof *set->table);
    for (uint32_t id = 0; id < set->n; id++) {
        uint32_t i = (uint32_t)set->hash[id] & mask;
        while (set->table[i].id != 0)
            i = (i + 1) & mask;
        set->table[i] = (struct place){ id + 1, tag_of(set->hash[id]) };
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
static struct place *place_of(const struct strset *set, struct slice s, uint64_t hash)
{
    uint32_t mask = set->cap * 2 - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct place *p = &set->table[i];
        if (p->id == 0 || (p->tag == tag_of(hash) && slice_eq(set->at[p->id - 1], s)))
            return p;
    }
}

uint32_t strset_add(struct strset *set, struct slice s)
{
    uint64_t      hash = hash_slice(s);
    struct place *p = place_of(set, s, hash);

    if (p->id != 0)
        return p->id - 1;
    if (set->n == set->cap) {
        set_grow(set);
        p = place_of(set, s, hash);
    }
    uint32_t id = set->n++;
    set->at[id] = arena_copy(set->arena, s);
    set->hash[id] = hash;
    *p = (struct place){ id + 1, tag_of(hash) };
    return id;
}

bool strset_find(const struct strset *set, struct slice s, uint32_t *id)
{
    const struct place *p = place_of(set, s, hash_slice(s));

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

static bool is_in_order(const struct strset *set)
{
    for (uint32_t i = 1; i < set->n; i++)
        if (slice_cmp(set->at[i - 1], set->at[i]) > 0)
            return false;
    return true;
}

/* ---- sorting: by the eight bytes behind what all begin with, and where those are the same by the whole -------------- */

struct keyed {
    uint64_t key;
    uint32_t id;
};

static size_t common_bytes(const struct strset *set)
{
    struct slice first = set->at[0];
    size_t       n = first.n;

    for (uint32_t i = 1; i < set->n && n > 0; i++) {
        size_t same = 0;
        n = set->at[i].n < n ? set->at[i].n : n;
        while (same < n && set->at[i].p[same] == first.p[same])
            same++;
        n = same;
    }
    return n;
}

/* Big-endian, zeros behind the end. */
static uint64_t key_at(struct slice s, size_t at)
{
    uint64_t key = 0;

    for (size_t i = 0; i < sizeof key; i++)
        key = key << 8 | (at + i < s.n ? (uint8_t)s.p[at + i] : 0);
    return key;
}

/* Stable, by one byte of the key; false: it is the same in all, and nothing was done. */
static bool byte_sort(const struct keyed *from, struct keyed *to, uint32_t n, unsigned shift)
{
    uint32_t at[256] = { 0 }, sum = 0;

    for (uint32_t i = 0; i < n; i++)
        at[from[i].key >> shift & 0xFF]++;
    if (at[from[0].key >> shift & 0xFF] == n)
        return false;
    for (int b = 0; b < 256; b++) {
        uint32_t count = at[b];
        at[b] = sum;
        sum += count;
    }
    for (uint32_t i = 0; i < n; i++)
        to[at[from[i].key >> shift & 0xFF]++] = from[i];
    return true;
}

static struct keyed *keys_sorted(const struct strset *set)
{
    struct keyed *keys = arena_array(set->arena, set->n, sizeof *keys), *spare;
    size_t        common = common_bytes(set);

    spare = arena_array(set->arena, set->n, sizeof *spare);
    for (uint32_t i = 0; i < set->n; i++)
        keys[i] = (struct keyed){ key_at(set->at[i], common), i };
    for (unsigned shift = 0; shift < 64; shift += 8)
        if (byte_sort(keys, spare, set->n, shift)) {
            struct keyed *swap = keys;
            keys = spare;
            spare = swap;
        }
    return keys;
}

static int string_cmp(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

const struct slice *strset_sorted(struct strset *set)
{
    if (is_in_order(set))
        return set->at;
    struct slice *sorted = arena_array(set->arena, set->n, sizeof *sorted);
    struct keyed *keys = keys_sorted(set);

    for (uint32_t at = 0, end; at < set->n; at = end) {
        for (end = at; end < set->n && keys[end].key == keys[at].key; end++)
            sorted[end] = set->at[keys[end].id];
        if (end > at + 1)
            qsort(sorted + at, end - at, sizeof *sorted, string_cmp);
    }
    return sorted;
}
