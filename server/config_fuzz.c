/* Any bytes as a configuration file: refused or read, and what was read can be printed and read again. */
#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena *a = arena_new(0);
    struct config c = { 0 }, again = { 0 };
    struct fault  why = { 0 };
    struct buf    text = { 0 };

    option_defaults(config_table, &c, a);
    option_defaults(config_table, &again, a);
    if (n < 1 << 16 && config_read("fuzz", slice_make(bytes, n), a, &c, &why) == CODE_OK) {
        option_print_all(config_table, &c, NULL, &text);
        if (config_read("again", buf_view(&text), a, &again, &why) != CODE_OK)
            abort();
    }
    buf_free(&text);
    arena_free(a);
    return 0;
}
