#include "query/query.h"
#include "shard/shard.h"

enum { QUICK_EFFORT = 1024 }; /* series and points: some 100 us */

bool query_is_quick(struct router *r, const struct slice *tenants, size_t n, int64_t start_ns, int64_t end_ns)
{
    struct shard *s = router_local(r);
    struct fault  why;
    uint64_t      left = QUICK_EFFORT;

    if (s == NULL || !router_is_alone(r) || shard_check_loaded(s, &why) != CODE_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint64_t effort = shard_effort(s, tenants[i], start_ns, end_ns);
        if (effort > left)
            return false;
        left -= effort;
    }
    return true;
}
