/*
 * Goal: ids that are read many at a time are those that are read one by one, and nothing is read too far.  Method: random bytes
 * of several mixtures, in allocations that end where what may be read ends.
 */
#include "ingest/short_ids.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/varint.h"

enum { ROUNDS = 100000, BYTES_MAX = 100, OUT_MAX = BYTES_MAX + SHORT_IDS_SLACK };

static uint64_t random_next(void)
{
    static uint64_t x = 88172645463325252;

    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

/* Ids of one byte and two; one round in four has others in it. */
static size_t bytes_make(uint8_t *p)
{
    uint64_t n_max = random_next() % (BYTES_MAX - 2), twos = random_next() % 5, odd = random_next() % 4;
    size_t   n = 0;

    while (n < n_max)
        n += varint_write(p + n, random_next() % 4 < twos ? 128 + random_next() % 16256 : 1 + random_next() % 127);
    if (odd == 0 && n > 0)
        p[random_next() % n] = (uint8_t)random_next();
    return n;
}

/* One by one.  False: not short ones in 1 to `highest`, written as short as they can be. */
static bool ids_plain(const uint8_t *p, const uint8_t *end, uint32_t highest, uint32_t *out, size_t *n)
{
    uint64_t id;

    for (*n = 0; p < end; out[(*n)++] = (uint32_t)id - 1) {
        const uint8_t *from = p;
        if ((p = varint_read(p, end, &id)) == NULL || p - from > 2 || id == 0 || id > highest || p[-1] == 0)
            return false;
    }
    return true;
}

/* Returns whether it was read. */
static bool same_as_plain(const uint8_t *bytes, size_t n, uint32_t highest, bool has_wide)
{
    uint8_t *p = mem_alloc(n + SHORT_IDS_SLACK);
    uint32_t want[BYTES_MAX], *got = mem_alloc(OUT_MAX * sizeof *got);
    size_t   n_want;

    memcpy(p, bytes, n);
    memset(p + n, (int)(random_next() & 0xff), SHORT_IDS_SLACK);
    bool      are_short = ids_plain(p, p + n, highest, want, &n_want);
    uint32_t *end = short_ids_read(p, p + n, highest, got);
    assert(end == NULL || (are_short && (size_t)(end - got) == n_want && memcmp(want, got, n_want * sizeof *got) == 0));
    assert(end != NULL || !are_short || !has_wide);
    free(p);
    free(got);
    return end != NULL;
}

int main(void)
{
    static const uint8_t one[] = { 1 };
    bool                 has_wide = same_as_plain(one, sizeof one, 1, false);
    uint32_t             n_read = 0;

    for (int i = 0; i < ROUNDS; i++) {
        uint8_t bytes[BYTES_MAX + VARINT_MAX_BYTES];
        size_t  n = bytes_make(bytes);
        n_read += same_as_plain(bytes, n, random_next() % 8 ? UINT32_MAX : (uint32_t)(random_next() % 20000), has_wide);
    }
    assert(!has_wide || n_read > ROUNDS / 4);
    printf("%u of %d read many at a time\n", n_read, ROUNDS);
    return 0;
}
