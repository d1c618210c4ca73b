/*
 * Rate: a token bucket in one word.
 *
 *     paid_ns: the moment up to which what was taken has been paid for, at `per_s` bytes a second
 *
 *     now |-------------| paid_ns       the bucket holds burst - (paid_ns - now) * per_s; full when paid_ns <= now
 *
 * Any thread; taking is one compare-and-swap.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
    _Atomic int64_t paid_ns; /* zero-initialised: full */
};

/*
 * Takes `bytes` when the bucket holds them.  per_s LIMIT_NONE: always.  Bytes and limits are >= 0; a request above the
 * burst never passes, so the caller makes the burst at least as large as the largest item.
 */
bool rate_take(struct rate *r, int64_t bytes, int64_t per_s, int64_t burst_bytes, int64_t now_ns);

/* Whether rate_take would take them now; nothing is taken. */
bool rate_holds(const struct rate *r, int64_t bytes, int64_t per_s, int64_t burst_bytes, int64_t now_ns);

/* Gives back what was taken, under the same limit. */
void rate_give(struct rate *r, int64_t bytes, int64_t per_s);
