/*
 * A list of networks: taken or refused with a word, and what is taken can be asked.  The first bytes are the address.
 */
#include <assert.h>

#include "net/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct networks *list;
    struct address         who;
    struct fault           why;

    if (n < sizeof who)
        return 0;
    memcpy(&who, data, sizeof who);
    struct arena *a = arena_new(0);
    if (networks_parse(slice_make(data + sizeof who, n - sizeof who), a, &list, &why) == CODE_OK)
        networks_hold(list, who);
    else
        assert(why.text[0] != '\0');
    arena_free(a);
    return 0;
}
