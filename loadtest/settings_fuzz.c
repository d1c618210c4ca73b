/* A preset, whatever it holds: taken or refused with a word; what is taken and checked can be planned. */
#include <assert.h>
#include <stdint.h>

#include "loadtest/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena   *a = arena_new(0);
    struct settings s;
    struct buf      printed = { 0 };
    struct fault    why = { 0 };

    settings_defaults(&s);
    if (settings_read_yaml("preset", slice_make(data, size), a, &s, &why) != CODE_OK)
        assert(why.text[0] != '\0');
    else if (settings_check(&s, &why) == CODE_OK)
        settings_print(&s, &printed);
    buf_free(&printed);
    arena_free(a);
    return 0;
}
