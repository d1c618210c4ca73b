/*
 * Hist: durations by how often they came, log-linear: 128 buckets for each power of two, so that what is read back is at
 * most 0.8 % too large and recording is an addition.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum { HIST_SUB = 128, HIST_BUCKETS = HIST_SUB * 58 };

struct hist {
    uint64_t n, sum, max;
    uint64_t count[HIST_BUCKETS];
};

void    hist_record(struct hist *h, int64_t ns); /* less than 0 counts as 0 */
void    hist_merge(struct hist *into, const struct hist *from);
void    hist_reset(struct hist *h);
int64_t hist_at(const struct hist *h, double percent); /* no fewer than so many percent are at most this; 0 of none */
int64_t hist_mean(const struct hist *h);

/* Value, percentile, count and 1/(1 - percentile), as HdrHistogram prints them, in milliseconds. */
void hist_percentiles(const struct hist *h, struct buf *out);
