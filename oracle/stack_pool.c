#include "oracle/stack_pool.h"

#include <assert.h>

#include "base/hash.h"
#include "oracle/dice.h"

/* Stacks that agree down to depth d: all at the root, four times fewer with each step, each its own in the end. */
static uint32_t group_at(uint32_t stack, uint32_t depth, uint32_t n)
{
    for (uint32_t d = depth; n > 1; d--, n /= 4)
        if (d == 0)
            return stack / n;
    return stack;
}

static void names_invent(struct stack_pool *p, uint64_t seed, struct arena *a)
{
    static const char *const verbs[] = { "read", "write", "parse", "find", "merge", "encode", "lock", "flush" };
    struct slice            *names = arena_array(a, p->n_names, sizeof *names);
    uint64_t                *hashes = arena_array(a, p->n_names, sizeof *hashes);

    for (uint32_t i = 0; i < p->n_names; i++) {
        uint64_t d = dice_at(seed, 1, i);
        names[i] = arena_printf(a, "acme::part%u::Thing%u::%s_%u", dice_below(d, 40), dice_below(dice_mix(d), 200),
                                verbs[d % 8], i);
        hashes[i] = hash_slice(names[i]);
    }
    p->names = names;
    p->name_hash = hashes;
}

struct stack_pool *stack_pool_invent(uint64_t seed, const struct stack_shape *s, struct arena *a)
{
    struct stack_pool *p = arena_zalloc(a, sizeof *p);
    uint32_t          *at = arena_array(a, (size_t)s->stacks + 1, sizeof *at);
    uint32_t           n = 0, spread = s->depth_max - s->depth_min + 1;

    assert(s->depth_min <= s->depth_max && s->depth_max <= STACK_DEPTH_MAX && s->functions > 0);
    p->n_names = s->functions;
    p->n_stacks = s->stacks;
    names_invent(p, seed, a);
    for (uint32_t i = 0; i <= s->stacks; i++) {
        at[i] = n;
        n += s->depth_min + dice_below(dice_at(seed, 2, i), spread);
    }
    uint32_t *frames = arena_array(a, n, sizeof *frames);
    for (uint32_t i = 0; i < s->stacks; i++)
        for (uint32_t d = 0; d < at[i + 1] - at[i]; d++)
            frames[at[i] + d] = dice_below(dice_at(seed, 3 + d, group_at(i, d, s->stacks)), s->functions);
    p->frames = frames;
    p->frame_at = at;
    return p;
}

uint64_t stack_pool_path(const struct stack_pool *p, uint64_t root, uint32_t stack)
{
    uint64_t h = root;

    for (uint32_t i = p->frame_at[stack]; i < p->frame_at[stack + 1]; i++)
        h = path_hash_below(h, p->name_hash[p->frames[i]]);
    return h;
}
