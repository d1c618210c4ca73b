#include "index/symtab.h"

#include "base/hash.h"
#include "model/batch.h"
#include "model/location.h"

enum { GROUP = 64 };

/*
 * Each kind is looked up in two ways.  A run: what comes in the order in which it came before, as an agent sends it minute
 * after minute, is only compared with what stands behind the one before.  A group: the next few, whatever they are, by hash.
 */
static uint32_t group_of(uint32_t left) { return left < GROUP ? left : GROUP; }

static uint32_t string_add(struct symtab *t, struct slab *s, struct slice text, uint64_t hash);

void symtab_init(struct symtab *t, struct slab *s)
{
    *t = (struct symtab){ 0 };
    vec_init(&t->strings, sizeof(struct slice), 3);
    vec_init(&t->mappings, sizeof(struct symbol_mapping), 0);
    vec_init(&t->functions, sizeof(struct symbol_function), 2);
    vec_init(&t->lines, sizeof(struct symbol_line), 2);
    vec_init(&t->locations, sizeof(struct symbol_location), 2);
    string_add(t, s, SLICE(""), hash_text(SLICE(""))); /* S2 */
}

void symtab_free(struct symtab *t, struct slab *s)
{
    table_free(&t->string_ids, s);
    table_free(&t->mapping_ids, s);
    table_free(&t->function_ids, s);
    table_free(&t->location_ids, s);
}

/* The first item under a hash whose slot has been asked for is asked for in its turn; NULL: there is none. */
static const void *item_warm(const struct vec *v, const struct table *t, uint64_t hash, uint32_t *id)
{
    if (!table_peek(t, hash, id))
        return NULL;
    const void *item = vec_at(v, *id);
    __builtin_prefetch(item);
    return item;
}

/* ---- strings -------------------------------------------------------------------------------------------------------- */

static bool string_find(const struct symtab *t, struct slice text, uint64_t hash, uint32_t *id)
{
    struct table_walk w = table_walk(&t->string_ids, hash);

    while (table_next(&t->string_ids, &w, id))
        if (slice_eq(symtab_text(t, *id), text))
            return true;
    return false;
}

static uint32_t string_add(struct symtab *t, struct slab *s, struct slice text, uint64_t hash)
{
    uint32_t i;

    if (string_find(t, text, hash, &i))
        return i;
    struct slice copy = slab_copy(s, text);
    i = vec_add(&t->strings, s, &copy);
    table_put(&t->string_ids, s, hash, i);
    return i;
}

static uint32_t strings_run(const struct symtab *t, uint32_t id, const struct slice *texts, uint32_t n, uint32_t *ids)
{
    uint32_t end = vec_n(&t->strings), k = 0;

    for (; k < n && id < end && slice_eq(symtab_text(t, id), texts[k]); k++)
        ids[k] = id++;
    return k;
}

static uint32_t strings_group(struct symtab *t, struct slab *s, const struct slice *texts, uint32_t n, uint32_t *ids)
{
    uint64_t            hashes[GROUP];
    const struct slice *found[GROUP];

    for (uint32_t k = 0; k < n; k++)
        table_warm(&t->string_ids, hashes[k] = hash_text(texts[k]));
    for (uint32_t k = 0; k < n; k++)
        found[k] = item_warm(&t->strings, &t->string_ids, hashes[k], &ids[k]);
    for (uint32_t k = 0; k < n; k++)
        if (found[k] != NULL)
            __builtin_prefetch(found[k]->p);
    for (uint32_t k = 0; k < n; k++)
        if (found[k] == NULL || !slice_eq(*found[k], texts[k]))
            ids[k] = string_add(t, s, texts[k], hashes[k]);
    return n;
}

void symtab_strings(struct symtab *t, struct slab *s, const struct slice *texts, uint32_t n, uint32_t *ids)
{
    for (uint32_t at = 0, next = 0; at < n; next = ids[at - 1] + 1) {
        uint32_t run = strings_run(t, next, texts + at, n - at, ids + at);
        at += run > 0 ? run : strings_group(t, s, texts + at, group_of(n - at), ids + at);
    }
}

/* ---- mappings, functions -------------------------------------------------------------------------------------------- */

/* For records without padding: equal when their bytes are. */
static uint32_t record_add(struct vec *v, struct table *t, struct slab *s, const void *record, size_t bytes,
                           uint64_t hash)
{
    struct table_walk w = table_walk(t, hash);
    uint32_t          i;

    while (table_next(t, &w, &i))
        if (memcmp(vec_at(v, i), record, bytes) == 0)
            return i;
    i = vec_add(v, s, record);
    table_put(t, s, hash, i);
    return i;
}

static uint64_t mapping_hash(const struct symbol_mapping *m) { return hash64_keyed(m, sizeof *m); }

uint32_t symtab_mapping(struct symtab *t, struct slab *s, const struct symbol_mapping *m)
{
    return record_add(&t->mappings, &t->mapping_ids, s, m, sizeof *m, mapping_hash(m));
}

static uint64_t function_hash(const struct symbol_function *f)
{
    return hash_pair((uint64_t)f->name << 32 | f->file, (uint64_t)f->system_name << 32 ^ (uint64_t)f->start_line);
}

static uint32_t functions_run(const struct symtab *t, uint32_t id, const struct symbol_function *functions, uint32_t n,
                              uint32_t *ids)
{
    uint32_t end = vec_n(&t->functions), k = 0;

    for (; k < n && id < end && memcmp(vec_at(&t->functions, id), &functions[k], sizeof *functions) == 0; k++)
        ids[k] = id++;
    return k;
}

static uint32_t functions_group(struct symtab *t, struct slab *s, const struct symbol_function *functions, uint32_t n,
                                uint32_t *ids)
{
    uint64_t                      hashes[GROUP];
    const struct symbol_function *found[GROUP];

    for (uint32_t k = 0; k < n; k++)
        table_warm(&t->function_ids, hashes[k] = function_hash(&functions[k]));
    for (uint32_t k = 0; k < n; k++)
        found[k] = item_warm(&t->functions, &t->function_ids, hashes[k], &ids[k]);
    for (uint32_t k = 0; k < n; k++)
        if (found[k] == NULL || memcmp(found[k], &functions[k], sizeof *functions) != 0)
            ids[k] = record_add(&t->functions, &t->function_ids, s, &functions[k], sizeof *functions, hashes[k]);
    return n;
}

void symtab_functions(struct symtab *t, struct slab *s, const struct symbol_function *functions, uint32_t n,
                      uint32_t *ids)
{
    for (uint32_t at = 0, next = 0; at < n; next = ids[at - 1] + 1) {
        uint32_t run = functions_run(t, next, functions + at, n - at, ids + at);
        at += run > 0 ? run : functions_group(t, s, functions + at, group_of(n - at), ids + at);
    }
}

/* ---- locations ------------------------------------------------------------------------------------------------------ */

static uint64_t bare_hash(const struct symbol_location *l)
{
    return hash_pair(l->address, (uint64_t)l->mapping << 8 | l->flags);
}

static uint64_t line_hash(uint64_t hash, const struct symbol_line *line)
{
    return hash_pair(hash ^ line->function, (uint64_t)line->line);
}

static uint64_t location_hash(const struct symbol_location *l, const struct symbol_line *lines)
{
    uint64_t hash = bare_hash(l);

    for (uint32_t i = 0; i < l->n_lines; i++)
        hash = line_hash(hash, &lines[i]);
    return hash;
}

static bool is_bare_same(const struct symbol_location *a, const struct symbol_location *b)
{
    return a->address == b->address && a->mapping == b->mapping && a->flags == b->flags && a->n_lines == b->n_lines;
}

static bool location_is(const struct symtab *t, const struct symbol_location *have, const struct symbol_location *l,
                        const struct symbol_line *lines)
{
    if (!is_bare_same(have, l))
        return false;
    for (uint32_t k = 0; k < l->n_lines; k++) {
        const struct symbol_line *line = vec_at(&t->lines, have->line_at + k);
        if (line->function != lines[k].function || line->line != lines[k].line)
            return false;
    }
    return true;
}

/* S3 */
static struct slice bare_name(const struct symtab *t, const struct symbol_location *l, char room[LOCATION_NAME_ROOM])
{
    struct slice file = SLICE("");

    if (l->mapping != BATCH_NONE)
        file = symtab_text(t, ((const struct symbol_mapping *)vec_at(&t->mappings, l->mapping))->file);
    return location_bare_name(file, l->address, room);
}

static uint32_t bare_name_add(struct symtab *t, struct slab *s, const struct symbol_location *l)
{
    char         room[LOCATION_NAME_ROOM];
    struct slice name = bare_name(t, l, room);

    return string_add(t, s, name, hash_text(name));
}

static uint32_t location_add(struct symtab *t, struct slab *s, struct symbol_location l,
                             const struct symbol_line *lines, uint64_t hash)
{
    struct table_walk w = table_walk(&t->location_ids, hash);
    uint32_t          i;

    while (table_next(&t->location_ids, &w, &i))
        if (location_is(t, vec_at(&t->locations, i), &l, lines))
            return i;
    l.line_at = l.n_lines > 0 ? vec_n(&t->lines) : bare_name_add(t, s, &l);
    for (uint32_t k = 0; k < l.n_lines; k++)
        vec_add(&t->lines, s, &lines[k]);
    i = vec_add(&t->locations, s, &l);
    table_put(&t->location_ids, s, hash, i);
    return i;
}

static uint32_t locations_run(const struct symtab *t, uint32_t id, const struct symbol_location *locations,
                              const struct symbol_line *lines, uint32_t n, uint32_t *ids)
{
    uint32_t end = vec_n(&t->locations), k = 0;

    for (; k < n && id < end; k++) {
        if (!location_is(t, vec_at(&t->locations, id), &locations[k], lines + locations[k].line_at))
            break;
        ids[k] = id++;
    }
    return k;
}

static uint32_t locations_group(struct symtab *t, struct slab *s, const struct symbol_location *locations,
                                const struct symbol_line *lines, uint32_t n, uint32_t *ids)
{
    uint64_t                      hashes[GROUP];
    const struct symbol_location *found[GROUP];

    for (uint32_t k = 0; k < n; k++)
        table_warm(&t->location_ids, hashes[k] = location_hash(&locations[k], lines + locations[k].line_at));
    for (uint32_t k = 0; k < n; k++)
        found[k] = item_warm(&t->locations, &t->location_ids, hashes[k], &ids[k]);
    for (uint32_t k = 0; k < n; k++)
        if (found[k] != NULL && found[k]->n_lines > 0)
            __builtin_prefetch(vec_at(&t->lines, found[k]->line_at));
    for (uint32_t k = 0; k < n; k++)
        if (found[k] == NULL || !location_is(t, found[k], &locations[k], lines + locations[k].line_at))
            ids[k] = location_add(t, s, locations[k], lines + locations[k].line_at, hashes[k]);
    return n;
}

void symtab_locations(struct symtab *t, struct slab *s, const struct symbol_location *locations,
                      const struct symbol_line *lines, uint32_t n, uint32_t *ids)
{
    for (uint32_t at = 0, next = 0; at < n; next = ids[at - 1] + 1) {
        uint32_t run = locations_run(t, next, locations + at, lines, n - at, ids + at);
        at += run > 0 ? run : locations_group(t, s, locations + at, lines, group_of(n - at), ids + at);
    }
}

/* ---- tables of what was put into the vecs (S4) --------------------------------------------------------------------- */

static uint64_t string_hash_at(const void *strings, uint32_t i)
{
    return hash_text(*(const struct slice *)vec_at(strings, i));
}

static bool is_string_same(const void *strings, uint32_t i, uint32_t j)
{
    return slice_eq(*(const struct slice *)vec_at(strings, i), *(const struct slice *)vec_at(strings, j));
}

static uint64_t mapping_hash_at(const void *mappings, uint32_t i) { return mapping_hash(vec_at(mappings, i)); }

static uint64_t function_hash_at(const void *functions, uint32_t i) { return function_hash(vec_at(functions, i)); }

static bool is_record_same(const void *records, uint32_t i, uint32_t j)
{
    return memcmp(vec_at(records, i), vec_at(records, j), ((const struct vec *)records)->item_bytes) == 0;
}

static uint64_t location_hash_at(const void *of, uint32_t i)
{
    const struct symtab          *t = of;
    const struct symbol_location *l = vec_at(&t->locations, i);
    uint64_t                      hash = bare_hash(l);

    for (uint32_t k = 0; k < l->n_lines; k++)
        hash = line_hash(hash, vec_at(&t->lines, l->line_at + k));
    return hash;
}

static bool is_location_same(const void *of, uint32_t i, uint32_t j)
{
    const struct symtab          *t = of;
    const struct symbol_location *a = vec_at(&t->locations, i), *b = vec_at(&t->locations, j);
    bool                          is_same = is_bare_same(a, b);

    for (uint32_t k = 0; is_same && k < a->n_lines; k++)
        is_same = is_record_same(&t->lines, a->line_at + k, b->line_at + k);
    return is_same;
}

/* Nobody has seen what is in no table: it may still change. */
static bool bare_names_find(struct symtab *t)
{
    char room[LOCATION_NAME_ROOM];

    for (uint32_t i = t->location_ids.n, n = vec_n(&t->locations); i < n; i++) {
        struct symbol_location *l = (struct symbol_location *)vec_at(&t->locations, i);
        if (l->n_lines > 0)
            continue;
        struct slice name = bare_name(t, l, room);
        if (!string_find(t, name, hash_text(name), &l->line_at))
            return false;
    }
    return true;
}

bool symtab_make(struct symtab *t, struct slab *s)
{
    const struct vec *strings = &t->strings, *mappings = &t->mappings, *functions = &t->functions;

    return table_fill(&t->string_ids, s, strings, vec_n(strings), string_hash_at, is_string_same) &&
           table_fill(&t->mapping_ids, s, mappings, vec_n(mappings), mapping_hash_at, is_record_same) &&
           table_fill(&t->function_ids, s, functions, vec_n(functions), function_hash_at, is_record_same) &&
           bare_names_find(t) &&
           table_fill(&t->location_ids, s, t, vec_n(&t->locations), location_hash_at, is_location_same);
}

/* Of a table that will have all there is and so many more. */
static size_t ids_cost(const struct vec *v, const struct table *ids, size_t more)
{
    return table_cost(ids, vec_n(v) - ids->n + more);
}

size_t symtab_make_cost(const struct symtab *t)
{
    return ids_cost(&t->strings, &t->string_ids, 0) + ids_cost(&t->mappings, &t->mapping_ids, 0) +
           ids_cost(&t->functions, &t->function_ids, 0) + ids_cost(&t->locations, &t->location_ids, 0);
}

size_t symtab_cost(const struct symtab *t, const struct symtab_more *more)
{
    size_t strings = more->strings + more->locations; /* each location may need a name */

    return vec_cost(&t->strings, strings) + ids_cost(&t->strings, &t->string_ids, strings) + more->text_bytes +
           more->locations * LOCATION_NAME_ROOM + vec_cost(&t->mappings, more->mappings) +
           ids_cost(&t->mappings, &t->mapping_ids, more->mappings) + vec_cost(&t->functions, more->functions) +
           ids_cost(&t->functions, &t->function_ids, more->functions) + vec_cost(&t->lines, more->lines) +
           vec_cost(&t->locations, more->locations) + ids_cost(&t->locations, &t->location_ids, more->locations);
}
