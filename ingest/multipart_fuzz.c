/* Any bytes as a form: parts lie inside the body, in order, and reading ends. The first line is the content type. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "ingest/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice          all = slice_make(data, n);
    size_t                line = slice_find(all, SLICE("\n"));
    struct slice          body = line < n ? slice_from(all, line + 1) : (struct slice){ 0 };
    struct multipart      m;
    struct multipart_part part;
    struct fault          why;
    bool                  has_part;

    if (multipart_open(slice_make(data, line), body, &m, &why) != CODE_OK)
        return 0;
    const char *last = body.p;
    while (multipart_next(&m, &part, &has_part, &why) == CODE_OK && has_part) {
        assert(part.bytes.p >= last && part.bytes.p + part.bytes.n <= body.p + body.n);
        last = part.bytes.p;
    }
    return 0;
}
