/* Any bytes as the output of perf script: refused, or a pprof; never a crash. */
#include <stdint.h>

#include "ingest/perf_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice text = slice_make(data, n);
    struct buf   pprof = { 0 };
    struct fault why;

    (void)perf_text_is(text);
    (void)!perf_text_to_pprof(text, n & 1, 1, &pprof, &why);
    buf_free(&pprof);
    return 0;
}
