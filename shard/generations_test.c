/*
 * Goal: whatever a tenant pushes into one span of time, nothing is refused for want of older data to give, memory
 * stays below the limit, and what is held is exactly the newest of what was pushed.  Method: profiles whose values
 * follow from their numbers; everything held is read back through a pin and compared with a plain sum.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "index/bucket.h"
#include "index/select.h"
#include "shard/shard.h"
#include "shard/test_batch.h"

#define SPAN (600 * NS_PER_S)
#define T0 (1700000000 * NS_PER_S / SPAN * SPAN)

static struct arena *arena;

static struct shard *shard_of(size_t limit_bytes)
{
    return shard_new(&(struct shard_config){ .name = "test", .retention_ns = INT64_MAX, .limit_bytes = limit_bytes });
}

/* Profile i of a tenant: one nanosecond after the one before, so the first 600 thousand millions share a span. */
static int64_t value_of(unsigned i) { return 1 + (int64_t)i * i % 1009; }

static enum code push(struct shard *s, const char *tenant, unsigned i, unsigned leaf, unsigned bulk)
{
    struct test_profile p = { tenant, "svc", "pod-0", T0 + i, value_of(i), leaf, bulk };
    struct append       one = { .batch = test_batch(arena, &p) }, *all = &one;

    shard_step(s, &all, 1, T0);
    if (one.code != CODE_OK)
        assert(one.why.code == one.code && one.why.text[0] != '\0');
    arena_reset(arena);
    return one.code;
}

/* Everything a tenant has, into one answer; returns how many profiles there are. */
static int64_t read_all(struct shard *s, const char *tenant, struct tree *into, size_t *buckets)
{
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX };
    struct pin       p = shard_pin(s, slice_of(tenant), INT64_MIN, INT64_MAX);
    struct fault     why;
    int64_t          n = 0;

    for (size_t i = 0; i < p.n; i++) {
        assert(select_tree(p.buckets[i], &all, into, &why) == CODE_OK);
        n += bucket_stats(p.buckets[i]).profiles;
    }
    *buckets = p.n;
    shard_unpin(&p);
    return n;
}

/* The leaf work_<i>_xxx... of node k; false: it is another node. */
static bool leaf_of(const struct tree *t, uint32_t k, unsigned *leaf)
{
    struct slice name = strset_at(t->names, t->name[k]);

    if (name.n < 6 || memcmp(name.p, "work_", 5) != 0)
        return false;
    *leaf = (unsigned)strtoul(name.p + 5, NULL, 10);
    return true;
}

/* What a tenant has of profiles 0 to pushed - 1 is a suffix of them, each once with its value; returns the first. */
static unsigned check_suffix(struct shard *s, const char *tenant, unsigned pushed)
{
    struct tree *t = tree_new();
    size_t       buckets;
    unsigned     first = pushed - (unsigned)read_all(s, tenant, t, &buckets), leaf, leaves = 0;

    for (uint32_t k = 1; k < t->n; k++)
        if (leaf_of(t, k, &leaf)) {
            assert(leaf >= first && leaf < pushed && t->self[k] == value_of(leaf));
            leaves++;
        }
    assert(leaves == pushed - first); /* names are distinct in a tree: each of the suffix is there */
    tree_free(t);
    return first;
}

static void the_newest_of_a_flood_is_held(void)
{
    enum { LIMIT = 16 << 20, BULK = 8000, PUSHES = (200 << 20) / BULK };
    struct shard *s = shard_of(LIMIT);
    int64_t       oldest, newest;

    for (unsigned i = 0; i < PUSHES; i++) {
        assert(push(s, "hot", i, i, BULK) == CODE_OK);
        assert(shard_stats(s).bytes <= LIMIT);
        if (i % 4999 == 0)
            check_suffix(s, "hot", i + 1);
    }
    unsigned           first = check_suffix(s, "hot", PUSHES);
    struct shard_stats now = shard_stats(s);
    assert(now.bytes > LIMIT * 3 / 4 && now.buckets > 4 && now.buckets < 16 && now.dropped_buckets > 50);
    assert(now.profiles == PUSHES - first && now.data_since_ns == T0 + first); /* complete from the first one on */
    assert(shard_span(s, SLICE("hot"), &oldest, &newest) && oldest == T0 + first && newest == T0 + PUSHES - 1);
    shard_free(s);
}

/* 300 leaves, again and again, into one bucket and into many: the same answer. */
static void generations_answer_as_one_bucket(void)
{
    enum { PUSHES = 6000, LEAVES = 300 };
    struct shard *one = shard_of(SIZE_MAX), *many = shard_of(3 << 20);
    int64_t       expected[LEAVES] = { 0 };

    for (unsigned i = 0; i < PUSHES; i++) {
        unsigned at = i * 7919 % PUSHES; /* times in no order */
        assert(push(one, "a", at, at % LEAVES, 600) == CODE_OK && push(many, "a", at, at % LEAVES, 600) == CODE_OK);
        expected[at % LEAVES] += value_of(at);
    }
    for (int k = 0; k < 2; k++) {
        struct shard *s = k ? many : one;
        struct tree  *t = tree_new();
        size_t        buckets;
        unsigned      leaf, leaves = 0;
        int64_t       oldest, newest;
        assert(read_all(s, "a", t, &buckets) == PUSHES && (k ? buckets >= 3 : buckets == 1));
        for (uint32_t i = 1; i < t->n; i++)
            if (leaf_of(t, i, &leaf)) {
                assert(t->self[i] == expected[leaf]);
                leaves++;
            }
        assert(leaves == LEAVES && shard_stats(s).dropped_buckets == 0);
        assert(shard_span(s, SLICE("a"), &oldest, &newest) && oldest == T0 && newest == T0 + PUSHES - 1);
        tree_free(t);
    }
    shard_free(one);
    shard_free(many);
}

static void small_tenants_beside_a_flood_lose_nothing(void)
{
    enum { LIMIT = 16 << 20, SMALL = 40, ROUNDS = 120, FLOOD = 100 };
    struct shard *s = shard_of(LIMIT);
    char          name[32];
    unsigned      pushed = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (int t = 0; t < SMALL; t++) {
            snprintf(name, sizeof name, "small-%d", t);
            assert(push(s, name, round, round, 300) == CODE_OK);
        }
        for (int k = 0; k < FLOOD; k++, pushed++)
            assert(push(s, "flood", pushed, pushed, 4000) == CODE_OK);
        assert(shard_stats(s).bytes <= LIMIT);
    }
    for (int t = 0; t < SMALL; t++) {
        snprintf(name, sizeof name, "small-%d", t);
        assert(check_suffix(s, name, ROUNDS) == 0);
    }
    assert(check_suffix(s, "flood", pushed) > 0); /* else this tests nothing */
    shard_free(s);
}

/* Each of many equal tenants has more than its share in one span: none loses all, or most, of what it has. */
static void equals_share_what_there_is(void)
{
    enum { LIMIT = 16 << 20, TENANTS = 12, BULK = 2000, PUSHES = (4 << 20) / BULK };
    struct shard *s = shard_of(LIMIT);
    char          name[TENANTS][32];
    int64_t       fair = LIMIT / 8 * 7 / TENANTS / (BULK + 500), third = fair / 3; /* profiles */

    for (int t = 0; t < TENANTS; t++)
        snprintf(name[t], sizeof name[t], "tenant-%d", t);
    for (unsigned i = 0; i < PUSHES; i++) {
        for (int t = 0; t < TENANTS; t++)
            assert(push(s, name[t], i, i, BULK) == CODE_OK);
        assert(shard_stats(s).bytes <= LIMIT);
        if (i % 100 == 99)
            for (int t = 0; t < TENANTS; t++) {
                int64_t held = i + 1 - check_suffix(s, name[t], i + 1);
                assert(held >= (i + 1 < third ? i + 1 : third));
            }
    }
    assert(shard_stats(s).dropped_buckets > TENANTS);
    shard_free(s);
}

static void what_cannot_fit_is_refused_and_costs_nothing(void)
{
    enum { LIMIT = 4 << 20 };
    struct shard *s = shard_of(LIMIT);
    unsigned      i = 0;

    for (; i < 400; i++)
        assert(push(s, "a", i, i, 4000) == CODE_OK);
    assert(push(s, "a", i, i, LIMIT) == CODE_RESOURCE_EXHAUSTED);
    assert(check_suffix(s, "a", i) == 0 && shard_stats(s).dropped_buckets == 0);
    shard_free(s);
}

/* A batch that fits, but not beside the bucket it would go to: its tenant gives that one too. */
static void the_newest_bucket_is_given_for_what_else_would_not_fit(void)
{
    enum { LIMIT = 1 << 20, SMALL = 20 };
    struct shard *s = shard_of(LIMIT);
    unsigned      i = 0, big = LIMIT;

    for (; i < SMALL; i++)
        assert(push(s, "a", i, i, 4000) == CODE_OK);
    assert(shard_stats(s).buckets == 1);
    shard_free(s);
    s = shard_of(LIMIT);
    while (push(s, "a", SMALL, SMALL, big) != CODE_OK) /* the largest that an empty shard takes, near enough */
        big -= 4096;
    shard_free(s);
    s = shard_of(LIMIT);
    for (i = 0; i < SMALL; i++)
        assert(push(s, "a", i, i, 4000) == CODE_OK);
    assert(push(s, "a", i, i, big) == CODE_OK && shard_stats(s).bytes <= LIMIT);
    assert(check_suffix(s, "a", i + 1) == i && shard_stats(s).dropped_buckets == 1);
    shard_free(s);
}

/* Data for an old span keeps its place in time, and the bucket it goes to is not dropped for it. */
static void late_data_has_its_place(void)
{
    enum { LIMIT = 4 << 20, LATE = 100 };
    struct shard *s = shard_of(LIMIT);
    struct pin    p;

    for (unsigned i = 0; i < 100; i++)
        assert(push(s, "a", i, i, 4000) == CODE_OK);
    for (unsigned i = 0; i < 3000; i++) {
        struct test_profile t = { "a", "svc", "pod-0", T0 + SPAN + i, 1, i, 4000 };
        struct append       one = { .batch = test_batch(arena, &t) }, *all = &one;
        shard_step(s, &all, 1, T0 + SPAN);
        assert(one.code == CODE_OK);
        arena_reset(arena);
    }
    for (unsigned i = 0; i < LATE; i++)
        assert(push(s, "a", i, i, 4000) == CODE_OK && shard_stats(s).bytes <= LIMIT);
    p = shard_pin(s, SLICE("a"), INT64_MIN, INT64_MAX);
    assert(p.n > 3 && bucket_start_ns(p.buckets[0]) == T0 && bucket_stats(p.buckets[0]).profiles == LATE);
    for (size_t i = 1; i < p.n; i++)
        assert(bucket_start_ns(p.buckets[i]) == T0 + SPAN);
    for (size_t i = 2; i < p.n; i++)
        assert(bucket_stats(p.buckets[i - 1]).newest_ns < bucket_stats(p.buckets[i]).oldest_ns);
    shard_unpin(&p);
    p = shard_pin(s, SLICE("a"), T0, T0 + SPAN - 1);
    assert(p.n == 1);
    shard_unpin(&p);
    shard_free(s);
}

int main(void)
{
    arena = arena_new(0);
    the_newest_of_a_flood_is_held();
    generations_answer_as_one_bucket();
    small_tenants_beside_a_flood_lose_nothing();
    equals_share_what_there_is();
    what_cannot_fit_is_refused_and_costs_nothing();
    the_newest_bucket_is_given_for_what_else_would_not_fit();
    late_data_has_its_place();
    arena_free(arena);
    puts("generations: ok");
    return 0;
}
