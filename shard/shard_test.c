/*
 * Goal: a shard keeps what was acked within its limits, gives memory back fairly and whole, and is a function of its
 * appends.  Method: shard_step on one thread with invented times; what is held is read back through pins.
 */
#include "shard/shard.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "index/bucket.h"
#include "index/select.h"
#include "shard/test_batch.h"

#define MINUTE (60 * NS_PER_S)
#define SPAN (10 * MINUTE)
#define T0 (1700000000 * NS_PER_S / SPAN * SPAN)

static struct shard *shard_of(int64_t retention_ns, size_t limit_bytes)
{
    return shard_new(
        &(struct shard_config){ .name = "test", .retention_ns = retention_ns, .limit_bytes = limit_bytes });
}

static enum code push_at(struct shard *s, const struct test_profile *p, int64_t now_ns)
{
    struct arena *a = arena_new(0);
    struct append one = { .batch = test_batch(a, p) }, *all = &one;

    shard_step(s, &all, 1, now_ns);
    if (one.code != CODE_OK)
        assert(one.why.code == one.code && one.why.text[0] != '\0');
    arena_free(a);
    return one.code;
}

static enum code push(struct shard *s, const char *tenant, int64_t time_ns, unsigned leaf)
{
    return push_at(s, &(struct test_profile){ tenant, "svc", "pod-0", time_ns, 1, leaf, 500 }, time_ns);
}

static int64_t profiles_of(struct shard *s, const char *tenant)
{
    struct pin p = shard_pin(s, slice_of(tenant), INT64_MIN, INT64_MAX);
    int64_t    n = 0;

    for (size_t i = 0; i < p.n; i++)
        n += bucket_stats(p.buckets[i]).profiles;
    shard_unpin(&p);
    return n;
}

static void tick(struct shard *s, int64_t now_ns) { shard_step(s, NULL, 0, now_ns); }

static void seen_at_once_in_its_own_bucket(void)
{
    struct shard *s = shard_of(INT64_MAX, SIZE_MAX);
    int64_t       oldest, newest;

    assert(!shard_span(s, SLICE("a"), &oldest, &newest));
    for (int i = 0; i < 6 * 6; i++) /* six hours, backwards, three profiles in each bucket */
        for (int k = 0; k < 3; k++)
            assert(push(s, "a", T0 - i * SPAN + k * MINUTE, (unsigned)k) == CODE_OK);
    assert(push(s, "b", T0, 0) == CODE_OK);
    assert(shard_span(s, SLICE("a"), &oldest, &newest) && oldest == T0 - 35 * SPAN && newest == T0 + 2 * MINUTE);
    assert(shard_stats(s).buckets == 37 && shard_stats(s).tenants == 2 && shard_stats(s).profiles == 109);

    int64_t    before = shard_stats(s).visited_buckets;
    struct pin p = shard_pin(s, SLICE("a"), T0 - 5 * SPAN, T0 - 5 * SPAN + 5 * MINUTE);
    assert(p.n == 1 && bucket_start_ns(p.buckets[0]) == T0 - 5 * SPAN);
    assert(shard_stats(s).visited_buckets - before == 1); /* a short question looks at its own span only */
    shard_unpin(&p);
    p = shard_pin(s, SLICE("a"), T0 - SPAN - 1, T0 - SPAN);
    assert(p.n == 2 && bucket_start_ns(p.buckets[0]) < bucket_start_ns(p.buckets[1]));
    shard_unpin(&p);
    p = shard_pin(s, SLICE("nobody"), INT64_MIN, INT64_MAX);
    assert(p.n == 0);
    shard_unpin(&p);
    assert(profiles_of(s, "a") == 108 && profiles_of(s, "b") == 1);
    shard_free(s);
}

static void more_buckets_than_the_first_guess(void)
{
    struct shard *s = shard_of(INT64_MAX, SIZE_MAX);

    for (int i = 0; i < 200; i++)
        assert(push(s, "a", T0 + i * SPAN, 0) == CODE_OK);
    assert(profiles_of(s, "a") == 200);
    shard_free(s);
}

static void impossible_times_are_refused(void)
{
    struct shard *s = shard_of(SPAN, SIZE_MAX);

    assert(push_at(s, &(struct test_profile){ "a", "svc", "p", INT64_MAX, 1, 0, 0 }, T0) == CODE_INVALID_ARGUMENT);
    assert(push_at(s, &(struct test_profile){ "a", "svc", "p", INT64_MIN, 1, 0, 0 }, T0) == CODE_INVALID_ARGUMENT);
    assert(push_at(s, &(struct test_profile){ "a", "svc", "p", T0 - 3 * SPAN, 1, 0, 0 }, T0) == CODE_INVALID_ARGUMENT);
    assert(shard_stats(s).buckets == 0 && shard_stats(s).tenants == 0 && shard_stats(s).bytes == 0);
    shard_free(s);
    s = shard_of(INT64_MAX, SIZE_MAX);
    assert(push_at(s, &(struct test_profile){ "a", "svc", "p", -1, 1, 0, 0 }, T0) ==
           CODE_OK); /* 1969 has buckets too */
    assert(profiles_of(s, "a") == 1);
    shard_free(s);
}

static void retention_drops_by_profile_time_and_gives_memory_back(void)
{
    struct shard *s = shard_of(3 * SPAN, SIZE_MAX);

    for (unsigned i = 0; i < 600; i++)
        assert(push_at(s, &(struct test_profile){ "a", "svc", "p", T0 + i * NS_PER_S, 1, i, 900 }, T0) == CODE_OK);
    size_t full = shard_stats(s).bytes;
    tick(s, T0 + 4 * SPAN - 1); /* the bucket's last moment is still within the retention */
    assert(shard_stats(s).buckets == 1 && shard_stats(s).data_since_ns == T0);
    tick(s, T0 + 4 * SPAN + NS_PER_S);
    tick(s, T0 + 4 * SPAN + NS_PER_S);
    struct shard_stats now = shard_stats(s);
    assert(now.buckets == 0 && now.tenants == 0 && now.profiles == 0 && now.series == 0 && now.samples == 0);
    assert(now.dropped_buckets == 1 && now.data_since_ns == T0 + SPAN);
    assert(full > 100000 && now.bytes <= full / 20); /* at least 95 % came back */
    assert((size_t)now.dropped_bytes >= full * 95 / 100);
    shard_free(s);
}

/* "brief" keeps two spans, "small" what is in its newest bucket, others all; `arg` makes everybody brief. */
static struct retention retention_of(void *arg, struct slice tenant)
{
    bool all_brief = *(bool *)arg;

    return (struct retention){ all_brief || slice_is(tenant, "brief") ? 2 * SPAN : INT64_MAX,
                               slice_is(tenant, "small") ? 1 : 0 };
}

static void retention_is_a_tenants_own_and_may_change(void)
{
    bool              all_brief = false;
    struct shard     *s = shard_new(&(struct shard_config){
            .name = "test", .retention_of = retention_of, .retention_arg = &all_brief, .limit_bytes = SIZE_MAX });
    const char *const names[] = { "brief", "other", "small" };

    for (int i = 0; i < 3; i++)
        for (unsigned k = 0; k < 6; k++)
            assert(push(s, names[i], T0 + k * SPAN, k) == CODE_OK);
    tick(s, T0 + 5 * SPAN + 2 * NS_PER_S);
    assert(profiles_of(s, "brief") == 3 && profiles_of(s, "other") == 6 && profiles_of(s, "small") == 1);
    struct test_profile late = { "brief", "svc", "p", T0, 1, 0, 500 };
    assert(push_at(s, &late, T0 + 5 * SPAN) == CODE_INVALID_ARGUMENT);
    late.tenant = "other";
    late.leaf = 99;
    assert(push_at(s, &late, T0 + 5 * SPAN) == CODE_OK);
    all_brief = true;
    tick(s, T0 + 5 * SPAN + 4 * NS_PER_S);
    assert(profiles_of(s, "other") == 3);
    shard_free(s);
}

static void a_noisy_tenant_eats_its_own_past(void)
{
    enum { LIMIT = 8 << 20, MINUTES = 240 };
    struct shard *s = shard_of(INT64_MAX, LIMIT);
    const char   *quiet[] = { "q1", "q2", "q3" };
    unsigned      leaf = 0;

    for (int minute = 0; minute < MINUTES; minute++) {
        int64_t at = T0 + minute * MINUTE;
        for (int i = 0; i < 3; i++)
            assert(push(s, quiet[i], at, (unsigned)minute) == CODE_OK);
        for (int i = 0; i < 60; i++) {
            enum code code = push(s, "noisy", at + i, leaf++);
            assert(code == CODE_OK || code == CODE_RESOURCE_EXHAUSTED);
        }
        assert(shard_stats(s).bytes <= LIMIT);
    }
    assert(shard_stats(s).dropped_buckets > 0); /* else this tests nothing */
    for (int i = 0; i < 3; i++)
        assert(profiles_of(s, quiet[i]) == MINUTES);
    assert(profiles_of(s, "noisy") < 60 * MINUTES && profiles_of(s, "noisy") > 0);
    shard_free(s);
}

static void pinned_buckets_still_count(void)
{
    enum { LIMIT = 2 << 20 };
    struct shard *s = shard_of(INT64_MAX, LIMIT);
    unsigned      i = 0;
    int64_t       held = 0;

    while (shard_stats(s).bytes < LIMIT * 3 / 4)
        assert(push(s, "a", T0 + i, i) == CODE_OK), i++;
    struct pin p = shard_pin(s, SLICE("a"), T0, T0);
    enum code  code = CODE_OK;
    for (unsigned k = 0; code == CODE_OK && k < 100000; k++) {
        code = push(s, "a", T0 + SPAN + k, k);
        assert(shard_stats(s).bytes <= LIMIT);
    }
    assert(code == CODE_RESOURCE_EXHAUSTED);
    for (size_t k = 0; k < p.n; k++)
        held += bucket_stats(p.buckets[k]).profiles;
    assert(held == i && shard_stats(s).dropped_buckets > 0); /* dropped, and still readable */
    shard_unpin(&p);
    assert(push(s, "a", T0 + SPAN, 1) == CODE_OK);
    shard_free(s);
}

/* Everything a tenant has, as bytes; returns what its buckets weigh. */
static size_t digest(struct shard *s, struct slice tenant, struct buf *out)
{
    struct pin       p = shard_pin(s, tenant, INT64_MIN, INT64_MAX);
    size_t           weight = 0;
    struct selection all = { .start_ns = INT64_MIN, .end_ns = INT64_MAX };
    struct fault     why;

    for (size_t i = 0; i < p.n; i++) {
        struct tree *t = tree_new();
        assert(select_tree(p.buckets[i], &all, t, &why) == CODE_OK);
        buf_printf(out, "%.*s %lld %zu %lld ", SLICE_ARGS(tenant), (long long)bucket_start_ns(p.buckets[i]),
                   bucket_bytes(p.buckets[i]), (long long)bucket_stats(p.buckets[i]).profiles);
        tree_encode(t, out);
        tree_free(t);
        weight += bucket_bytes(p.buckets[i]);
    }
    shard_unpin(&p);
    return weight;
}

static void random_run(uint64_t seed, size_t per_step, struct buf *out)
{
    struct shard *s = shard_of(30 * SPAN, 3 << 20);
    struct arena *a = arena_new(0);
    char          tenants[8][16];

    for (int i = 0; i < 8; i++)
        snprintf(tenants[i], sizeof tenants[i], "t%d", i);
    for (int i = 0; i < 6000;) {
        struct append appends[16], *list[16];
        size_t        n = 0;
        for (; n < per_step; n++, i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint64_t r = seed >> 20;
            appends[n] = (struct append){
                .batch = test_batch(a, &(struct test_profile){ tenants[r % 64 < 40 ? 0 : r % 8], r & 64 ? "x" : "y",
                                                               r & 128 ? "p1" : "p2",
                                                               T0 + i * NS_PER_S * 5 - (int64_t)(r >> 10 & 7) * SPAN,
                                                               1 + (int64_t)(r & 1023), (unsigned)(r >> 8) % 500,
                                                               (unsigned)(r >> 5) % 900 })
            };
            list[n] = &appends[n];
        }
        shard_step(s, list, n, T0 + i / 48 * 48 * NS_PER_S * 5);
        for (size_t k = 0; k < n; k++)
            buf_printf(out, "%d", (int)appends[k].code);
        arena_reset(a);
    }
    assert(shard_stats(s).dropped_buckets > 0);
    tick(s,
         T0); /* readers are gone: what is accounted is what is held, and some 100 bytes for each bucket and tenant */
    size_t weight = 0, bytes = shard_stats(s).bytes;
    for (int i = 0; i < 8; i++)
        weight += digest(s, slice_of(tenants[i]), out);
    assert(weight <= bytes && bytes - weight < 256 * (size_t)shard_stats(s).buckets);
    arena_free(a);
    shard_free(s);
}

static void the_same_appends_make_the_same_shard(void)
{
    struct buf one = { 0 }, two = { 0 };

    random_run(42, 8, &one);
    random_run(42, 8, &two);
    assert(one.n > 6000 && slice_eq(buf_view(&one), buf_view(&two)));
    buf_free(&one);
    buf_free(&two);
}

static void many_tenants_come_and_go(void)
{
    struct shard *s = shard_of(2 * SPAN, SIZE_MAX);
    char          name[16];

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 300; i++) {
            snprintf(name, sizeof name, "tenant-%d", i * 7919 % 1000);
            assert(push(s, name, T0 + round * 4 * SPAN + i, 0) == CODE_OK);
        }
        assert(shard_stats(s).tenants == 300 && shard_stats(s).buckets == 300);
    }
    assert(profiles_of(s, "tenant-0") == 1 && profiles_of(s, "tenant-7") == 0);
    shard_free(s);
}

int main(void)
{
    seen_at_once_in_its_own_bucket();
    more_buckets_than_the_first_guess();
    impossible_times_are_refused();
    retention_drops_by_profile_time_and_gives_memory_back();
    retention_is_a_tenants_own_and_may_change();
    a_noisy_tenant_eats_its_own_past();
    pinned_buckets_still_count();
    the_same_appends_make_the_same_shard();
    many_tenants_come_and_go();
    puts("shard: ok");
    return 0;
}
