/*
 * slot = XXH3-64 (seed 0) of { u32 n, tenant, u32 n, service, u32 share } mod 1024, little-endian,
 * share = labels_hash mod spread.
 *
 * So a tenant's service is spread over at most `spread` slots, its symbols stay together there, and one label set
 * always goes to one place.  Never to be changed: the golden vectors in place_test.c stand for every cluster that
 * exists.
 */
#include <assert.h>
#include <endian.h>

#include "base/buf.h"
#include "base/hash.h"
#include "router/router.h"

static void put_u32(struct buf *b, uint32_t v)
{
    uint32_t le = htole32(v);

    buf_put(b, &le, sizeof le);
}

uint16_t place(struct slice tenant, struct slice service, struct labels labels, uint32_t spread)
{
    struct buf b = { 0 };

    assert(spread > 0);
    put_u32(&b, (uint32_t)tenant.n);
    buf_slice(&b, tenant);
    put_u32(&b, (uint32_t)service.n);
    buf_slice(&b, service);
    put_u32(&b, (uint32_t)(labels_hash(labels) % spread));
    uint16_t slot = (uint16_t)(hash_slice(buf_view(&b)) % SLOTS);
    buf_free(&b);
    return slot;
}
