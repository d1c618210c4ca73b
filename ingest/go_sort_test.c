/*
 * Goal: items of a rank end where Go's sort puts them.  Method: orders that Go 1.26 made of the same items, one whole and more as
 * checksums; what is sorted is a permutation in order.
 */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "ingest/go_sort.h"

enum { SHAPES = 8, LENGTHS = 4 };

static uint32_t rank_of(uint32_t shape, uint32_t i, uint32_t n)
{
    uint32_t x = i * 2654435761u + 12345;

    x = (x ^ x >> 15) * 2246822519u;
    x ^= x >> 13;
    switch (shape) {
    case 0:
        return x % 3;
    case 1:
        return 1 + x % 17;
    case 2:
        return i / 7;
    case 3:
        return (n - i) / 5;
    case 4:
        return 0;
    case 5:
        return 1 + (i < n / 2 ? i : n - i);
    case 6:
        return 1 + i % 12;
    default:
        return x % 16 == 0 ? x % n : i;
    }
}

static struct go_item *items_new(uint32_t shape, uint32_t n)
{
    struct go_item *v = mem_alloc(n * sizeof *v);

    for (uint32_t i = 0; i < n; i++)
        v[i] = (struct go_item){ rank_of(shape, i, n), i };
    return v;
}

/* Asks for every `step`th rank; none of these items has a rank above n. */
static void sort(struct go_item *v, uint32_t n, uint32_t step)
{
    uint32_t *asked_before = mem_alloc((n + 1) * sizeof *asked_before);

    for (uint32_t i = 0; i <= n; i++)
        asked_before[i] = i / step;
    go_sort(v, n, asked_before, n);
    free(asked_before);
}

static void one_order_whole(void)
{
    static const uint8_t want[] = {
        6, 22, 3, 12, 0, 23, 2, 7, 1, 21, 14, 19, 17, 18, 4, 8, 11, 13, 10, 15, 16, 20, 9, 5
    };
    struct go_item *v = items_new(1, sizeof want);

    for (uint32_t i = 0; i < sizeof want; i++)
        v[i].rank %= 4;
    sort(v, sizeof want, 1);
    for (uint32_t i = 0; i < sizeof want; i++)
        assert(v[i].rank == 0 || v[i].item == want[i]);
    free(v);
}

static uint32_t checksum(const struct go_item *v, uint32_t n)
{
    uint32_t h = 2166136261;

    for (uint32_t i = 0; i < n; i++)
        if (v[i].rank > 0)
            h = (h ^ v[i].item) * 16777619;
    return h;
}

static void is_sorted_permutation(const struct go_item *v, uint32_t n, uint32_t shape)
{
    uint8_t *seen = mem_zalloc(n);

    for (uint32_t i = 0; i < n; i++) {
        assert(v[i].item < n && seen[v[i].item]++ == 0 && v[i].rank == rank_of(shape, v[i].item, n));
        assert(i == 0 || v[i - 1].rank <= v[i].rank);
    }
    free(seen);
}

static void orders_are_those_of_go(void)
{
    static const uint32_t lengths[LENGTHS] = { 12, 40, 1000, 30000 };
    static const uint32_t want[SHAPES][LENGTHS] = {
        { 0xe1c558f3, 0x6b855dd3, 0xe49ad08e, 0x439a7d51 }, { 0x243aed23, 0x90d036a3, 0x297abbf3, 0x10e0ef67 },
        { 0x1c1f20c6, 0xcb92964e, 0x6e98d10a, 0x378573ac }, { 0xe3d745ad, 0x13a385c1, 0x34e29c95, 0x5af9492b },
        { 0x811c9dc5, 0x811c9dc5, 0x811c9dc5, 0x811c9dc5 }, { 0xee93ce8f, 0x1adfcf8d, 0x864d36d1, 0xacca7be1 },
        { 0x4a509959, 0x3ef907f5, 0x9a428b0d, 0xbc3acb15 }, { 0xe934cc3b, 0x32bebea5, 0xd243a8fe, 0x9365bf00 },
    };

    for (uint32_t shape = 0; shape < SHAPES; shape++)
        for (uint32_t i = 0; i < LENGTHS; i++) {
            struct go_item *v = items_new(shape, lengths[i]);
            sort(v, lengths[i], 1);
            is_sorted_permutation(v, lengths[i], shape);
            assert(checksum(v, lengths[i]) == want[shape][i]);
            free(v);
        }
}

static void only_what_is_asked_for_is_placed(void)
{
    enum { N = 5000, STEP = 100 };

    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        struct go_item *all = items_new(shape, N), *some = items_new(shape, N);
        sort(all, N, 1);
        sort(some, N, STEP);
        for (uint32_t i = 0; i < N; i++)
            if (all[i].rank > 0 && all[i].rank % STEP == 0)
                assert(some[i].rank == all[i].rank && some[i].item == all[i].item);
        free(all);
        free(some);
    }
}

/* Ranks as an adversary chooses them (McIlroy, 1999): bad pivots, until the heap sort has to do it. */
static void bad_pivots_are_those_of_go(void)
{
    static const uint8_t ranks[] = { 4,  4,  5,  5,  6,  6,  7,  7,  8,  8,  9,  9,  10, 10, 11, 11, 1,  1,
                                     12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 2,  2,  23,
                                     34, 31, 34, 25, 24, 27, 30, 25, 35, 20, 32, 33, 22, 22, 3,  3,  36, 19,
                                     20, 21, 32, 29, 33, 26, 21, 31, 26, 30, 29, 23, 24, 28, 27, 28 };
    struct go_item      *v = mem_alloc(sizeof ranks * sizeof *v);

    for (uint32_t i = 0; i < sizeof ranks; i++)
        v[i] = (struct go_item){ ranks[i], i };
    sort(v, sizeof ranks, 1);
    assert(checksum(v, sizeof ranks) == 0x153b3eb0);
    free(v);
}

int main(void)
{
    go_sort(NULL, 0, NULL, 0);
    one_order_whole();
    orders_are_those_of_go();
    only_what_is_asked_for_is_placed();
    bad_pivots_are_those_of_go();
    printf("go_sort: ok\n");
    return 0;
}
