/*
 * Goal: placement never changes by accident, and spreads as promised.  Method: golden vectors, recorded when the first
 * cluster could have been started; then counting.
 */
#include <assert.h>
#include <stdio.h>

#include "router/router.h"

static uint16_t place_of(const char *tenant, const char *service, const char *pod, uint32_t spread)
{
    struct label at[] = { { SLICE("pod"), slice_of(pod) }, { SLICE("service_name"), slice_of(service) } };

    return place(slice_of(tenant), slice_of(service), (struct labels){ at, 2 }, spread);
}

static void golden(void)
{
    static const struct {
        const char *tenant, *service, *pod;
        uint32_t    spread;
        uint16_t    slot;
    } all[] = {
        { "anonymous", "checkout", "a", 4, 719 },
        { "anonymous", "checkout", "b", 4, 251 },
        { "anonymous", "checkout", "c", 4, 486 },
        { "anonymous", "checkout", "a", 1, 461 },
        { "anonymous", "checkout", "b", 1, 461 },
        { "anonymous", "checkout", "a", 1024, 20 },
        { "team-a", "checkout", "a", 4, 451 },
        { "anonymous", "", "", 4, 538 },
        { "", "", "", 1, 240 },
        { "anonymou", "scheckout", "a", 1, 427 },
        { "t\xc3\xa9nant", "\xe2\x82\xac", "x", 16, 507 },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint16_t slot = place_of(all[i].tenant, all[i].service, all[i].pod, all[i].spread);
        if (slot != all[i].slot)
            fprintf(stderr, "vector %zu: %u\n", i, slot);
        assert(slot == all[i].slot);
    }
}

static size_t slots_used(uint32_t spread)
{
    bool   seen[SLOTS] = { false };
    size_t n = 0;
    char   pod[16];

    for (int i = 0; i < 2000; i++) {
        snprintf(pod, sizeof pod, "pod-%d", i);
        uint16_t slot = place_of("t", "s", pod, spread);
        assert(slot < SLOTS);
        n += !seen[slot];
        seen[slot] = true;
    }
    return n;
}

static void a_service_uses_at_most_its_spread(void)
{
    assert(slots_used(1) == 1);
    assert(slots_used(4) == 4);
    assert(slots_used(16) == 16);
    assert(slots_used(1024) > 400);
}

int main(void)
{
    golden();
    a_service_uses_at_most_its_spread();
    puts("place: ok");
    return 0;
}
