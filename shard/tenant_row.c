#include "shard/tenant_row.h"

#include "base/mem.h"

CK_EPOCH_CONTAINER(struct row, reclaim, row_of)

void row_free(ck_epoch_entry_t *e) { free(row_of(e)); }

size_t row_behind(const struct row *r, int64_t start_ns)
{
    size_t lo = 0, hi = r->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->at[mid].start_ns <= start_ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct row *row_copy(const struct row *old)
{
    struct row *r = mem_alloc(sizeof *r + old->n * sizeof *r->at);

    r->n = old->n;
    memcpy(r->at, old->at, old->n * sizeof *r->at);
    return r;
}

struct row *row_with(const struct row *old, size_t i, const struct held *h)
{
    size_t      n = old ? old->n : 0;
    struct row *r = mem_alloc(sizeof *r + (n + 1) * sizeof *r->at);

    r->n = n + 1;
    if (old != NULL && i > 0)
        memcpy(r->at, old->at, i * sizeof *r->at);
    if (old != NULL && n > i)
        memcpy(r->at + i + 1, old->at + i, (n - i) * sizeof *r->at);
    r->at[i] = *h;
    return r;
}

struct row *row_without(const struct row *old, size_t i)
{
    struct row *r = mem_alloc(sizeof *r + old->n * sizeof *r->at);

    r->n = old->n - 1;
    memcpy(r->at, old->at, i * sizeof *r->at);
    memcpy(r->at + i, old->at + i + 1, (r->n - i) * sizeof *r->at);
    return r;
}
