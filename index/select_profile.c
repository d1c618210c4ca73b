/* The exact stacks of one bucket, for a pprof: a tree whose names are whole locations (model/location.h). */
#include "base/mem.h"
#include "index/harvest.h"
#include "index/select.h"
#include "model/location.h"

struct naming {
    size_t        bytes_max;
    struct arena *lines; /* of one location */
    struct buf    text;  /* the same */
};

static struct location_mapping mapping_of(const struct symtab *t, uint32_t id)
{
    if (id == BATCH_NONE)
        return (struct location_mapping){ 0 };
    const struct symbol_mapping *m = vec_at(&t->mappings, id);
    return (struct location_mapping){
        m->start, m->limit, m->offset, m->flags, symtab_text(t, m->file), symtab_text(t, m->build_id)
    };
}

static struct location_line line_of(const struct symtab *t, const struct symbol_line *l)
{
    const struct symbol_function *f = vec_at(&t->functions, l->function);

    return (struct location_line){ .line = l->line,
                                   .function = { f->start_line, symtab_text(t, f->name), symtab_text(t, f->system_name),
                                                 symtab_text(t, f->file) } };
}

static size_t text_bytes(const struct location *l)
{
    size_t n = l->mapping.file.n + l->mapping.build_id.n;

    for (uint32_t i = 0; i < l->n_lines; i++) {
        const struct location_function *f = &l->lines[i].function;
        n += f->name.n + f->system_name.n + f->file.n;
    }
    return n;
}

/* Within a bucket locations share their texts, in the answer each has its own: they are measured before they are made. */
static enum code location_name(void *arg, const struct group *g, uint32_t key, struct tree *out, uint32_t *id,
                               struct fault *why)
{
    const struct symbol_location *l = vec_at(&g->symtab.locations, key);
    struct naming                *n = arg;
    struct location               whole = { .address = l->address,
                                            .is_folded = l->flags & BATCH_IS_FOLDED,
                                            .mapping = mapping_of(&g->symtab, l->mapping),
                                            .n_lines = l->n_lines };

    arena_reset(n->lines);
    whole.lines = arena_array(n->lines, l->n_lines, sizeof *whole.lines);
    for (uint32_t i = 0; i < l->n_lines; i++)
        whole.lines[i] = line_of(&g->symtab, vec_at(&g->symtab.lines, l->line_at + i));
    if (tree_name_bytes(out) + text_bytes(&whole) > n->bytes_max)
        return fail(why, CODE_RESOURCE_EXHAUSTED,
                    "the answer has locations of more than %zu bytes: narrow the selector or the time range",
                    n->bytes_max);
    n->text.n = 0;
    location_encode(&whole, &n->text);
    *id = tree_name(out, buf_view(&n->text));
    return CODE_OK;
}

enum code select_profile(const struct bucket *b, const struct selection *s, size_t name_bytes_max, struct tree *out,
                         struct fault *why)
{
    struct naming             n = { .bytes_max = name_bytes_max, .lines = arena_new(0) };
    const struct harvest_kind kind = { .by_location = true, .name = location_name, .arg = &n };
    enum code                 code = harvest_bucket(b, s, &kind, out, why);

    buf_free(&n.text);
    arena_free(n.lines);
    return code;
}
