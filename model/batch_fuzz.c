/* Any bytes: refused, or a batch that keeps its invariants and whose encoding decodes to itself. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *a = arena_new(0);
    char         *copy = mem_alloc(n);
    struct buf    first = { 0 }, second = { 0 };
    struct batch  b, c;
    struct fault  why;

    if (n > 0)
        memcpy(copy, data, n);
    if (batch_decode(slice_make(copy, n), a, &b, &why) == CODE_OK) {
        batch_encode(&b, &first);
        enum code code = batch_decode(buf_view(&first), a, &c, &why);
        assert(code == CODE_OK);
        batch_encode(&c, &second);
        assert(slice_eq(buf_view(&first), buf_view(&second)));
    }
    buf_free(&first);
    buf_free(&second);
    free(copy);
    arena_free(a);
    return 0;
}
