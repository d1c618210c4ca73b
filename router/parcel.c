#include "router/parcel.h"

#include "wire/pb.h"

enum { BATCH = 1, PPROF = 2, WAYBILL = 3, SLOT = 4 };
enum { NUMBERS = 32 /* bytes of tags, lengths and the slot, at most */ };

size_t parcel_put(struct buf *out, uint32_t number, const struct parcel *p, uint16_t slot)
{
    size_t begin = pb_open_large(out, number);

    if (p->batch != NULL) {
        size_t batch = pb_open_large(out, BATCH);
        batch_encode(p->batch, out);
        pb_close_large(out, batch);
    } else {
        buf_reserve(out, p->pprof.n + p->waybill.n + NUMBERS);
        pb_put_bytes(out, PPROF, p->pprof);
        pb_put_bytes(out, WAYBILL, p->waybill);
        pb_put_varint(out, SLOT, slot);
    }
    size_t n = out->n - begin;
    pb_close_large(out, begin);
    return n;
}

enum code parcel_read(struct slice message, struct parcel_view *out, struct fault *why)
{
    struct pb_cursor at = pb_cursor(message);
    struct pb_field  f;

    *out = (struct parcel_view){ 0 };
    while (pb_next(&at, &f))
        switch (f.number) {
        case BATCH:
            out->batch = pb_bytes(&f);
            break;
        case PPROF:
            out->pprof = pb_bytes(&f);
            break;
        case WAYBILL:
            out->waybill = pb_bytes(&f);
            break;
        case SLOT:
            out->slot = f.value <= UINT16_MAX ? (uint32_t)f.value : UINT32_MAX;
            break;
        default:
            return fail(why, CODE_INVALID_ARGUMENT, "parcel: field %u is not known here", f.number);
        }
    if (at.is_bad)
        return fail(why, CODE_INVALID_ARGUMENT, "parcel: not a protobuf message");
    if ((out->batch.n > 0) == (out->pprof.n > 0))
        return fail(why, CODE_INVALID_ARGUMENT, "parcel: a batch or a pprof, and not both");
    return CODE_OK;
}
