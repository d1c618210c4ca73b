/* Any bytes as the query of a Connect GET: refused in words, or a message that lies in the query or the arena. */
#include <assert.h>

#include "rpc/connect_get.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena      *a = arena_new(0);
    struct connect_get get;
    struct fault       why = { .text = "" };
    unsigned           sum = 0;

    if (connect_get_parse(slice_make(data, n), a, &get, &why) == CODE_OK) {
        assert(get.encoding.n > 0 && get.message.n <= n);
        for (size_t i = 0; i < get.message.n; i++)
            sum += (uint8_t)get.message.p[i];
        for (size_t i = 0; i < get.compression.n; i++)
            sum += (uint8_t)get.compression.p[i];
    } else {
        assert(why.text[0] != '\0');
    }
    arena_free(a);
    return sum == UINT32_MAX; /* never: the bytes have to be read */
}
