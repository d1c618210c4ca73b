/* Any bytes as a tokens file: refused with a line, or taken in and searchable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tenant/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct tokens *t = NULL;
    struct fault   why = { 0 };

    if (tokens_parse("fuzz", slice_make(bytes, n), &t, &why) != CODE_OK) {
        if (strncmp(why.text, "fuzz:", 5) != 0)
            abort();
        return 0;
    }
    const struct token *one = tokens_find(t, token_hash(SLICE("test")));
    if (one != NULL && token_only_tenant(one).n > 0 && !token_covers(one, token_only_tenant(one)))
        abort();
    tokens_free(t);
    return 0;
}
