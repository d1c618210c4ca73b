/* Any bytes: refused, or a waybill whose encoding says the same again. */
#include <assert.h>
#include <stdint.h>

#include "server/waybill.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena  *a = arena_new(0);
    struct waybill first, second;
    struct fault   why;

    if (waybill_decode(slice_make(data, n), a, &first, &why) == CODE_OK) {
        struct slice bytes = waybill_encode(&first, a);
        enum code    code = waybill_decode(bytes, a, &second, &why);
        assert(code == CODE_OK && slice_eq(waybill_encode(&second, a), bytes));
    }
    arena_free(a);
    return 0;
}
