#include "tenant/rate.h"

#include "tenant/limits.h"

/* How long `bytes` take at `per_s`, saturating. */
static int64_t span_ns(int64_t bytes, int64_t per_s)
{
    __int128 ns = (__int128)bytes * 1000000000 / per_s;

    return ns > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)ns;
}

/* Up to when it would be paid for then; false: that is more than the bucket holds. */
static bool pay(int64_t paid_ns, int64_t bytes, int64_t per_s, int64_t burst_bytes, int64_t now_ns, int64_t *next_ns)
{
    if (per_s <= 0)
        return false;
    *next_ns = (paid_ns > now_ns ? paid_ns : now_ns) + span_ns(bytes, per_s);
    return bytes <= burst_bytes && *next_ns - now_ns <= span_ns(burst_bytes, per_s);
}

bool rate_take(struct rate *r, int64_t bytes, int64_t per_s, int64_t burst_bytes, int64_t now_ns)
{
    int64_t paid = atomic_load_explicit(&r->paid_ns, memory_order_relaxed), next;

    if (per_s == LIMIT_NONE)
        return true;
    do {
        if (!pay(paid, bytes, per_s, burst_bytes, now_ns, &next))
            return false;
    } while (
        !atomic_compare_exchange_weak_explicit(&r->paid_ns, &paid, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool rate_holds(const struct rate *r, int64_t bytes, int64_t per_s, int64_t burst_bytes, int64_t now_ns)
{
    int64_t paid = atomic_load_explicit(&r->paid_ns, memory_order_relaxed), next;

    return per_s == LIMIT_NONE || pay(paid, bytes, per_s, burst_bytes, now_ns, &next);
}

void rate_give(struct rate *r, int64_t bytes, int64_t per_s)
{
    if (per_s != LIMIT_NONE && per_s > 0)
        atomic_fetch_sub_explicit(&r->paid_ns, span_ns(bytes, per_s), memory_order_relaxed);
}
