/* Any bytes: refused, or a parcel of one form; one that goes as it came is put and read again as it was. */
#include <assert.h>
#include <stdint.h>

#include "router/parcel.h"
#include "wire/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_again(const struct parcel_view *p)
{
    struct parcel      parcel = { .pprof = p->pprof, .waybill = p->waybill };
    struct buf         out = { 0 };
    struct pb_field    f;
    struct parcel_view again;
    struct fault       why;

    size_t           bytes = parcel_put(&out, 3, &parcel, (uint16_t)p->slot);
    struct pb_cursor at = pb_cursor(buf_view(&out));
    bool             is_there = pb_next(&at, &f);
    enum code        code = parcel_read(pb_bytes(&f), &again, &why);
    assert(is_there && f.value == bytes && code == CODE_OK && again.slot == (uint16_t)p->slot);
    assert(slice_eq(again.pprof, p->pprof) && slice_eq(again.waybill, p->waybill));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct parcel_view p;
    struct fault       why;

    if (parcel_read(slice_make(data, n), &p, &why) != CODE_OK)
        return 0;
    assert((p.batch.n > 0) != (p.pprof.n > 0));
    if (p.pprof.n > 0)
        check_again(&p);
    return 0;
}
