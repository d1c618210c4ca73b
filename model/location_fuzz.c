/* A location's string from a peer: any bytes are refused or mean a location, whose own string means the same. */
#include <assert.h>

#include "model/location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena   *a = arena_new(0);
    struct location l, again;
    struct buf      bytes = { 0 }, twice = { 0 };

    if (location_decode(slice_make(data, n), a, &l)) {
        location_encode(&l, &bytes);
        assert(bytes.n <= n); /* longer only by numbers that could be shorter */
        assert(location_decode(buf_view(&bytes), a, &again) && again.n_lines == l.n_lines);
        location_encode(&again, &twice);
        assert(slice_eq(buf_view(&bytes), buf_view(&twice)));
        for (uint32_t i = 0; i < l.n_lines; i++)
            assert(slice_eq(l.lines[i].function.name, again.lines[i].function.name));
    }
    buf_free(&bytes);
    buf_free(&twice);
    arena_free(a);
    return 0;
}
