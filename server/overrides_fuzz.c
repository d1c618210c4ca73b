/* Any bytes as a file of overrides: refused by name, or read and looked up in. */
#include <stdlib.h>

#include "server/overrides.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct overrides *o = NULL;
    struct fault      why = { 0 };

    if (n >= 1 << 16 || overrides_parse("fuzz", slice_make(bytes, n), &limits_default, &o, &why) != CODE_OK)
        return 0;
    const struct limits *l = overrides_find(o, SLICE("a"));
    if (l != NULL && (l->ingestion_burst_bytes < l->max_profile_size_bytes || l->reject_older_than_ns == 0 ||
                      l->retention_ns <= 0 || l->retention_bytes <= 0))
        abort();
    overrides_free(o);
    return 0;
}
