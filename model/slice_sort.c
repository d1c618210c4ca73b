/*
 * By the eight bytes behind what all begin with, since strings of one kind begin alike for long; and again those of which
 * these are the same.  Few, and what is still the same after some rounds, are compared as a whole.  What comes from sealed
 * buckets is a few runs in order, one behind the other: these are merged.
 */
#include "model/slice_sort.h"

#include <endian.h>
#include <stdlib.h>

#include "base/mem.h"

enum { FEW = 32, ROUNDS = 8, RUNS_MAX = 4, KEY = sizeof(uint64_t) };

struct keyed {
    uint64_t            key;
    const struct slice *s;
};

static int by_bytes(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;

    return slice_cmp(*x->s, *y->s);
}

/* Big-endian, zeros behind the end. */
static uint64_t key_at(struct slice s, size_t at)
{
    uint64_t key = 0;

    if (s.n > at)
        memcpy(&key, s.p + at, s.n - at < KEY ? s.n - at : KEY);
    return be64toh(key);
}

/* Stable, by one byte of the key. */
static void byte_sort(const struct keyed *from, struct keyed *to, size_t n, unsigned byte, uint32_t place[256])
{
    uint32_t sum = 0;

    for (int b = 0; b < 256; b++) {
        uint32_t count = place[b];
        place[b] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[place[from[i].key >> 8 * byte & 0xFF]++] = from[i];
}

/* From the last byte to the first; those that are the same in all change nothing. */
static void keys_sort(struct keyed *keys, struct keyed *spare, size_t n)
{
    uint32_t      counts[KEY][256] = { 0 };
    struct keyed *from = keys, *to = spare;

    for (size_t i = 0; i < n; i++)
        for (unsigned byte = 0; byte < KEY; byte++)
            counts[byte][keys[i].key >> 8 * byte & 0xFF]++;
    for (unsigned byte = 0; byte < KEY; byte++) {
        if (counts[byte][from[0].key >> 8 * byte & 0xFF] == n)
            continue;
        byte_sort(from, to, n, byte, counts[byte]);
        struct keyed *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof *keys);
}

/* From byte *at of each on, or from the first behind it where not all are the same; false: they are to their ends. */
static bool keys_make(struct keyed *keys, size_t n, size_t *at)
{
    for (;;) {
        uint64_t differ = 0;
        size_t   longest = 0;
        for (size_t i = 0; i < n; i++) {
            keys[i].key = key_at(*keys[i].s, *at);
            differ |= keys[i].key ^ keys[0].key;
            longest = keys[i].s->n > longest ? keys[i].s->n : longest;
        }
        size_t same = differ != 0 ? (size_t)__builtin_clzll(differ) / 8 : KEY;
        if (same == 0 || *at + same >= longest)
            return differ != 0;
        *at += same;
    }
}

static void sort(struct keyed *keys, struct keyed *spare, size_t n, size_t byte, int round)
{
    if (n <= FEW || round == ROUNDS || !keys_make(keys, n, &byte)) {
        qsort(keys, n, sizeof *keys, by_bytes);
        return;
    }
    keys_sort(keys, spare, n);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && keys[end].key == keys[i].key;)
            end++;
        if (end > i + 1)
            sort(keys + i, spare, end - i, byte + KEY, round + 1);
    }
}

static void keys_order(const struct slice *at, uint32_t n, uint32_t *order)
{
    struct keyed *keys = mem_alloc(2 * (size_t)n * sizeof *keys);

    for (uint32_t i = 0; i < n; i++)
        keys[i].s = &at[i];
    sort(keys, keys + n, n, 0, 0);
    for (uint32_t i = 0; i < n; i++)
        order[i] = (uint32_t)(keys[i].s - at);
    free(keys);
}

/* Their ends; false: they are more than RUNS_MAX. */
static bool runs_find(const struct slice *at, uint32_t n, uint32_t ends[RUNS_MAX], uint32_t *runs)
{
    *runs = 0;
    for (uint32_t i = 1; i <= n; i++) {
        if (i < n && slice_cmp(at[i - 1], at[i]) <= 0)
            continue;
        if (*runs == RUNS_MAX)
            return false;
        ends[(*runs)++] = i;
    }
    return true;
}

/* [0, mid) of `order` and the places [mid, end), by way of `spare`. */
static void run_merge(const struct slice *at, uint32_t mid, uint32_t end, uint32_t *order, uint32_t *spare)
{
    uint32_t i = 0, k = mid;

    memcpy(spare, order, mid * sizeof *spare);
    for (uint32_t to = 0; to < end; to++)
        order[to] = k == end || (i < mid && slice_cmp(at[spare[i]], at[k]) <= 0) ? spare[i++] : k++;
}

void slices_order(const struct slice *at, uint32_t n, uint32_t *order)
{
    uint32_t ends[RUNS_MAX], runs;

    if (!runs_find(at, n, ends, &runs)) {
        keys_order(at, n, order);
        return;
    }
    uint32_t *spare = mem_alloc(n * sizeof *spare);
    for (uint32_t i = 0; runs > 0 && i < ends[0]; i++)
        order[i] = i;
    for (uint32_t i = 1; i < runs; i++)
        run_merge(at, ends[i - 1], ends[i], order, spare);
    free(spare);
}
