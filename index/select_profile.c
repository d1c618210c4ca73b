/* The exact stacks of one bucket, for a pprof: a tree whose names are whole locations (model/location.h). */
#include "index/harvest.h"
#include "index/naming.h"
#include "index/select.h"

/* The group whose locations are being named. */
struct turn {
    struct naming *naming;
    uint32_t       group;
};

enum { NO_GROUP = UINT32_MAX };

static enum code location_name(void *arg, const struct group *g, uint32_t key, struct tree *out, uint32_t *id,
                               struct fault *why)
{
    struct turn *t = arg;

    (void)out; /* naming_tree */
    if (t->group != g->id)
        naming_turn(t->naming, &g->symtab);
    t->group = g->id;
    return naming_of(t->naming, key, id, why);
}

enum code select_profile(const struct bucket *b, const struct selection *s, struct naming *names, struct fault *why)
{
    struct turn               t = { names, NO_GROUP };
    const struct harvest_kind kind = { .by_location = true, .name = location_name, .arg = &t };

    return harvest_bucket(b, s, &kind, naming_tree(names), why);
}
