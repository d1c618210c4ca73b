#include "model/stack_hash.h"

/* Odd numbers, one for each half: a location counts by how far from the root it stands. */
#define STEP_LO UINT64_C(0x9E3779B97F4A7C15)
#define STEP_HI UINT64_C(0xD6E8FEB86659FD93)

static struct hash128 *strings_hash(const struct batch *b, struct arena *a)
{
    struct hash128 *of = arena_array(a, b->n_strings, sizeof *of);

    for (uint32_t i = 0; i < b->n_strings; i++) {
        struct slice text = batch_string(b, i);
        of[i] = hash128_keyed(text.p, text.n);
    }
    return of;
}

/* These are records without padding: their bytes are hashed. */
static struct hash128 *mappings_hash(const struct batch *b, const struct hash128 *strings, struct arena *a)
{
    struct hash128 *of = arena_array(a, b->n_mappings, sizeof *of);

    for (uint32_t i = 0; i < b->n_mappings; i++) {
        const struct batch_mapping *m = &b->mappings[i];
        struct {
            struct hash128 file, build_id;
            uint64_t       start, limit, offset, flags;
        } all = { strings[m->file], strings[m->build_id], m->start, m->limit, m->offset, m->flags };
        of[i] = hash128_keyed(&all, sizeof all);
    }
    return of;
}

static struct hash128 *functions_hash(const struct batch *b, const struct hash128 *strings, struct arena *a)
{
    struct hash128 *of = arena_array(a, b->n_functions, sizeof *of);

    for (uint32_t i = 0; i < b->n_functions; i++) {
        const struct batch_function *f = &b->functions[i];
        struct {
            struct hash128 name, system_name, file;
            int64_t        start_line;
        } all = { strings[f->name], strings[f->system_name], strings[f->file], f->start_line };
        of[i] = hash128_keyed(&all, sizeof all);
    }
    return of;
}

struct frame { /* a line, or the location itself, whose function is its mapping */
    struct hash128 function;
    uint64_t       number, more;
};

static struct hash128 *locations_hash(const struct batch *b, const struct hash128 *mappings,
                                      const struct hash128 *functions, struct arena *a)
{
    struct hash128 *of = arena_array(a, b->n_locations, sizeof *of);
    struct frame   *all = arena_array(a, (size_t)b->n_lines + 1, sizeof *all);

    for (uint32_t i = 0; i < b->n_locations; i++) {
        const struct batch_location *l = &b->locations[i];
        struct hash128               mapping = l->mapping == BATCH_NONE ? (struct hash128){ 0 } : mappings[l->mapping];
        all[0] = (struct frame){ mapping, l->address, l->flags };
        for (uint32_t k = 0; k < l->n_lines; k++) {
            const struct batch_line *line = &b->lines[l->line_at + k];
            all[k + 1] = (struct frame){ functions[line->function], (uint64_t)line->line, 0 };
        }
        of[i] = hash128_keyed(all, (l->n_lines + 1) * sizeof *all);
    }
    return of;
}

/* Of the frames that stand at even and at odd places apart: no sum waits for the one before. */
static struct hash128 stack_hash(const struct batch_stack *s, const struct hash128 *locations)
{
    uint64_t sums[5] = { 0, 0, 0, 0, s->n };
    uint32_t i = 0;

    for (; i + 2 <= s->n; i += 2) {
        const struct hash128 *one = &locations[s->locations[i]], *two = &locations[s->locations[i + 1]];
        sums[0] = (sums[0] + one->lo) * STEP_LO;
        sums[1] = (sums[1] + one->hi) * STEP_HI;
        sums[2] = (sums[2] + two->lo) * STEP_LO;
        sums[3] = (sums[3] + two->hi) * STEP_HI;
    }
    if (i < s->n) {
        sums[0] = (sums[0] + locations[s->locations[i]].lo) * STEP_LO;
        sums[1] = (sums[1] + locations[s->locations[i]].hi) * STEP_HI;
    }
    return hash128_keyed(sums, sizeof sums);
}

const struct hash128 *stack_hashes(const struct batch *b, struct arena *a, struct arena *scratch)
{
    struct hash128       *of = arena_array(a, b->n_stacks, sizeof *of);
    const struct hash128 *strings = strings_hash(b, scratch);
    const struct hash128 *locations =
        locations_hash(b, mappings_hash(b, strings, scratch), functions_hash(b, strings, scratch), scratch);

    for (uint32_t i = 0; i < b->n_stacks; i++) {
        struct batch_stack s = batch_stack(b, i);
        of[i] = stack_hash(&s, locations);
    }
    return of;
}
