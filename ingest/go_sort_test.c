/*
 * Goal: items end where Go's sort puts them.  Method: orders that Go 1.26 made of the same items, one whole and more as
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
        return x % 16 == 0 ? x : i;
    }
}

static struct go_item *items_new(uint32_t shape, uint32_t n)
{
    struct go_item *v = mem_alloc(n * sizeof *v);

    for (uint32_t i = 0; i < n; i++)
        v[i] = (struct go_item){ rank_of(shape, i, n), i };
    return v;
}

static void one_order_whole(void)
{
    static const uint8_t want[] = {
        6, 22, 3, 12, 0, 23, 2, 7, 1, 21, 14, 19, 17, 18, 4, 8, 11, 13, 10, 15, 16, 20, 9, 5
    };
    struct go_item *v = items_new(1, sizeof want);

    for (uint32_t i = 0; i < sizeof want; i++)
        v[i].rank %= 4;
    go_sort(v, sizeof want);
    for (uint32_t i = 0; i < sizeof want; i++)
        assert(v[i].item == want[i]);
    free(v);
}

static uint32_t checksum(const struct go_item *v, uint32_t n)
{
    uint32_t h = 2166136261;

    for (uint32_t i = 0; i < n; i++)
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
        { 0xf87b3049, 0x6188ca43, 0x3d4317d7, 0x4f0b2b61 }, { 0x243aed23, 0x90d036a3, 0x297abbf3, 0x10e0ef67 },
        { 0x2e8a2071, 0x900db51b, 0xdb5bb459, 0x1467ffe7 }, { 0xd8360131, 0xe68ed21d, 0x75a43341, 0xe0ec9727 },
        { 0xbb50ae99, 0x79bb2877, 0xee8f767b, 0xc76f3961 }, { 0xee93ce8f, 0x1adfcf8d, 0x864d36d1, 0xacca7be1 },
        { 0x4a509959, 0x3ef907f5, 0x9a428b0d, 0xbc3acb15 }, { 0x4a509959, 0xe68e77c1, 0x87bb355f, 0xaf72b06d },
    };

    for (uint32_t shape = 0; shape < SHAPES; shape++)
        for (uint32_t i = 0; i < LENGTHS; i++) {
            struct go_item *v = items_new(shape, lengths[i]);
            go_sort(v, lengths[i]);
            is_sorted_permutation(v, lengths[i], shape);
            assert(checksum(v, lengths[i]) == want[shape][i]);
            free(v);
        }
}

int main(void)
{
    go_sort(NULL, 0);
    one_order_whole();
    orders_are_those_of_go();
    printf("go_sort: ok\n");
    return 0;
}
