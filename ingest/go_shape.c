#include "base/hash.h"
#include "ingest/go_fix.h"

static const struct slice MARK = SLICE("[go.shape.");

/* Behind the bracket that closes the one at s.p[0]; 0 when none does. */
static size_t group_end(struct slice s)
{
    int depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        depth += (s.p[i] == '[') - (s.p[i] == ']');
        if (depth == 0)
            return i + 1;
    }
    return 0;
}

struct slice go_shapes_cut(struct slice name, struct arena *a)
{
    char  *kept = NULL;
    size_t n = 0;

    if (name.n == 0 || memchr(name.p, MARK.p[0], name.n) == NULL) /* nearly all */
        return name;
    for (size_t at; (at = slice_find(name, MARK)) < name.n;) {
        size_t end = group_end(slice_from(name, at));
        if (end == 0)
            break;
        if (kept == NULL)
            kept = arena_alloc(a, name.n);
        memcpy(kept + n, name.p, at);
        n += at;
        name = slice_from(name, at + end);
    }
    if (kept == NULL)
        return name;
    memcpy(kept + n, name.p, name.n);
    return slice_make(kept, n + name.n);
}

static bool same_string(const void *items, uint32_t i, uint32_t j)
{
    const struct texts *t = items;
    return slice_eq(texts_at(t, i), texts_at(t, j));
}

void go_shapes_drop(struct pprof *p)
{
    const struct texts sent = p->strings;
    struct table       table = table_new(p->scratch, sent.n);
    uint32_t          *first = arena_array(p->scratch, sent.n, sizeof *first);

    p->strings = texts_new(p->a, sent.cap, texts_bytes(&sent));
    for (uint32_t i = 0; i < sent.n; i++) {
        struct slice s = go_shapes_cut(texts_at(&sent, i), p->scratch);
        ref_add(p, s);
        first[i] = table_put(&table, hash_text(s), i, same_string, &p->strings);
    }
    for (uint32_t i = 0; i < p->n_functions; i++) {
        struct batch_function *f = &p->functions[i];
        f->name = first[f->name];
        f->system_name = first[f->system_name];
        f->file = first[f->file];
    }
}
