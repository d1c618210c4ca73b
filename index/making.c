#include "index/making.h"

#include <assert.h>

#include "base/scratch.h"
#include "index/bucket_priv.h"

void making_begin(struct making *m, struct bucket *b)
{
    assert(b->sealed == NULL);
    *m = (struct making){ .of = b };
    slab_fork(&m->fork, &b->slab);
}

static bool group_make(struct group *g, struct slab *s, struct arena *scratch)
{
    slab_credit(s, g->unmade_bytes);
    g->unmade_bytes = 0;
    return symtab_make(&g->symtab, s) && stacks_make(&g->stacks, s, &g->symtab, scratch);
}

static void make(struct making *m, struct slab *s)
{
    struct arena *scratch = scratch_take(0);
    uint32_t      n = vec_n(&m->of->groups), i;

    while (!atomic_load(&m->is_bad) && (i = atomic_fetch_add(&m->next, 1)) < n) {
        if (!group_make(vec_pointer(&m->of->groups, i), s, scratch))
            atomic_store(&m->is_bad, true);
        arena_reset(scratch);
    }
    scratch_give(scratch);
}

void making_own(struct making *m) { make(m, &m->of->slab); }
void making_help(struct making *m) { make(m, &m->fork); }

enum code making_end(struct making *m, struct fault *why)
{
    slab_join(&m->of->slab, &m->fork);
    m->of->slab.is_bulk = m->of->is_unmade = false;
    return !atomic_load(&m->is_bad) ? CODE_OK
                                    : fail(why, CODE_DATA_LOSS, "redo: what a bucket's redos come to is damaged");
}

enum code bucket_redone(struct bucket *b, struct fault *why)
{
    struct making m;

    making_begin(&m, b);
    making_own(&m);
    return making_end(&m, why);
}
