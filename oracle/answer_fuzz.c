/* Whatever a server answers is read or refused.  The first byte says as which message. */
#include <stdint.h>

#include "oracle/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice  bytes = size ? slice_make(data + 1, size - 1) : (struct slice){ 0 };
    struct arena *a = arena_new(0);
    struct tally *t = tally_new();
    struct fault  why;
    enum code     code = CODE_OK;

    switch (size ? data[0] % 5 : 0) {
    case 0:
        code = answer_flame(bytes, a, t, &why);
        break;
    case 1:
        code = answer_points(bytes, t, &why);
        break;
    case 2:
        code = answer_values(bytes, t, &why);
        break;
    case 3:
        code = answer_types(bytes, t, &why);
        break;
    case 4:
        code = answer_label_sets(bytes, t, &why);
        break;
    }
    if (code == CODE_OK)
        (void)tally_total(t);
    tally_free(t);
    arena_free(a);
    return 0;
}
