/* Tree bytes from a peer: any bytes are refused or make a tree that encodes to itself. */
#include <assert.h>

#include "model/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct tree *t = tree_new(), *again = tree_new();
    struct buf   bytes = { 0 }, twice = { 0 };
    struct fault why;

    if (tree_decode(slice_make(data, n), t, &why) == CODE_OK) {
        tree_encode(t, &bytes);
        assert(tree_decode(buf_view(&bytes), again, &why) == CODE_OK && again->n == t->n);
        tree_encode(again, &twice);
        for (uint32_t i = 0; i < t->n; i++)
            assert(t->parent[i] == again->parent[i] && t->self[i] == again->self[i]);
    }
    buf_free(&bytes);
    buf_free(&twice);
    tree_free(again);
    tree_free(t);
    return 0;
}
