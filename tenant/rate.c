#include "tenant/rate.h"

#include "tenant/limits.h"

/* How long `bytes` take at `per_s`, saturating. */
static int64_t span_ns(int64_t bytes, int64_t per_s)
{
    __int128 ns = (__int128)bytes * 1000000000 / per_s;

    return ns > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)ns;
}

bool rate_take(struct rate *r, int64_t bytes, int64_t per_s, int64_t burst_bytes, int64_t now_ns)
{
    if (per_s == LIMIT_NONE)
        return true;
    if (per_s <= 0)
        return false;
    int64_t cost = span_ns(bytes, per_s), room = span_ns(burst_bytes, per_s);
    int64_t paid = atomic_load_explicit(&r->paid_ns, memory_order_relaxed), next;

    do {
        next = (paid > now_ns ? paid : now_ns) + cost;
        if (bytes > burst_bytes || next - now_ns > room)
            return false;
    } while (
        !atomic_compare_exchange_weak_explicit(&r->paid_ns, &paid, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}
