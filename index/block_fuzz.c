/* Any bytes, with checksums that agree: block_open refuses them, or every question is answered in bounds, also when they are merged. */
#include "index/block_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_image image = probe_copy(slice_make(data, size));
    struct bucket     *b;
    struct fault       why;

    probe_resum((char *)image.bytes.p, size);
    if (block_open(&image, NULL, &b, &why) == CODE_OK) {
        probe_ask(b);
        probe_merge(b);
        bucket_unref(b);
    } else {
        image.release(image.bytes);
    }
    return 0;
}
