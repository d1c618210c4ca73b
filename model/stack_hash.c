#include "model/stack_hash.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Hashes under a key are numbers drawn at random: sums of them will do, if each place counts by a number of its own. */
static inline void count_in(struct hash128 *sum, struct hash128 what, uint32_t place)
{
    sum->lo += what.lo * hash_odds[place];
    sum->hi += what.hi * hash_odds[place + 1];
}

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
        of[i] = (struct hash128){ (uint64_t)f->start_line, (uint64_t)f->start_line };
        count_in(&of[i], strings[f->name], 0);
        count_in(&of[i], strings[f->system_name], 1);
        count_in(&of[i], strings[f->file], 2);
    }
    return of;
}

/* One frame more: a line, or the location itself, whose function is its mapping.  Each half has a key of its own in it. */
static inline struct hash128 frame_mix(struct hash128 before, struct hash128 function, uint64_t number)
{
    return (struct hash128){ hash_fold(before.lo + function.lo, number + hash_odds[0]),
                             hash_fold(before.hi + function.hi, number + hash_odds[1]) };
}

const struct hash128 *location_hashes(const struct batch *b, struct arena *scratch)
{
    const struct hash128 *strings = strings_hash(b, scratch), *mappings = mappings_hash(b, strings, scratch);
    const struct hash128 *functions = functions_hash(b, strings, scratch);
    struct hash128       *of = arena_array(scratch, b->n_locations, sizeof *of);

    for (uint32_t i = 0; i < b->n_locations; i++) {
        const struct batch_location *l = &b->locations[i];
        struct hash128               hash = { hash_odds[2] + l->flags, hash_odds[3] + l->flags };
        hash = frame_mix(hash, l->mapping == BATCH_NONE ? (struct hash128){ 0 } : mappings[l->mapping], l->address);
        for (uint32_t k = 0; k < l->n_lines; k++) {
            const struct batch_line *line = &b->lines[l->line_at + k];
            hash = frame_mix(hash, functions[line->function], (uint64_t)line->line);
        }
        of[i] = hash;
    }
    return of;
}

enum { PLACES = HASH_ODDS_N - 1 };

/* A hash128 as one number of 128 bits, and how it lies in memory. */
typedef uint64_t halves __attribute__((vector_size(16)));
typedef uint64_t halves_stored __attribute__((vector_size(16), aligned(8), may_alias));
typedef uint32_t quarters __attribute__((vector_size(16)));

/* The lower 32 bits of each half times its upper ones. */
static inline halves halves_fold(halves x)
{
#ifdef __SSE2__
    return (halves)_mm_mul_epu32((__m128i)x, (__m128i)(x >> 32)); /* gcc would multiply 64 bits by 64 */
#else
    return (x & UINT32_MAX) * (x >> 32);
#endif
}

/*
 * What a frame adds at its place, whose number is in both factors.  The frame itself besides: products take some values far more
 * often than others.
 */
static inline halves frame_at(const struct hash128 *frame, const uint64_t *place)
{
    halves   what = *(const halves_stored *)frame;
    quarters number = (quarters) * (const halves_stored *)place;

    return what + halves_fold((halves)((quarters)what + number));
}

/*
 * Powers of one number would be cheaper to have than a number for each place; but of a thousand frames of two kinds there are two
 * orders in which all sums of what they multiply are equal, under any key.
 */
struct hash128 stack_hash(const uint32_t *locations, uint32_t n, const struct hash128 *of)
{
    halves sum = { n, n };

    for (uint32_t from = 0, some; from < n; from += some) {
        some = n - from < PLACES ? n - from : PLACES;
        if (from > 0) {
            struct hash128 before = hash128_keyed(&sum, sizeof sum);
            sum = (halves){ before.lo, before.hi };
        }
        for (uint32_t i = 0; i < some; i++)
            sum += frame_at(&of[locations[from + i]], &hash_odds[i]);
    }
    return (struct hash128){ sum[0], sum[1] };
}

const struct hash128 *stack_hashes(const struct batch *b, struct arena *a, struct arena *scratch)
{
    struct hash128       *of = arena_array(a, b->n_stacks, sizeof *of);
    const struct hash128 *locations = location_hashes(b, scratch);

    for (uint32_t i = 0; i < b->n_stacks; i++) {
        struct batch_stack s = batch_stack(b, i);
        of[i] = stack_hash(s.locations, s.n, locations);
    }
    return of;
}
