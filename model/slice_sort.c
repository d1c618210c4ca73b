/*
 * By the eight bytes behind what all begin with, since strings of one kind begin alike for long; and again those of which
 * these are the same.  Few, and what is still the same after some rounds, are compared as a whole.
 */
#include "model/slice_sort.h"

#include <assert.h>
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

enum { FEW = 32, ROUNDS = 8, KEY = sizeof(uint64_t) };

struct keyed {
    uint64_t     key;
    struct slice s;
};

static int by_bytes(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static bool are_in_order(const struct slice *at, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (slice_cmp(at[i - 1], at[i]) > 0)
            return false;
    return true;
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

/* From the last byte to the first; those that are the same in all change nothing.  Returns which of the two it ended in. */
static struct keyed *keys_sort(struct keyed *keys, struct keyed *spare, size_t n)
{
    uint32_t counts[KEY][256] = { 0 };

    for (size_t i = 0; i < n; i++)
        for (unsigned byte = 0; byte < KEY; byte++)
            counts[byte][keys[i].key >> 8 * byte & 0xFF]++;
    for (unsigned byte = 0; byte < KEY; byte++) {
        if (counts[byte][keys[0].key >> 8 * byte & 0xFF] == n)
            continue;
        byte_sort(keys, spare, n, byte, counts[byte]);
        struct keyed *sorted = spare;
        spare = keys;
        keys = sorted;
    }
    return keys;
}

/* From byte *at of each on, or from the first behind it where not all are the same; false: they are to their ends. */
static bool keys_make(const struct slice *from, size_t n, struct keyed *keys, size_t *at)
{
    for (;;) {
        uint64_t differ = 0;
        size_t   longest = 0;
        for (size_t i = 0; i < n; i++) {
            keys[i] = (struct keyed){ key_at(from[i], *at), from[i] };
            differ |= keys[i].key ^ keys[0].key;
            longest = from[i].n > longest ? from[i].n : longest;
        }
        size_t same = differ != 0 ? (size_t)__builtin_clzll(differ) / 8 : KEY;
        if (same == 0 || *at + same >= longest)
            return differ != 0;
        *at += same;
    }
}

/* `room` is for twice as many. */
static void sort(struct slice *at, size_t n, struct keyed *room, size_t byte, int round)
{
    if (n <= FEW || round == ROUNDS || !keys_make(at, n, room, &byte)) {
        qsort(at, n, sizeof *at, by_bytes);
        return;
    }
    const struct keyed *sorted = keys_sort(room, room + n, n);
    for (size_t i = 0; i < n; i++)
        at[i] = sorted[i].s;
    for (size_t i = 0, end; i < n; i = end) {
        uint64_t key = key_at(at[i], byte);
        for (end = i + 1; end < n && key_at(at[end], byte) == key;)
            end++;
        if (end > i + 1)
            sort(at + i, end - i, room, byte + KEY, round + 1);
    }
}

void slices_sort(struct slice *at, size_t n)
{
    assert(n < UINT32_MAX);
    if (are_in_order(at, n))
        return;
    struct keyed *room = mem_alloc(2 * n * sizeof *room);
    sort(at, n, room, 0, 0);
    free(room);
}
