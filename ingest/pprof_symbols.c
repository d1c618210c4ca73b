#include "ingest/pprof_symbols.h"

#include "base/hash.h"
#include "ingest/table.h"

static bool same_function(const void *items, uint32_t i, uint32_t j)
{
    const struct raw_function *f = (const struct raw_function *)items + i, *g = (const struct raw_function *)items + j;

    return f->name == g->name && f->system_name == g->system_name && f->file == g->file &&
           f->start_line == g->start_line;
}

/* The first function equal to each: dropped type parameters leave many that are. */
static uint32_t *functions_unite(const struct pprof *p)
{
    struct table table = table_new(p->scratch, p->n_functions);
    uint32_t    *first = arena_array(p->scratch, p->n_functions, sizeof *first);

    for (uint32_t i = 0; i < p->n_functions; i++) {
        const struct raw_function *f = &p->functions[i];
        uint64_t                   hash =
            hash_pair((uint64_t)f->name << 32 | f->file, (uint64_t)f->system_name << 32 ^ (uint64_t)f->start_line);
        first[i] = table_put(&table, hash, i, same_function, p->functions);
    }
    return first;
}

static struct idmap functions_resolve(const struct pprof *p)
{
    struct idmap    map = idmap_new(p->scratch, &p->functions->id, sizeof *p->functions, p->n_functions);
    const uint32_t *first = p->has_brackets ? functions_unite(p) : NULL;

    for (uint32_t i = 0; i < p->n_functions; i++)
        idmap_put(&map, p->functions[i].id, first != NULL ? first[i] : i);
    return map;
}

static struct idmap mappings_resolve(struct pprof *p)
{
    struct idmap map = idmap_new(p->scratch, &p->mappings->id, sizeof *p->mappings, p->n_mappings);

    for (uint32_t i = 0; i < p->n_mappings; i++) {
        struct raw_mapping *m = &p->mappings[i];
        if (m->flags & BATCH_HAS_FUNCTIONS)
            m->start = m->limit = m->offset = 0;
        idmap_put(&map, m->id, i);
    }
    return map;
}

/* Its lines' functions and its mapping found?  A location that says nothing at all does not exist either. */
static bool location_resolve(struct pprof *p, uint32_t i, const struct idmap *functions, const struct idmap *mappings,
                             uint32_t *mapping)
{
    const struct raw_location *l = &p->locations[i];

    *mapping = l->mapping_id == 0 ? BATCH_NONE : idmap_get(mappings, l->mapping_id);
    if ((l->mapping_id != 0 && *mapping == IDMAP_NONE) || (l->n_lines == 0 && l->address == 0))
        return false;
    for (uint32_t j = 0; j < l->n_lines; j++) {
        struct raw_line *line = &p->lines[l->line_at + j];
        uint32_t         function = idmap_get(functions, line->function_id);
        if (function == IDMAP_NONE)
            return false;
        line->function_id = function;
    }
    return true;
}

static bool same_location(const void *items, uint32_t i, uint32_t j)
{
    const struct pprof        *p = items;
    const struct raw_location *l = &p->locations[i], *m = &p->locations[j];

    return l->sent_address == m->sent_address && l->mapping_id == m->mapping_id && l->is_folded == m->is_folded &&
           l->n_lines == m->n_lines &&
           (l->n_lines == 0 ||
            memcmp(p->lines + l->line_at, p->lines + m->line_at, l->n_lines * sizeof *p->lines) == 0);
}

static uint64_t location_hash(const struct pprof *p, const struct raw_location *l)
{
    uint64_t h = hash_pair(l->sent_address, l->mapping_id << 1 | l->is_folded);

    for (uint32_t i = 0; i < l->n_lines; i++)
        h = hash_pair(h ^ p->lines[l->line_at + i].function_id, (uint64_t)p->lines[l->line_at + i].line);
    return h;
}

void symbols_resolve(struct pprof *p, struct symbols *out)
{
    struct idmap functions = functions_resolve(p), mappings = mappings_resolve(p);

    out->mapping = arena_array(p->scratch, p->n_locations, sizeof *out->mapping);
    out->exists = arena_array(p->scratch, p->n_locations, sizeof *out->exists);
    out->locations = idmap_new(p->scratch, &p->locations->id, sizeof *p->locations, p->n_locations);
    for (uint32_t i = 0; i < p->n_locations; i++) {
        struct raw_location *l = &p->locations[i];
        bool                 exists = location_resolve(p, i, &functions, &mappings, &out->mapping[i]);
        out->exists[i] = exists;
        l->sent_address = l->address;
        if (exists && l->n_lines > 0 && l->mapping_id != 0 &&
            (p->mappings[out->mapping[i]].flags & BATCH_HAS_FUNCTIONS))
            l->address = 0;
        idmap_put(&out->locations, l->id, exists ? i : NO_LOCATION);
    }
}

struct symbols_sent symbols_as_sent(struct pprof *p, const struct symbols *symbols, bool are_united)
{
    struct table        table = table_new(p->scratch, p->n_locations);
    struct symbols_sent out = { idmap_new(p->scratch, &p->locations->id, sizeof *p->locations, p->n_locations),
                                arena_array(p->scratch, p->n_locations, sizeof *out.order) };
    uint64_t            n = 0;

    for (uint32_t i = 0; i < p->n_locations; i++) {
        const struct raw_location *l = &p->locations[i];
        uint32_t                   first = i;
        if (symbols->exists[i] && are_united)
            first = table_put(&table, location_hash(p, l), i, same_location, p);
        out.order[i] = are_united ? (n += first == i) : l->id;
        idmap_put(&out.locations, l->id, symbols->exists[i] ? first : NO_LOCATION);
    }
    return out;
}
