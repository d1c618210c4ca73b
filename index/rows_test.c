/*
 * Goal: rows come back as they went in, in few bytes, and rows_check tells blocks from other bytes.
 * Method: hand-made extremes, then random columns of every kind from a seed; each block is checked, decoded and compared,
 * and every single-byte change of a small one either fails the check or decodes without harm.
 */
#include "index/rows.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 5000, C_MAX = 6 };

static uint64_t seed = 1;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static void comes_back(const uint32_t *ids, uint32_t n, const int64_t *const *columns, uint32_t n_columns)
{
    struct buf b = { 0 };
    uint32_t   got[ROWS_PACK], step;
    int64_t    values[ROWS_PACK];

    rows_encode(&b, ids, n, columns, n_columns);
    assert(b.n <= rows_bytes_max(n, n_columns));
    uint8_t *exact = malloc(b.n); /* so that the sanitizer sees a read behind the block */
    memcpy(exact, b.p, b.n);
    assert(rows_n(exact) == n && rows_columns(exact) == n_columns);
    assert(rows_check(slice_make(exact, b.n), (uint64_t)ids[n - 1] + 1));
    assert(!rows_check(slice_make(exact, b.n), ids[n - 1]));
    for (uint32_t c = 0; c < n_columns; c++) {
        struct rows_cursor cursor = rows_open(exact, c);
        uint32_t           at = 0;
        while ((step = rows_next(&cursor, got, values)) > 0) {
            for (uint32_t i = 0; i < step; i++)
                assert(got[i] == ids[at + i] && values[i] == columns[c][at + i]);
            at += step;
        }
        assert(at == n);
    }
    free(exact);
    buf_free(&b);
}

static void extremes(void)
{
    const int64_t  top[] = { INT64_MAX }, zero[] = { 0 }, mixed[] = { INT64_MAX, 0, 1 }, big[] = { 1, 1, INT64_MAX - 1 };
    const uint32_t last[] = { UINT32_MAX - 1 }, spread[] = { 0, 7, UINT32_MAX - 1 };

    comes_back((uint32_t[]){ 0 }, 1, (const int64_t *[]){ top }, 1);
    comes_back(last, 1, (const int64_t *[]){ zero, top }, 2);
    comes_back(spread, 3, (const int64_t *[]){ mixed, big, mixed }, 3);
}

static int64_t value_of(int kind, uint32_t i)
{
    switch (kind) {
    case 0: return dice(5) ? 1 : 1 + dice(30);
    case 1: return 10000000 * (int64_t)(dice(5) ? 1 : 1 + dice(30));
    case 2: return dice(20) ? 0 : (int64_t)dice(1u << 20) * 512;
    case 3: return (int64_t)((uint64_t)dice(UINT32_MAX) << 31 | dice(UINT32_MAX)) >> dice(60);
    case 4: return 7;
    default: return (int64_t)i;
    }
}

static void random_columns(void)
{
    static int64_t  room[C_MAX][N_MAX];
    static uint32_t ids[N_MAX];
    const int64_t  *columns[C_MAX];

    for (int round = 0; round < 2000; round++) {
        uint32_t n = 1 + dice(dice(10) ? 200 : N_MAX), n_columns = 1 + dice(C_MAX), gap = 1u << dice(16), id = dice(gap);
        for (uint32_t i = 0; i < n; i++, id += 1 + (dice(4) ? 0 : dice(gap)))
            ids[i] = id;
        for (uint32_t c = 0; c < n_columns; c++) {
            int kind = (int)dice(8);
            for (uint32_t i = 0; i < n; i++)
                room[c][i] = kind < 6 || c == 0 ? value_of(kind, i) : room[c - 1][i] / 1000000 * (kind - 5);
            columns[c] = room[c];
        }
        comes_back(ids, n, columns, n_columns);
    }
}

/* Packs in which all words but one are as wide, full ones and the last of any length. */
static void every_width(void)
{
    uint32_t ids[ROWS_PACK + 1];
    int64_t  values[ROWS_PACK + 1];

    for (uint32_t i = 0; i <= ROWS_PACK; i++)
        ids[i] = i;
    for (uint32_t width = 1; width <= 63; width++)
        for (uint32_t n = 1; n <= ROWS_PACK + 1; n++) {
            uint64_t top = UINT64_C(1) << (width - 1);
            for (uint32_t i = 0; i < n; i++)
                values[i] = i == 0 ? 0 : (int64_t)(top | (((uint64_t)dice(UINT32_MAX) << 31 | dice(UINT32_MAX)) & (top - 1)));
            comes_back(ids, n, (const int64_t *[]){ values }, 1);
        }
}

/* What the store is built for: counts near 1 with their nanoseconds, ids that are half a run. */
static void cpu_rows_are_small(void)
{
    enum { N = 400 };
    uint32_t   ids[N], id = 0;
    int64_t    counts[N], ns[N];
    struct buf b = { 0 };

    for (uint32_t i = 0; i < N; i++) {
        ids[i] = id += 1 + (dice(2) ? 0 : dice(12));
        counts[i] = dice(4) ? 1 : 2 + dice(8);
        ns[i] = counts[i] * 10000000;
    }
    rows_encode(&b, ids, N, (const int64_t *[]){ counts, ns }, 2);
    printf("cpu-like rows: %.2f bytes each\n", (double)b.n / N);
    assert(b.n < N * 3 / 2);
    buf_free(&b);
}

static void changed_bytes_do_no_harm(void)
{
    uint32_t   ids[100], got[ROWS_PACK];
    int64_t    a[100], c[100], values[ROWS_PACK];
    struct buf b = { 0 };

    for (uint32_t i = 0; i < 100; i++) {
        ids[i] = i * 3;
        a[i] = value_of(0, i);
        c[i] = value_of(3, i);
    }
    rows_encode(&b, ids, 100, (const int64_t *[]){ a, c, a }, 3);
    for (size_t at = 0; at < b.n; at++)
        for (int byte = 0; byte < 256; byte++) {
            char was = b.p[at];
            b.p[at] = (char)byte;
            uint8_t *exact = malloc(b.n);
            memcpy(exact, b.p, b.n);
            if (rows_check(slice_make(exact, b.n), 1000))
                for (uint32_t k = 0; k < rows_columns(exact); k++) {
                    struct rows_cursor cursor = rows_open(exact, k);
                    while (rows_next(&cursor, got, values) > 0)
                        assert(got[0] < 1000 && values[0] >= 0);
                }
            free(exact);
            b.p[at] = was;
        }
    for (size_t n = 0; n < b.n; n++)
        assert(!rows_check(slice_make(b.p, n), 1000));
    buf_free(&b);
}

int main(void)
{
    extremes();
    every_width();
    random_columns();
    cpu_rows_are_small();
    changed_bytes_do_no_harm();
    return 0;
}
