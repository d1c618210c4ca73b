/* Label sets from a peer, in either form: any bytes are refused or mean labels, which have the same form again. */
#include <assert.h>

#include "model/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice  bytes = slice_make(data, n);
    struct arena *a = arena_new(0);
    struct labels l;
    struct buf    again = { 0 };

    if (labels_decode(bytes, a, &l)) {
        labels_encode(&again, l);
        assert(slice_eq(buf_view(&again), bytes));
    }
    again.n = 0;
    if (labels_split(bytes, a, &l)) {
        labels_join(&again, l);
        assert(slice_eq(buf_view(&again), bytes));
    }
    buf_free(&again);
    arena_free(a);
    return 0;
}
