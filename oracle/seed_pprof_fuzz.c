/* A file given as a seed, whatever it holds: refused, or a pool whose stacks lie within it and whose kind has names. */
#include <assert.h>
#include <stdint.h>

#include "oracle/stack_pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena      *a = arena_new(0);
    struct stack_pool *p;
    struct kind        kind;
    struct fault       why;

    if (stack_pool_of_pprof(slice_make(data, size), a, &p, &kind, &why) == CODE_OK) {
        assert(p->n_stacks > 0 && kind.n_types > 0 && kind.name.n > 0);
        for (uint32_t i = 0; i < p->n_stacks; i++) {
            assert(p->frame_at[i] < p->frame_at[i + 1] && p->frame_at[i + 1] - p->frame_at[i] <= STACK_DEPTH_MAX);
            for (uint32_t f = p->frame_at[i]; f < p->frame_at[i + 1]; f++)
                assert(p->frames[f] < p->n_names && p->names[p->frames[f]].n > 0);
            (void)stack_pool_path(p, 1, i);
        }
    }
    arena_free(a);
    return 0;
}
