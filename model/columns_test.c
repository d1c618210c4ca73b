/*
 * Goal: what is packed comes back, in as few bytes as it needs; nothing that is cut short or damaged is read beyond.
 * Method: fields of every width, with and without bits in common, there and back; every truncation and flipped bit of one.
 */
#include "model/columns.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct item {
    uint32_t id, gap;
    uint64_t value;
};

static const struct columns columns = { sizeof(struct item),
                                        2,
                                        { { offsetof(struct item, id), 4 }, { offsetof(struct item, value), 8 } } };

enum { N = 50, HEAD = 32 };

static struct buf packed_of(struct item *items, uint32_t n, uint32_t id, uint64_t value)
{
    struct buf out = { 0 };

    for (uint32_t i = 0; i < n; i++)
        items[i] = (struct item){ .id = id + i, .value = value * i };
    buf_byte(&out, '?'); /* it may begin anywhere */
    columns_pack(&columns, items, n, &out);
    assert(out.n % 8 == 1);
    return out;
}

/* Returns how many bytes it takes. */
static size_t there_and_back(uint32_t n, uint32_t id, uint64_t value)
{
    struct item   items[N];
    struct buf    out = packed_of(items, n, id, value);
    struct slice  left = slice_from(buf_view(&out), 1), again = left;
    struct arena *a = arena_new(0);
    const void   *back;
    uint32_t      n_back;
    size_t        bytes = left.n;

    bool is_good = columns_unpack(&columns, &left, a, &back, &n_back);
    assert(is_good && left.n == 0 && n_back == n && (n == 0 || memcmp(back, items, n * sizeof *items) == 0));
    memset(items, 0xFF, sizeof items);
    bool is_same = columns_unpack_n(&columns, &again, items, n);
    assert(is_same && again.n == 0 && (n == 0 || memcmp(back, items, n * sizeof *items) == 0));
    again = slice_from(buf_view(&out), 1);
    assert(!columns_unpack_n(&columns, &again, items, n + 1));
    arena_free(a);
    buf_free(&out);
    return bytes;
}

static void takes_what_it_needs(void)
{
    assert(there_and_back(0, 0, 0) == HEAD);
    assert(there_and_back(1, 77, 1) == HEAD);
    assert(there_and_back(N, 0, 0) == HEAD + 56);                          /* ids of a byte, no values */
    assert(there_and_back(N, 0xFFFFFF00, 1) == HEAD + 56 + 56);            /* the upper bytes are in common */
    assert(there_and_back(N, 0, 1000) == HEAD + 56 + 104);                 /* values of two bytes */
    assert(there_and_back(N, 0, 1 << 20) == HEAD + 56 + 200);              /* of four */
    assert(there_and_back(N, UINT32_MAX, UINT64_C(1) << 40) > HEAD + 400); /* of eight, and ids that wrap */
}

static void damage_is_harmless(void)
{
    struct item items[N];
    struct buf  out = packed_of(items, N, 250, 1000);
    size_t      bytes = out.n - 1;

    for (size_t i = 0; i < bytes * 9; i++) { /* every cut, then every bit */
        size_t        n = i < bytes ? i : bytes;
        char         *copy = mem_alloc(n);
        struct arena *a = arena_new(0);
        struct slice  left = { copy, n };
        const void   *back;
        uint32_t      n_back;
        memcpy(copy, out.p + 1, n);
        if (i >= bytes)
            copy[(i - bytes) / 8] ^= (char)(1 << (i - bytes) % 8);
        bool is_good = columns_unpack(&columns, &left, a, &back, &n_back);
        assert(i >= bytes || !is_good);
        arena_free(a);
        free(copy);
    }
    buf_free(&out);
}

int main(void)
{
    takes_what_it_needs();
    damage_is_harmless();
    printf("columns: ok\n");
    return 0;
}
