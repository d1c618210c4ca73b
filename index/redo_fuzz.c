/* Any bytes as the redos of one bucket, each behind its length: refused, or the bucket they make can be sealed and asked. */
#include "index/block_probe.h"
#include "index/bucket.h"

enum { COST_MAX = 64 << 20, ROUNDING_MAX = 320 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool next(struct slice *rest, struct slice *redo)
{
    uint32_t n;

    if (rest->n < sizeof n)
        return false;
    memcpy(&n, rest->p, sizeof n);
    *rest = slice_from(*rest, sizeof n);
    *redo = slice_make(rest->p, n < rest->n ? n : rest->n);
    *rest = slice_from(*rest, redo->n);
    return true;
}

static void seal_and_ask(const struct bucket *live)
{
    struct buf     out = { 0 };
    struct bucket *b;
    struct fault   why;

    assert(block_write(live, &(struct block_origin){ 0 }, &out, &why) == CODE_OK);
    struct block_image image = probe_copy(buf_view(&out));
    assert(block_open(&image, NULL, &b, &why) == CODE_OK);
    probe_ask(b);
    bucket_unref(b);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bucket *b = bucket_new(SLICE("t"), 0, INT64_MAX, NULL);
    struct slice   rest = slice_make(data, size), redo;
    struct fault   why;
    bool           is_good = true;

    while (is_good && next(&rest, &redo) && bucket_redo_cost(b, SLICE("t"), redo) < COST_MAX) {
        size_t had = bucket_bytes(b), most = bucket_redo_cost(b, SLICE("t"), redo);
        is_good = bucket_redo(b, redo, &why) == CODE_OK;
        assert(bucket_bytes(b) - had <= most);
    }
    size_t had = bucket_bytes(b);
    is_good = is_good && bucket_redone(b, &why) == CODE_OK;
    assert(bucket_bytes(b) <= had + had / 3 + ROUNDING_MAX); /* charged ahead, but for what chunks leave free */
    if (!is_good)
        return bucket_unref(b), 0;
    bucket_publish(b);
    if (bucket_stats(b).profiles > 0)
        seal_and_ask(b);
    bucket_unref(b);
    return 0;
}
