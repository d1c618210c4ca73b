/*
 * What a batch can cost a bucket at most: every part of it taken for new, but labels, which are looked up; roughly, which
 * is asked for every batch and suffices while there is memory, without that.
 */
#include <assert.h>

#include "index/bucket_priv.h"
#include "index/redo.h"
#include "index/rows.h"
#include "model/location.h"

/*
 * Nodes that the stacks of a batch can add to the two trees.  Neighbours share their path from the root with each other,
 * so only what differs from the stack before is counted: a bound, and near the truth for profiles as they come.
 */
static void count_nodes(const struct batch *b, size_t *nodes, size_t *frames)
{
    struct batch_stack before = { 0 };

    *nodes = *frames = 0;
    for (uint32_t i = 0; i < b->n_stacks; i++) {
        struct batch_stack s = batch_stack(b, i);
        uint32_t           shared = 0;
        while (shared < s.n && shared < before.n &&
               s.locations[s.n - 1 - shared] == before.locations[before.n - 1 - shared])
            shared++;
        *nodes += s.n - shared;
        for (uint32_t k = 0; k < s.n - shared; k++) {
            uint32_t lines = b->locations[s.locations[k]].n_lines;
            *frames += lines > 0 ? lines : 1;
        }
        before = s;
    }
}

/* The same without a look at the stacks: far more, for next to nothing. */
static void count_nodes_roughly(const struct batch *b, size_t *nodes, size_t *frames)
{
    uint32_t most = 1;

    for (uint32_t i = 0; i < b->n_locations; i++)
        most = b->locations[i].n_lines > most ? b->locations[i].n_lines : most;
    *nodes = b->n_stack_locations;
    *frames = *nodes * most;
}

static void count_labels(const struct label_index *x, const struct batch *b, struct label_cost *c)
{
    for (uint32_t i = 0; i < b->n_labels; i++)
        label_index_count(x, batch_string(b, b->labels[i].name), batch_string(b, b->labels[i].value), c);
}

static void count_labels_roughly(const struct label_index *x, const struct batch *b, struct label_cost *c)
{
    size_t text_bytes = 0;

    for (uint32_t i = 0; i < b->n_labels; i++)
        text_bytes += batch_string(b, b->labels[i].name).n + batch_string(b, b->labels[i].value).n;
    label_index_count_unseen(x, b->n_labels, text_bytes, c);
}

/* How closely a batch is looked at. */
struct look {
    void (*nodes)(const struct batch *b, size_t *nodes, size_t *frames);
    void (*labels)(const struct label_index *x, const struct batch *b, struct label_cost *c);
};

static const struct look closely = { count_nodes, count_labels };
static const struct look roughly = { count_nodes_roughly, count_labels_roughly };

static size_t group_cost(const struct group *g, const struct batch *b, const struct look *look)
{
    struct symtab_more more = { b->n_strings,  b->string_end[b->n_strings - 1],
                                b->n_mappings, b->n_functions,
                                b->n_lines,    b->n_locations };
    size_t             nodes, frames;

    look->nodes(b, &nodes, &frames);
    return symtab_cost(&g->symtab, &more) + stacks_cost(&g->stacks, b->n_stacks, nodes, frames) +
           vec_cost(&g->series, b->n_parts);
}

static size_t labels_cost(const struct bucket *to, const struct batch *b, const struct look *look)
{
    struct label_cost labels = { 0 };
    size_t            series = vec_n(&to->series.all) + (size_t)b->n_parts;

    look->labels(&to->labels, b, &labels);
    return label_index_cost(&to->labels, &labels) + b->n_labels * postings_cost_max(series);
}

static size_t types_text(const struct batch *b)
{
    size_t each =
        8 + batch_string(b, b->name).n + batch_string(b, b->period_type).n + batch_string(b, b->period_unit).n;
    size_t sum = 0;

    for (uint32_t i = 0; i < b->n_types; i++)
        sum += each + batch_string(b, b->types[i].type).n + batch_string(b, b->types[i].unit).n;
    return sum;
}

static size_t rows_cost(const struct batch *b)
{
    size_t sum = 0;

    for (uint32_t i = 0; i < b->n_parts; i++)
        sum += rows_bytes_max(b->parts[i].n_rows, b->n_types);
    return sum;
}

static size_t cost_in(const struct bucket *to, const struct group *g, const struct batch *b, const struct look *look)
{
    size_t streams = (size_t)b->n_parts * b->n_types;

    return group_cost(g, b, look) + labels_cost(to, b, look) + types_cost(&to->types, b->n_types, types_text(b)) +
           rows_cost(b) + vec_cost(&to->keys, 1) + series_cost(&to->series, b->n_parts, b->n_labels, streams);
}

/* A service that the bucket does not have yet: an empty group is made elsewhere, and measured. */
struct elsewhere {
    struct slab  slab;
    struct group group;
};

static void elsewhere_init(struct elsewhere *e)
{
    slab_init(&e->slab, NULL);
    e->group = (struct group){ 0 };
    symtab_init(&e->group.symtab, &e->slab);
    stacks_init(&e->group.stacks, &e->slab);
    vec_init(&e->group.series, sizeof(uint32_t), 1);
}

static void elsewhere_fini(struct elsewhere *e)
{
    symtab_free(&e->group.symtab, &e->slab);
    stacks_free(&e->group.stacks, &e->slab);
    slab_fini(&e->slab);
}

static size_t elsewhere_cost(const struct elsewhere *e, const struct bucket *to, size_t service_bytes)
{
    return slab_bytes(&e->slab) + sizeof e->group + service_bytes + 16 + vec_cost(&to->groups, 1) +
           table_cost(&to->group_ids, 1);
}

static size_t cost_of_new_group(const struct bucket *to, const struct batch *b, const struct look *look)
{
    struct elsewhere e;

    elsewhere_init(&e);
    size_t bytes = elsewhere_cost(&e, to, batch_string(b, b->service).n) + cost_in(to, &e.group, b, look);
    elsewhere_fini(&e);
    return bytes;
}

static size_t cost(const struct bucket *b, const struct batch *batch, const struct look *look)
{
    const struct group *g = bucket_group(b, batch_string(batch, batch->service));
    return slab_cost_max(&b->slab, g != NULL ? cost_in(b, g, batch, look) : cost_of_new_group(b, batch, look));
}

static size_t cost_anywhere(const struct bucket *b, const struct batch *batch, const struct look *look)
{
    if (b != NULL)
        return cost(b, batch, look);
    struct bucket *fresh = bucket_new(batch->tenant, 0, 1, NULL);
    size_t         bytes = bucket_bytes(fresh) + cost(fresh, batch, look);
    bucket_unref(fresh);
    return bytes;
}

size_t bucket_cost_max(const struct bucket *b, const struct batch *batch) { return cost_anywhere(b, batch, &closely); }

size_t bucket_cost_roughly(const struct bucket *b, const struct batch *batch)
{
    return cost_anywhere(b, batch, &roughly);
}

/* ---- of a redo ------------------------------------------------------------------------------------------------------ */

/* Under whichever of the names there are so many values would cost most. */
static size_t values_cost_max(const struct label_index *x, size_t values)
{
    struct vec fresh;
    size_t     most, n = vec_n(&x->names);

    vec_init(&fresh, sizeof(struct label_value *), 1);
    most = vec_cost(&fresh, values);
    for (uint32_t i = 0; i < n && values > 0; i++) {
        size_t cost = vec_cost(&((const struct label_name *)vec_pointer(&x->names, i))->values, values);
        most = cost > most ? cost : most;
    }
    return most;
}

static size_t redo_labels_cost(const struct bucket *to, const struct redo_head *h)
{
    size_t each = sizeof(struct label_name) + 32 + values_cost_max(&to->labels, h->values);
    size_t series = vec_n(&to->series.all) + (size_t)h->series;
    struct label_cost labels = { h->values, h->values * each + h->label_bytes };

    return label_index_cost(&to->labels, &labels) + h->labels * postings_cost_max(series);
}

static size_t redo_cost_in(const struct bucket *to, const struct group *g, const struct redo_head *h)
{
    struct symtab_more more = { h->strings, h->text_bytes, h->mappings, h->functions, h->lines, h->locations };

    return symtab_cost(&g->symtab, &more) + vec_cost(&g->stacks.all, h->stacks) +
           stacks_make_cost(&g->stacks, h->nodes, h->frames) - g->unmade_bytes + vec_cost(&g->series, h->series) +
           redo_labels_cost(to, h) + types_cost(&to->types, h->types, h->type_bytes) + h->row_bytes +
           series_cost(&to->series, h->series, h->labels, h->points);
}

/* Of the name that stands behind the head. */
static size_t service_bytes(struct slice redo)
{
    const uint8_t *at = (const uint8_t *)redo.p + sizeof(struct redo_head);
    uint64_t       n;

    return uvarint_check(at, (const uint8_t *)redo.p + redo.n, &n) != NULL && n < redo.n ? n : redo.n;
}

static size_t redo_cost(const struct bucket *b, const struct redo_head *h, struct slice redo)
{
    struct elsewhere e;

    if (h->group < vec_n(&b->groups))
        return slab_cost_max(&b->slab, redo_cost_in(b, group_at(b, h->group), h));
    elsewhere_init(&e);
    size_t bytes = elsewhere_cost(&e, b, service_bytes(redo)) + redo_cost_in(b, &e.group, h);
    elsewhere_fini(&e);
    return slab_cost_max(&b->slab, bytes);
}

size_t bucket_redo_cost(const struct bucket *b, struct slice tenant, struct slice redo)
{
    struct redo_head h;

    if (!redo_head_read(redo, &h))
        return 0;
    if (b != NULL)
        return redo_cost(b, &h, redo);
    struct bucket *fresh = bucket_new(tenant, 0, 1, NULL);
    size_t         bytes = bucket_bytes(fresh) + redo_cost(fresh, &h, redo);
    bucket_unref(fresh);
    return bytes;
}

/* Ten bytes for each number, five for each id and length; what is not used of a batch is not in its redo. */
uint64_t bucket_redo_bytes_max(const struct batch *b)
{
    uint64_t symbols = b->string_end[b->n_strings - 1] + 5u * (uint64_t)b->n_strings + 45u * (uint64_t)b->n_mappings +
                       25u * (uint64_t)b->n_functions + (25u + LOCATION_NAME_ROOM) * (uint64_t)b->n_locations +
                       15u * (uint64_t)b->n_lines;
    uint64_t labels = 0;

    for (uint32_t i = 0; i < b->n_labels; i++)
        labels += 20 + batch_string(b, b->labels[i].name).n + batch_string(b, b->labels[i].value).n;
    return sizeof(struct redo_head) + batch_string(b, b->service).n + 5 + symbols +
           10u * (uint64_t)b->n_stack_locations + 5u * (uint64_t)b->n_stacks + types_text(b) +
           25u * (uint64_t)b->n_types + labels + rows_cost(b) + b->n_parts * (30 + 15u * (uint64_t)b->n_types);
}
