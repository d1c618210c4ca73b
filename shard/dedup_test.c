/*
 * Goal: a key is known for its hour, at most once and never by mistake, within the limit.  Method: keys from a counter,
 * times from the test, a plain rule as the oracle.
 */
#include "shard/dedup.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"

#define MINUTE (60 * NS_PER_S)

static struct hash128 key_of(uint64_t i) { return hash128(&i, sizeof i); }

static void known_for_an_hour(void)
{
    struct dedup *d = dedup_new(SIZE_MAX, 1);

    for (uint64_t i = 0; i < 600; i++) { /* one a minute */
        int64_t now = (int64_t)i * MINUTE;
        assert(!dedup_has(d, key_of(i)));
        dedup_add(d, key_of(i), now);
        for (uint64_t back = 0; back <= 60 && back <= i; back++)
            assert(dedup_has(d, key_of(i - back)));
        if (i > 95)
            assert(!dedup_has(d, key_of(i - 95)) && dedup_since_ns(d) > 0);
    }
    assert(dedup_n(d) <= 95);
    dedup_free(d);
}

static void a_key_of_zeros_is_none(void)
{
    struct dedup *d = dedup_new(SIZE_MAX, 1);

    dedup_add(d, (struct hash128){ 0, 0 }, 1);
    assert(!dedup_has(d, (struct hash128){ 0, 0 }) && dedup_n(d) == 0 && dedup_bytes(d) == 0);
    dedup_add(d, (struct hash128){ 0, 1 }, 1);
    assert(dedup_has(d, (struct hash128){ 0, 1 }) && !dedup_has(d, (struct hash128){ 1, 0 }));
    dedup_free(d);
}

static void bounded(void)
{
    size_t        limit = 64 << 10, most = 0;
    struct dedup *d = dedup_new(limit, 1);

    for (uint64_t i = 0; i < 100000; i++) {
        dedup_add(d, key_of(i), (int64_t)i);
        most = dedup_bytes(d) > most ? dedup_bytes(d) : most;
        assert(dedup_has(d, key_of(i)));
    }
    assert(most <= limit && dedup_n(d) > 1000 && dedup_since_ns(d) > INT64_MIN); /* the newest are still known */
    printf("dedup: %zu keys in %zu bytes\n", dedup_n(d), dedup_bytes(d));
    dedup_free(d);
}

static void bytes_a_key(void)
{
    struct dedup *d = dedup_new(SIZE_MAX, 1);

    for (uint64_t i = 0; i < 1000000; i++) {
        dedup_add(d, key_of(i), 1);
        if (i > 100)
            assert(dedup_bytes(d) <= (i + 1) * 40);
    }
    for (uint64_t i = 0; i < 1000000; i++)
        assert(dedup_has(d, key_of(i)) && !dedup_has(d, key_of(i + 1000000)));
    printf("dedup: %.1f bytes a key\n", (double)dedup_bytes(d) / (double)dedup_n(d));
    dedup_free(d);
}

/* What is forgotten leaves the others where they are found, and its room to those that come. */
static void forgotten(void)
{
    enum { KEYS = 2000, TURNS = 200000 };
    struct dedup *d = dedup_new(SIZE_MAX, 1);
    static bool   is_known[KEYS];
    size_t        n = 0;

    for (uint64_t turn = 0; turn < TURNS; turn++) {
        uint64_t i = key_of(turn).lo % KEYS;
        assert(dedup_has(d, key_of(i)) == is_known[i]);
        if (is_known[i])
            dedup_forget(d, key_of(i));
        else
            dedup_add(d, key_of(i), 1);
        is_known[i] = !is_known[i];
        n += is_known[i] ? 1 : (size_t)-1;
        assert(dedup_n(d) == n);
    }
    assert(dedup_bytes(d) <= (size_t)KEYS * 40);
    dedup_forget(d, key_of(KEYS)); /* never known */
    for (uint64_t i = 0; i < KEYS; i++)
        assert(dedup_has(d, key_of(i)) == is_known[i]);
    dedup_free(d);
}

int main(void)
{
    forgotten();
    known_for_an_hour();
    a_key_of_zeros_is_none();
    bounded();
    bytes_a_key();
    puts("dedup: ok");
    return 0;
}
