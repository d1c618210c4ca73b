#include "tenant/registry.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"

enum { PLACES = TENANTS_TRACKED * 2 };

struct registry {
    _Atomic(struct tenant *) places[PLACES];
    _Atomic int              n; /* may run ahead of the places while two threads add: it only bounds */
    struct tenant            shared;
};

struct registry *registry_new(void) { return mem_zalloc(sizeof(struct registry)); }

void registry_free(struct registry *r)
{
    if (r == NULL)
        return;
    for (int i = 0; i < PLACES; i++)
        free(r->places[i]);
    free(r);
}

static struct tenant *tenant_new(struct slice id)
{
    struct tenant *t = mem_zalloc(sizeof *t + id.n);

    memcpy(t + 1, id.p, id.n);
    t->id = slice_make(t + 1, id.n);
    return t;
}

/* Puts a new tenant into an empty place; whoever is there in the end, us or one who was faster. */
static struct tenant *settle(struct registry *r, _Atomic(struct tenant *) *place, struct slice id)
{
    struct tenant *there = NULL;

    if (atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed) >= TENANTS_TRACKED) {
        atomic_fetch_sub_explicit(&r->n, 1, memory_order_relaxed);
        return &r->shared;
    }
    struct tenant *mine = tenant_new(id);
    if (atomic_compare_exchange_strong_explicit(place, &there, mine, memory_order_acq_rel, memory_order_acquire))
        return mine;
    free(mine);
    atomic_fetch_sub_explicit(&r->n, 1, memory_order_relaxed);
    return there;
}

struct tenant *registry_get(struct registry *r, struct slice id)
{
    for (size_t i = hash_text(id) % PLACES;; i = (i + 1) % PLACES) { /* half of the places stay empty: it ends */
        struct tenant *t = atomic_load_explicit(&r->places[i], memory_order_acquire);
        if (t == NULL)
            t = settle(r, &r->places[i], id);
        if (t == &r->shared || slice_eq(t->id, id))
            return t;
    }
}
