#include "loadtest/hist.h"

#include <math.h>

static unsigned bucket_of(uint64_t v)
{
    if (v < HIST_SUB)
        return (unsigned)v;
    unsigned shift = 63 - (unsigned)__builtin_clzll(v) - 7; /* keeps the first bit and seven more */
    return (shift + 1) * HIST_SUB + (unsigned)(v >> shift) - HIST_SUB;
}

/* The largest value of a bucket. */
static uint64_t bucket_end(unsigned i)
{
    if (i < HIST_SUB)
        return i;
    unsigned shift = i / HIST_SUB - 1;
    return ((uint64_t)(i % HIST_SUB + HIST_SUB + 1) << shift) - 1;
}

void hist_record(struct hist *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;

    h->n++;
    h->sum += v;
    h->max = v > h->max ? v : h->max;
    h->count[bucket_of(v)]++;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    into->n += from->n;
    into->sum += from->sum;
    into->max = from->max > into->max ? from->max : into->max;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->count[i] += from->count[i];
}

void hist_reset(struct hist *h) { *h = (struct hist){ 0 }; }

int64_t hist_at(const struct hist *h, double percent)
{
    uint64_t wanted = (uint64_t)ceil(percent / 100 * (double)h->n), so_far = 0;

    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        so_far += h->count[i];
        if (so_far > 0 && so_far >= wanted)
            return (int64_t)(bucket_end(i) < h->max ? bucket_end(i) : h->max);
    }
    return 0;
}

int64_t hist_mean(const struct hist *h) { return h->n ? (int64_t)(h->sum / h->n) : 0; }

void hist_percentiles(const struct hist *h, struct buf *out)
{
    buf_text(out, "       Value   Percentile   TotalCount 1/(1-Percentile)\n");
    for (double left = 100; h->n > 0; left /= 2) {
        double   percent = 100 - left;
        uint64_t n = (uint64_t)ceil(percent / 100 * (double)h->n);
        buf_printf(out, "%12.3f %12.6f %12llu %16.2f\n", (double)hist_at(h, percent) / 1e6, percent / 100,
                   (unsigned long long)n, 100 / left);
        if (left * (double)h->n < 100)
            break;
    }
    buf_printf(out, "#[Mean = %.3f, Max = %.3f, Total = %llu]\n", (double)hist_mean(h) / 1e6, (double)h->max / 1e6,
               (unsigned long long)h->n);
}
