#include "ingest/pprof_symbols.h"

#include "base/hash.h"
#include "ingest/table.h"

static bool same_function(const void *items, uint32_t i, uint32_t j)
{
    const struct batch_function *f = (const struct batch_function *)items + i,
                                *g = (const struct batch_function *)items + j;

    return f->name == g->name && f->system_name == g->system_name && f->file == g->file &&
           f->start_line == g->start_line;
}

/* The first function equal to each: dropped type parameters leave many that are. */
static uint32_t *functions_unite(const struct pprof *p)
{
    struct table table = table_new(p->scratch, p->n_functions);
    uint32_t    *first = arena_array(p->scratch, p->n_functions, sizeof *first);

    for (uint32_t i = 0; i < p->n_functions; i++) {
        const struct batch_function *f = &p->functions[i];
        uint64_t                     hash =
            hash_pair((uint64_t)f->name << 32 | f->file, (uint64_t)f->system_name << 32 ^ (uint64_t)f->start_line);
        first[i] = table_put(&table, hash, i, same_function, p->functions);
    }
    return first;
}

static struct idmap functions_resolve(const struct pprof *p)
{
    struct idmap    map = idmap_new(p->scratch, p->function_ids, p->n_functions);
    const uint32_t *first = p->has_brackets ? functions_unite(p) : NULL;

    for (uint32_t i = 0; i < p->n_functions; i++)
        idmap_put(&map, p->function_ids[i], first != NULL ? first[i] : i);
    return map;
}

static struct idmap mappings_resolve(struct pprof *p)
{
    struct idmap map = idmap_new(p->scratch, p->mapping_ids, p->n_mappings);

    for (uint32_t i = 0; i < p->n_mappings; i++) {
        struct batch_mapping *m = &p->mappings[i];
        if (m->flags & BATCH_HAS_FUNCTIONS)
            m->start = m->limit = m->offset = 0;
        idmap_put(&map, p->mapping_ids[i], i);
    }
    return map;
}

/* What locations lead to. */
struct resolving {
    struct batch_line          *lines;
    const struct batch_mapping *mappings;
    struct idmap                function_of, mapping_of;
    uint32_t                    n_lines; /* of those that stay */
};

/* The functions of its lines, which move up to where they stay; false: one is not there. */
static inline bool lines_resolve(const struct resolving *r, const struct batch_location *l)
{
    uint32_t missing = 0;

    for (uint32_t k = 0; k < l->n_lines; k++) {
        const struct batch_line *line = &r->lines[l->line_at + k];
        uint32_t                 function = idmap_get(&r->function_of, line_function_id(line));
        r->lines[r->n_lines + k] = (struct batch_line){ function, 0, line->line };
        missing |= function == IDMAP_NONE;
    }
    return !missing;
}

/*
 * Its lines' functions and its mapping found?  A location that says nothing at all does not exist either.  One that does not
 * is left without lines, for they may name no function.
 */
static inline bool location_resolve(struct resolving *r, struct batch_location *l, uint64_t mapping_id)
{
    bool exists = lines_resolve(r, l) && (l->n_lines > 0 || l->address != 0);

    l->line_at = r->n_lines;
    l->mapping = mapping_id == 0 ? BATCH_NONE : idmap_get(&r->mapping_of, mapping_id);
    if (!exists || (mapping_id != 0 && l->mapping == IDMAP_NONE)) {
        l->mapping = BATCH_NONE;
        l->n_lines = 0;
        return false;
    }
    if (l->n_lines > 0 && l->mapping != BATCH_NONE && (r->mappings[l->mapping].flags & BATCH_HAS_FUNCTIONS))
        l->address = 0;
    r->n_lines += l->n_lines;
    return true;
}

static uint64_t *addresses_keep(const struct pprof *p)
{
    uint64_t *addresses = arena_array(p->scratch, p->n_locations, sizeof *addresses);

    for (uint32_t i = 0; i < p->n_locations; i++)
        addresses[i] = p->locations[i].address;
    return addresses;
}

void symbols_resolve(struct pprof *p, struct symbols *out)
{
    struct batch_location *locations = p->locations;
    uint32_t               n = p->n_locations;
    struct resolving       r = { p->lines, p->mappings, functions_resolve(p), mappings_resolve(p), 0 };
    struct idmap           map = idmap_new(p->scratch, p->location_ids, n);
    bool                  *exists = arena_array(p->scratch, n, sizeof *exists);

    *out = (struct symbols){ .exists = exists, .sent_addresses = p->has_brackets ? addresses_keep(p) : NULL };
    for (uint32_t i = 0; i < n; i++) {
        exists[i] = location_resolve(&r, &locations[i], p->mapping_ids_of_locations[i]);
        idmap_put(&map, p->location_ids[i], exists[i] ? i : NO_LOCATION);
    }
    p->n_lines = r.n_lines;
    out->locations = map;
}

struct uniting {
    const struct pprof *p;
    const uint64_t     *sent_addresses;
};

static bool same_location(const void *items, uint32_t i, uint32_t j)
{
    const struct uniting        *u = items;
    const struct pprof          *p = u->p;
    const struct batch_location *l = &p->locations[i], *m = &p->locations[j];

    return u->sent_addresses[i] == u->sent_addresses[j] && l->mapping == m->mapping && l->flags == m->flags &&
           l->n_lines == m->n_lines &&
           (l->n_lines == 0 ||
            memcmp(p->lines + l->line_at, p->lines + m->line_at, l->n_lines * sizeof *p->lines) == 0);
}

static uint64_t location_hash(const struct uniting *u, uint32_t i)
{
    const struct batch_location *l = &u->p->locations[i];
    uint64_t                     h = hash_pair(u->sent_addresses[i], (uint64_t)l->mapping << 1 | l->flags);

    for (uint32_t k = 0; k < l->n_lines; k++) {
        const struct batch_line *line = &u->p->lines[l->line_at + k];
        h = hash_pair(h ^ line->function, (uint64_t)line->line);
    }
    return h;
}

struct symbols_sent symbols_as_sent(const struct pprof *p, const struct symbols *symbols)
{
    bool                are_united = symbols->sent_addresses != NULL;
    struct uniting      uniting = { p, symbols->sent_addresses };
    struct table        table = table_new(p->scratch, p->n_locations);
    struct symbols_sent out = { idmap_new(p->scratch, p->location_ids, p->n_locations),
                                arena_array(p->scratch, p->n_locations, sizeof *out.order) };
    uint64_t            n = 0;

    for (uint32_t i = 0; i < p->n_locations; i++) {
        uint32_t first = i;
        if (symbols->exists[i] && are_united)
            first = table_put(&table, location_hash(&uniting, i), i, same_location, &uniting);
        out.order[i] = are_united ? (n += first == i) : p->location_ids[i];
        idmap_put(&out.locations, p->location_ids[i], symbols->exists[i] ? first : NO_LOCATION);
    }
    return out;
}
