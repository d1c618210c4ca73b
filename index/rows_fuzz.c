/* Any bytes: rows_check refuses them, or they decode in bounds and encode again to the same rows. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/rows.h"

enum { IDS_END = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t decode(const uint8_t *block, uint32_t column, uint32_t *ids, int64_t *values)
{
    struct rows_cursor c = rows_open(block, column);
    uint32_t           n = 0, step, pack_ids[ROWS_PACK];
    int64_t            pack[ROWS_PACK];

    while ((step = rows_next(&c, pack_ids, pack)) > 0) {
        memcpy(ids + n, pack_ids, step * sizeof *ids);
        memcpy(values + n, pack, step * sizeof *values);
        n += step;
    }
    return n;
}

static void again(const uint32_t *ids, const int64_t *values, uint32_t n)
{
    struct buf b = { 0 };
    uint32_t  *ids_again = mem_alloc(n * sizeof *ids);
    int64_t   *values_again = mem_alloc(n * sizeof *values);

    for (uint32_t i = 0; i < n; i++) {
        assert(values[i] >= 0 && ids[i] < IDS_END);
        assert(i == 0 || ids[i] > ids[i - 1]);
    }
    rows_encode(&b, ids, n, &values, 1);
    assert(rows_check(buf_view(&b), IDS_END));
    assert(decode((const uint8_t *)b.p, 0, ids_again, values_again) == n);
    assert(memcmp(ids, ids_again, n * sizeof *ids) == 0 && memcmp(values, values_again, n * sizeof *values) == 0);
    free(ids_again);
    free(values_again);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *block = mem_alloc(size); /* exact, so that the sanitizer sees a read behind it */

    if (size > 0)
        memcpy(block, data, size);
    if (rows_check(slice_make(block, size), IDS_END)) {
        uint32_t  n = rows_n(block);
        uint32_t *ids = mem_alloc((size_t)n * sizeof *ids);
        int64_t  *values = mem_alloc((size_t)n * sizeof *values);
        for (uint32_t c = 0; c < rows_columns(block); c++) {
            assert(decode(block, c, ids, values) == n);
            again(ids, values, n);
        }
        free(ids);
        free(values);
    }
    free(block);
    return 0;
}
