#include "model/stack_pack.h"

#include <stdlib.h>

#include "base/mem.h"

enum { SHARED_MAX = UINT8_MAX, LOCATIONS_MAX = 128 << 20 };

static uint32_t shared_with(struct batch_stack before, struct batch_stack s)
{
    uint32_t n = 0, most = before.n < s.n ? before.n : s.n;

    most = most < SHARED_MAX ? most : SHARED_MAX;
    while (n < most && before.locations[before.n - 1 - n] == s.locations[s.n - 1 - n])
        n++;
    return n;
}

struct stack_pack stack_pack_make(const struct batch *b)
{
    struct stack_pack  p = { mem_alloc(b->n_stacks), mem_alloc(b->n_stack_locations * sizeof *p.own), 0 };
    struct batch_stack before = { 0 };

    for (uint32_t i = 0; i < b->n_stacks; i++) {
        struct batch_stack s = batch_stack(b, i);
        p.shared[i] = (uint8_t)shared_with(before, s);
        uint32_t n = s.n - p.shared[i];
        if (n > 0)
            memcpy(p.own + p.n_own, s.locations, n * sizeof *s.locations);
        p.n_own += n;
        before = s;
    }
    return p;
}

void stack_pack_fini(struct stack_pack *p)
{
    free(p->shared);
    free(p->own);
}

struct unpacking {
    const uint32_t *own;  /* of the stacks to come */
    uint32_t        left; /* of these */
    uint32_t       *out;
};

/* One stack, out[begin, end): its own locations, then what it shares with the one before; false: it does not fit. */
static bool stack_put(struct unpacking *u, uint32_t begin, uint32_t end, uint32_t before_n, uint32_t shared)
{
    if (end < begin || shared > end - begin || shared > before_n || end - begin - shared > u->left)
        return false;
    uint32_t  own = end - begin - shared;
    uint32_t *to = u->out + begin;
    if (own > 0)
        memcpy(to, u->own, own * sizeof *to);
    for (uint32_t k = 0; k < shared; k++)
        to[own + k] = to[(int64_t)k - shared]; /* the one before ends where this one begins */
    u->own += own;
    u->left -= own;
    return true;
}

enum code stack_unpack(const uint8_t *shared, const uint32_t *own, uint32_t n_own, struct arena *a, struct batch *b,
                       struct fault *why)
{
    uint32_t end = b->n_stacks ? b->stack_end[b->n_stacks - 1] : 0;

    if (end > LOCATIONS_MAX || end > n_own + (uint64_t)SHARED_MAX * b->n_stacks)
        return fail(why, CODE_INVALID_ARGUMENT, "batch: the stacks' sections do not fit each other");
    struct unpacking u = { own, n_own, arena_array(a, end, sizeof *u.out) };
    b->stack_locations = u.out;
    b->n_stack_locations = end;
    for (uint32_t i = 0, begin = 0, before_n = 0; i < b->n_stacks; i++) {
        if (b->stack_end[i] > end || !stack_put(&u, begin, b->stack_end[i], before_n, shared[i]))
            return fail(why, CODE_INVALID_ARGUMENT, "batch: stack %u is out of range", i);
        before_n = b->stack_end[i] - begin;
        begin = b->stack_end[i];
    }
    return u.left == 0 ? CODE_OK : fail(why, CODE_INVALID_ARGUMENT, "batch: locations that belong to no stack");
}
