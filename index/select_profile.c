/* The exact stacks of one bucket, for a pprof: a tree whose names are whole locations (model/location.h). */
#include "base/mem.h"
#include "index/harvest.h"
#include "index/select.h"
#include "model/location.h"

/*
 * Locations are many, of few functions and fewer mappings: the strings of those are made once for a group.  Within a bucket
 * they share their texts, in the answer each has its own: so all are measured before they are made.
 */
struct naming {
    size_t        bytes_max;
    uint32_t      group;
    struct arena *parts;                /* of that group */
    struct slice *mappings, *functions; /* there: its strings; p == NULL: not made yet.  mappings[0]: that of none */
    size_t        parts_bytes;
    struct arena *lines; /* of one location */
    struct buf    text;  /* what is being made */
};

enum { NO_GROUP = UINT32_MAX };

static void naming_turn(struct naming *n, const struct group *g)
{
    if (n->group == g->id)
        return;
    arena_reset(n->parts);
    n->group = g->id;
    n->parts_bytes = 0;
    n->mappings = arena_zalloc(n->parts, (vec_n(&g->symtab.mappings) + (size_t)1) * sizeof *n->mappings);
    n->functions = arena_zalloc(n->parts, vec_n(&g->symtab.functions) * sizeof *n->functions);
}

static enum code measure(const struct naming *n, size_t have, size_t more, struct fault *why)
{
    if (have + more <= n->bytes_max)
        return CODE_OK;
    return fail(why, CODE_RESOURCE_EXHAUSTED,
                "the answer has locations of more than %zu bytes: narrow the selector or the time range", n->bytes_max);
}

static struct slice part_made(struct naming *n)
{
    struct slice made = arena_copy(n->parts, buf_view(&n->text));

    n->parts_bytes += made.n;
    n->text.n = 0;
    return made;
}

static enum code mapping_bytes(struct naming *n, const struct symtab *t, uint32_t id, struct slice *out,
                               struct fault *why)
{
    struct location_mapping m = { 0 };
    struct slice           *made = &n->mappings[id == BATCH_NONE ? 0 : id + 1];
    enum code               code = CODE_OK;

    if (made->p == NULL) {
        if (id != BATCH_NONE) {
            const struct symbol_mapping *s = vec_at(&t->mappings, id);
            m = (struct location_mapping){
                s->start, s->limit, s->offset, s->flags, symtab_text(t, s->file), symtab_text(t, s->build_id)
            };
        }
        code = measure(n, n->parts_bytes, m.file.n + m.build_id.n, why);
        if (code != CODE_OK)
            return code;
        location_encode_mapping(&m, &n->text);
        *made = part_made(n);
    }
    *out = *made;
    return code;
}

static enum code function_bytes(struct naming *n, const struct symtab *t, uint32_t id, struct slice *out,
                                struct fault *why)
{
    struct slice *made = &n->functions[id];
    enum code     code = CODE_OK;

    if (made->p == NULL) {
        const struct symbol_function *s = vec_at(&t->functions, id);
        struct location_function      f = { s->start_line, symtab_text(t, s->name), symtab_text(t, s->system_name),
                                            symtab_text(t, s->file) };
        code = measure(n, n->parts_bytes, f.name.n + f.system_name.n + f.file.n, why);
        if (code != CODE_OK)
            return code;
        location_encode_function(&f, &n->text);
        *made = part_made(n);
    }
    *out = *made;
    return code;
}

static enum code location_name(void *arg, const struct group *g, uint32_t key, struct tree *out, uint32_t *id,
                               struct fault *why)
{
    const struct symtab          *t = &g->symtab;
    const struct symbol_location *l = vec_at(&t->locations, key);
    struct naming                *n = arg;
    struct location whole = { .address = l->address, .is_folded = l->flags & BATCH_IS_FOLDED, .n_lines = l->n_lines };

    naming_turn(n, g);
    arena_reset(n->lines);
    whole.lines = arena_array(n->lines, l->n_lines, sizeof *whole.lines);
    enum code code = mapping_bytes(n, t, l->mapping, &whole.mapping_bytes, why);
    size_t    bytes = whole.mapping_bytes.n;
    for (uint32_t i = 0; i < l->n_lines && code == CODE_OK; i++) {
        const struct symbol_line *line = vec_at(&t->lines, l->line_at + i);
        whole.lines[i] = (struct location_line){ .line = line->line };
        code = function_bytes(n, t, line->function, &whole.lines[i].function_bytes, why);
        bytes += whole.lines[i].function_bytes.n;
    }
    if (code == CODE_OK)
        code = measure(n, tree_name_bytes(out), bytes, why);
    if (code != CODE_OK)
        return code;
    location_encode(&whole, &n->text);
    *id = tree_name(out, buf_view(&n->text));
    n->text.n = 0;
    return CODE_OK;
}

enum code select_profile(const struct bucket *b, const struct selection *s, size_t name_bytes_max, struct tree *out,
                         struct fault *why)
{
    struct naming n = { .bytes_max = name_bytes_max, .group = NO_GROUP, .parts = arena_new(0), .lines = arena_new(0) };
    const struct harvest_kind kind = { .by_location = true, .name = location_name, .arg = &n };
    enum code                 code = harvest_bucket(b, s, &kind, out, why);

    buf_free(&n.text);
    arena_free(n.parts);
    arena_free(n.lines);
    return code;
}
