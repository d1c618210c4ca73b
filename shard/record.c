#include "shard/record.h"

#include <string.h>

struct record_head {
    int64_t        start_ns;
    uint64_t       generation;
    struct hash128 key;
    uint32_t       tenant, redo; /* bytes */
};
_Static_assert(sizeof(struct record_head) == 40, "as documented");

void record_write(struct buf *out, const struct record *r)
{
    static const char  zeros[8];
    struct record_head h = { r->start_ns, r->generation, r->key, (uint32_t)r->tenant.n, (uint32_t)r->redo.n };

    buf_put(out, &h, sizeof h);
    buf_slice(out, r->tenant);
    buf_slice(out, r->redo);
    buf_put(out, zeros, (0 - (r->tenant.n + r->redo.n)) % sizeof zeros);
}

enum code record_read(struct slice payload, struct record *out, struct fault *why)
{
    struct record_head h;

    if (payload.n < sizeof h)
        return fail(why, CODE_DATA_LOSS, "shorter than its head");
    memcpy(&h, payload.p, sizeof h);
    struct slice rest = slice_from(payload, sizeof h);
    if ((uint64_t)h.tenant + h.redo > rest.n || rest.n - h.tenant - h.redo >= 8)
        return fail(why, CODE_DATA_LOSS, "not as long as it says");
    *out = (struct record){ h.start_ns, h.generation, h.key, slice_make(rest.p, h.tenant),
                            slice_make(rest.p + h.tenant, h.redo) };
    return CODE_OK;
}
