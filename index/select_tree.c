/* The flame graph of one bucket: a tree of function names. */
#include "index/harvest.h"
#include "index/select.h"

static enum code function_name(void *arg, const struct group *g, uint32_t key, struct tree *out, uint32_t *id,
                               struct fault *why)
{
    (void)arg;
    (void)why;
    *id = tree_name(out, symtab_text(&g->symtab, key));
    return CODE_OK;
}

enum code select_tree(const struct bucket *b, const struct selection *s, struct tree *out, struct fault *why)
{
    static const struct harvest_kind kind = { .name = function_name };

    return harvest_bucket(b, s, &kind, out, why);
}
