/* The invariants of batch.h, executed: each function below keeps the ones it names.  Linear in the batch's size. */
#include <assert.h>

#include "model/batch.h"

struct check {
    const struct batch *b;
    struct arena       *scratch;
    struct fault       *why;
    bool                is_quick; /* not looked for: equal functions, locations and stacks */
};

#define BROKEN(c, ...) fail((c)->why, CODE_INVALID_ARGUMENT, "batch: " __VA_ARGS__)

/* Which items were seen before: a table at most half full of {item + 1, upper half of its hash}. */
struct seen {
    uint32_t (*at)[2];
    uint32_t mask;
};

typedef bool same_fn(const struct batch *b, uint32_t i, uint32_t j);

static struct seen seen_new(const struct check *c, uint32_t n)
{
    uint32_t size = 16;

    assert(n <= UINT32_MAX / 8);
    while (size < n * 2)
        size *= 2;
    return (struct seen){ arena_zalloc(c->scratch, (size_t)size * sizeof(uint32_t[2])), size - 1 };
}

static bool seen_before(struct seen *s, const struct batch *b, uint32_t item, uint64_t hash, same_fn *same)
{
    uint32_t tag = (uint32_t)(hash >> 32);

    for (uint32_t i = (uint32_t)hash & s->mask;; i = (i + 1) & s->mask) {
        if (s->at[i][0] == 0) {
            s->at[i][0] = item + 1;
            s->at[i][1] = tag;
            return false;
        }
        if (s->at[i][1] == tag && same(b, s->at[i][0] - 1, item))
            return true;
    }
}

/* B1 of the strings and of the head. */
static enum code strings_check(const struct check *c)
{
    const struct batch *b = c->b;
    uint32_t            end = 0;

    if (b->n_strings == 0 || b->string_end[0] != 0)
        return BROKEN(c, "string 0 should be empty string");
    for (uint32_t i = 0; i < b->n_strings; i++) {
        if (b->string_end[i] < end)
            return BROKEN(c, "string %u ends before it begins", i);
        end = b->string_end[i];
    }
    if (b->name >= b->n_strings || b->service >= b->n_strings || b->period_type >= b->n_strings ||
        b->period_unit >= b->n_strings)
        return BROKEN(c, "profile string index out of range");
    for (uint32_t i = 0; i < b->n_types; i++)
        if (b->types[i].type >= b->n_strings || b->types[i].unit >= b->n_strings)
            return BROKEN(c, "sample type type string index out of range");
    return CODE_OK;
}

/* B1 of mappings and functions. */
static enum code functions_check(const struct check *c)
{
    const struct batch *b = c->b;

    for (uint32_t i = 0; i < b->n_mappings; i++)
        if (b->mappings[i].file >= b->n_strings || b->mappings[i].build_id >= b->n_strings)
            return BROKEN(c, "mapping %u: string index out of range", i);
    for (uint32_t i = 0; i < b->n_functions; i++) {
        const struct batch_function *f = &b->functions[i];
        if (f->name >= b->n_strings || f->system_name >= b->n_strings || f->file >= b->n_strings || f->reserved != 0)
            return BROKEN(c, "function %u: string index out of range", i);
    }
    return CODE_OK;
}

/* B1, B6 of lines and locations. */
static enum code locations_check(const struct check *c)
{
    const struct batch *b = c->b;
    uint32_t            lines = 0;

    for (uint32_t i = 0; i < b->n_lines; i++)
        if (b->lines[i].function >= b->n_functions || b->lines[i].reserved != 0)
            return BROKEN(c, "line %u: function out of range", i);
    for (uint32_t i = 0; i < b->n_locations; i++) {
        const struct batch_location *l = &b->locations[i];
        if (l->mapping >= b->n_mappings && l->mapping != BATCH_NONE)
            return BROKEN(c, "location %u: mapping out of range", i);
        if (l->line_at != lines || l->n_lines > b->n_lines - lines)
            return BROKEN(c, "location %u: lines out of range", i);
        lines += l->n_lines;
    }
    return lines == b->n_lines ? CODE_OK : BROKEN(c, "%u lines belong to no location", b->n_lines - lines);
}

static bool same_stack(const struct batch *b, uint32_t i, uint32_t j)
{
    struct batch_stack x = batch_stack(b, i), y = batch_stack(b, j);
    return x.n == y.n && (x.n == 0 || memcmp(x.locations, y.locations, x.n * sizeof *x.locations) == 0);
}

/* B1, B2 of stacks. */
static enum code stacks_check(const struct check *c)
{
    const struct batch *b = c->b;
    struct seen         seen = seen_new(c, c->is_quick ? 0 : b->n_stacks);
    uint32_t            end = 0;

    for (uint32_t i = 0; i < b->n_stack_locations; i++)
        if (b->stack_locations[i] >= b->n_locations)
            return BROKEN(c, "a stack's location is out of range");
    for (uint32_t i = 0; i < b->n_stacks; i++) {
        if (b->stack_end[i] < end || b->stack_end[i] > b->n_stack_locations)
            return BROKEN(c, "stack %u is out of range", i);
        struct batch_stack s = { b->stack_locations + end, b->stack_end[i] - end };
        end = b->stack_end[i];
        if (!c->is_quick && seen_before(&seen, b, i, hash64_keyed(s.locations, s.n * sizeof *s.locations), same_stack))
            return BROKEN(c, "stack %u occurs twice", i);
    }
    return end == b->n_stack_locations ? CODE_OK : BROKEN(c, "locations that belong to no stack");
}

/* The labels that a type adds at store, and the name, which stands in the head. */
static bool is_reserved(struct slice name)
{
    static const struct slice reserved[] = { SLICE("__name__"),         SLICE("__profile_type__"),
                                             SLICE("__service_name__"), SLICE("__period_type__"),
                                             SLICE("__period_unit__"),  SLICE("__type__"),
                                             SLICE("__unit__") };

    if (name.n < 3 || name.p[0] != '_' || name.p[1] != '_')
        return false;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (slice_eq(name, reserved[i]))
            return true;
    return false;
}

/* B3 of one part. */
static enum code part_labels_check(const struct check *c, uint32_t i)
{
    const struct batch      *b = c->b;
    const struct batch_part *p = &b->parts[i];
    struct slice             before = { 0 };
    bool                     has_service = false;

    for (uint32_t l = p->label_at; l < p->label_at + p->n_labels; l++) {
        if (b->labels[l].name >= b->n_strings || b->labels[l].value >= b->n_strings)
            return BROKEN(c, "part %u: label string index out of range", i);
        struct slice name = batch_string(b, b->labels[l].name), value = batch_string(b, b->labels[l].value);
        if (name.n == 0 || value.n == 0 || slice_cmp(before, name) >= 0 || is_reserved(name))
            return BROKEN(c, "part %u: labels are not sorted, empty or reserved", i);
        if (slice_eq(name, SLICE("service_name")))
            has_service = slice_eq(value, batch_string(b, b->service));
        before = name;
    }
    return has_service ? CODE_OK : BROKEN(c, "part %u: service_name is not the batch's", i);
}

static bool same_labels(const struct batch *b, uint32_t i, uint32_t j)
{
    const struct batch_part *x = &b->parts[i], *y = &b->parts[j];

    if (x->n_labels != y->n_labels)
        return false;
    for (uint32_t k = 0; k < x->n_labels; k++) {
        const struct batch_label *l = &b->labels[x->label_at + k], *m = &b->labels[y->label_at + k];
        if (!slice_eq(batch_string(b, l->name), batch_string(b, m->name)) ||
            !slice_eq(batch_string(b, l->value), batch_string(b, m->value)))
            return false;
    }
    return true;
}

static uint64_t labels_hash_of(const struct batch *b, const struct batch_part *p)
{
    uint64_t h = 0;

    for (uint32_t l = p->label_at; l < p->label_at + p->n_labels; l++)
        h = hash_pair(h, hash_pair(hash_text(batch_string(b, b->labels[l].name)),
                                   hash_text(batch_string(b, b->labels[l].value))));
    return h;
}

/* B3, B4 of one part's rows. */
static enum code rows_check(const struct check *c, const struct batch_part *p)
{
    const struct batch *b = c->b;

    for (uint32_t r = p->row_at; r < p->row_at + p->n_rows; r++) {
        int64_t any = 0; /* its sign bit is set by any negative value */
        for (uint32_t t = 0; t < b->n_types; t++)
            any |= b->row_values[(size_t)t * b->n_rows + r];
        if (any <= 0)
            return BROKEN(c, "row %u has a negative value or none", r);
        if (b->row_stack[r] >= b->n_stacks || (r > p->row_at && b->row_stack[r] <= b->row_stack[r - 1]))
            return BROKEN(c, "row %u: stack out of range or order", r);
    }
    return CODE_OK;
}

/* B3, B4, B6: parts tile labels and rows. */
static enum code parts_check(const struct check *c)
{
    const struct batch *b = c->b;
    struct seen         seen = seen_new(c, b->n_parts);
    uint32_t            labels = 0, rows = 0;

    for (uint32_t i = 0; i < b->n_parts; i++) {
        const struct batch_part *p = &b->parts[i];
        if (p->label_at != labels || p->n_labels > b->n_labels - labels)
            return BROKEN(c, "part %u: labels out of range", i);
        if (p->row_at != rows || p->n_rows == 0 || p->n_rows > b->n_rows - rows)
            return BROKEN(c, "part %u: rows out of range", i);
        labels += p->n_labels;
        rows += p->n_rows;
        enum code code = part_labels_check(c, i);
        if (code == CODE_OK)
            code = rows_check(c, p);
        if (code != CODE_OK)
            return code;
        if (seen_before(&seen, b, i, labels_hash_of(b, p), same_labels))
            return BROKEN(c, "part %u has the labels of another", i);
    }
    return labels == b->n_labels && rows == b->n_rows ? CODE_OK : BROKEN(c, "labels or rows that belong to no part");
}

static enum code check_all(struct check c)
{
    static enum code (*const checks[])(const struct check *) = { strings_check, functions_check, locations_check,
                                                                 stacks_check, parts_check };

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        enum code code = checks[i](&c);
        if (code != CODE_OK)
            return code;
    }
    return CODE_OK;
}

enum code batch_check(const struct batch *b, struct arena *scratch, struct fault *why)
{
    return check_all((struct check){ b, scratch, why, false });
}

enum code batch_check_quick(const struct batch *b, struct arena *scratch, struct fault *why)
{
    return check_all((struct check){ b, scratch, why, true });
}
