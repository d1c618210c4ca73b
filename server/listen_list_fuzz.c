/* Any bytes as a list of listeners: an error, or addresses with a way to speak and something to show. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "server/listen_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena      *a = arena_new(0);
    struct listen_list l;
    struct fault       why;

    if (listen_list_parse(slice_make(bytes, n), a, &l, &why) == CODE_OK) {
        assert(l.n >= 1 && l.n <= LISTEN_MAX);
        for (size_t i = 0; i < l.n; i++)
            assert(l.at[i].faces != 0 && (l.at[i].faces & ~(unsigned)FACES_ALL) == 0 && l.at[i].address != NULL);
    }
    arena_free(a);
    return 0;
}
