/*
 * Principal: on whose behalf a call acts.  server/authorize.c makes it before the method runs.
 *
 * P1  At least one tenant; ascending, distinct, valid (tenant/tenant_id.h).  Exactly one unless the method reads.
 * P2  `limits` are the tenant's; of several tenants the tightest of each.
 * P3  It lies in the call's arena and is valid until the call is ended.  The shard service, whose callers are peers and
 *     name tenants in their messages, and the plain pages have none.
 */
#pragma once

#include "base/slice.h"
#include "rpc/call.h"
#include "tenant/limits.h"

struct principal {
    const struct slice *tenants;
    size_t              n_tenants;
    struct limits       limits;
};

/* NULL for methods that need no tenant. */
static inline const struct principal *principal_of(const struct call *c) { return call_user(c); }
