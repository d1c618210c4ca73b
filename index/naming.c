#include "index/naming.h"

#include "base/mem.h"
#include "model/batch.h"
#include "model/location.h"
#include "wire/varint.h"

enum { NO_TEXT = 0 }; /* the number of "" */

struct naming {
    struct tree         *tree;
    size_t               bytes_max;
    struct arena        *arena;
    struct strset       *texts, *places; /* in it */
    const struct symtab *table;
    uint32_t            *text;        /* [strings of the table]: its number */
    struct arena        *turn, *once; /* what lives as long as the table's turn; of one location */
    uint32_t             next;        /* place: that behind the last */
    struct buf           key, name;   /* being made */
};

struct naming *naming_new(struct tree *t, size_t bytes_max)
{
    struct naming *n = mem_zalloc(sizeof *n);

    assert(strset_n(t->names) == 1); /* N2 */
    n->tree = t;
    n->bytes_max = bytes_max;
    n->arena = arena_new(0);
    n->texts = strset_new(n->arena);
    n->places = strset_new(n->arena);
    strset_add(n->texts, SLICE(""));
    n->turn = arena_new(0);
    n->once = arena_new(0);
    return n;
}

void naming_free(struct naming *n)
{
    if (n == NULL)
        return;
    buf_free(&n->key);
    buf_free(&n->name);
    arena_free(n->once);
    arena_free(n->turn);
    arena_free(n->arena);
    free(n);
}

struct tree *naming_tree(const struct naming *n) { return n->tree; }

/* Buckets have much the same in much the same order: what comes next is looked at before anything is looked up. */
static uint32_t number_of(struct strset *set, struct slice s, uint32_t *next)
{
    bool     is_next = *next < strset_n(set) && slice_eq(strset_at(set, *next), s);
    uint32_t number = is_next ? *next : strset_add(set, s);

    *next = number + 1;
    return number;
}

void naming_turn(struct naming *n, const struct symtab *t)
{
    uint32_t n_strings = vec_n(&t->strings), next = 0;

    arena_reset(n->turn);
    n->table = t;
    n->text = arena_array(n->turn, n_strings, sizeof *n->text);
    for (uint32_t i = 0; i < n_strings; i++)
        n->text[i] = number_of(n->texts, symtab_text(t, i), &next);
    n->next = 0;
}

static uint8_t *put(uint8_t *to, uint64_t v) { return to + varint_write(to, v); }

static uint8_t *put_text(uint8_t *to, const struct naming *n, uint32_t string) { return put(to, n->text[string]); }

/* None is one of zeros (L2). */
static uint8_t *put_mapping(uint8_t *to, const struct naming *n, uint32_t mapping)
{
    if (mapping == BATCH_NONE)
        return put(put(put(put(put(put(to, NO_TEXT), NO_TEXT), 0), 0), 0), 0);
    const struct symbol_mapping *m = vec_at(&n->table->mappings, mapping);
    to = put_text(put_text(to, n, m->file), n, m->build_id);
    return put(put(put(put(to, m->start), m->limit), m->offset), m->flags);
}

static uint8_t *put_line(uint8_t *to, const struct naming *n, const struct symbol_line *l)
{
    const struct symbol_function *f = vec_at(&n->table->functions, l->function);

    to = put(put(to, (uint64_t)l->line), (uint64_t)f->start_line);
    return put_text(put_text(put_text(to, n, f->name), n, f->system_name), n, f->file);
}

/* Its fields say where it ends, so keys are equal only when all of them are. */
static struct slice key_of(struct naming *n, const struct symbol_location *l)
{
    n->key.n = 0;
    uint8_t *key = (uint8_t *)buf_reserve(&n->key, (8 + 5 * (size_t)l->n_lines) * VARINT_MAX_BYTES);
    uint8_t *to = put_mapping(put(put(key, l->address), l->flags & BATCH_IS_FOLDED), n, l->mapping);
    for (uint32_t i = 0; i < l->n_lines; i++)
        to = put_line(to, n, vec_at(&n->table->lines, l->line_at + i));
    return slice_make(key, (size_t)(to - key));
}

static struct location_function function_of(const struct symtab *t, uint32_t id)
{
    const struct symbol_function *f = vec_at(&t->functions, id);

    return (struct location_function){ f->start_line, symtab_text(t, f->name), symtab_text(t, f->system_name),
                                       symtab_text(t, f->file) };
}

static struct location_mapping mapping_of(const struct symtab *t, uint32_t id)
{
    if (id == BATCH_NONE)
        return (struct location_mapping){ 0 };
    const struct symbol_mapping *m = vec_at(&t->mappings, id);
    return (struct location_mapping){
        m->start, m->limit, m->offset, m->flags, symtab_text(t, m->file), symtab_text(t, m->build_id)
    };
}

static struct location location_of(struct naming *n, const struct symbol_location *l)
{
    const struct symtab *t = n->table;
    struct location      whole = { .address = l->address,
                                   .is_folded = l->flags & BATCH_IS_FOLDED,
                                   .mapping = mapping_of(t, l->mapping),
                                   .n_lines = l->n_lines };

    arena_reset(n->once);
    whole.lines = arena_array(n->once, l->n_lines, sizeof *whole.lines);
    for (uint32_t i = 0; i < l->n_lines; i++) {
        const struct symbol_line *line = vec_at(&t->lines, l->line_at + i);
        whole.lines[i] = (struct location_line){ .line = line->line, .function = function_of(t, line->function) };
    }
    return whole;
}

static size_t text_bytes(const struct location *l)
{
    size_t bytes = l->mapping.file.n + l->mapping.build_id.n;

    for (uint32_t i = 0; i < l->n_lines; i++) {
        const struct location_function *f = &l->lines[i].function;
        bytes += f->name.n + f->system_name.n + f->file.n;
    }
    return bytes;
}

/* Within a bucket they share their texts, in the answer each has its own: so it is measured before it is made. */
static enum code name_make(struct naming *n, const struct location *l, uint32_t name, struct fault *why)
{
    if (tree_name_bytes(n->tree) + text_bytes(l) > n->bytes_max)
        return fail(why, CODE_RESOURCE_EXHAUSTED,
                    "the answer has locations of more than %zu bytes: narrow the selector or the time range",
                    n->bytes_max);
    n->name.n = 0;
    location_encode(l, &n->name);
    uint32_t made = tree_name(n->tree, buf_view(&n->name));
    assert(made == name); /* N2 */
    return CODE_OK;
}

enum code naming_of(struct naming *n, uint32_t location, uint32_t *name, struct fault *why)
{
    const struct symbol_location *l = vec_at(&n->table->locations, location);
    uint32_t                      had = strset_n(n->places), place = number_of(n->places, key_of(n, l), &n->next);

    *name = place + 1;
    if (place < had)
        return CODE_OK;
    struct location whole = location_of(n, l);
    return name_make(n, &whole, *name, why);
}
