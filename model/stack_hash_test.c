/*
 * Goal: a stack's hash tells what it says and not how its batch numbers it.  Method: one stack in two batches of different
 * numbers; then everything that it says is changed, one thing at a time, and no two hashes are equal.
 */
#include "model/stack_hash.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { STRINGS = 8, CHANGES = 21 };

/* main (line 10), inlined(20) <- work(30), twice a location without lines. */
struct sample {
    struct batch          b;
    const char           *texts[STRINGS];
    char                  bytes[128];
    uint32_t              string_end[STRINGS], stack_end[2], stack[4];
    struct batch_mapping  mapping;
    struct batch_function functions[3];
    struct batch_line     lines[3];
    struct batch_location locations[3];
};

static struct sample *sample_new(struct arena *a)
{
    struct sample *s = arena_zalloc(a, sizeof *s);

    *s = (struct sample){
        .texts = { "", "main", "inlined", "work", "sys", "a.c", "binary", "build" },
        .stack_end = { 4, 4 },
        .stack = { 2, 1, 2, 0 },
        .mapping = { .start = 1, .limit = 2, .offset = 3, .file = 6, .build_id = 7, .flags = 1 },
        .functions = { { .name = 1, .file = 5 },
                       { .name = 2, .file = 5 },
                       { .name = 3, .system_name = 4, .file = 5, .start_line = 25 } },
        .lines = { { 0, 0, 10 }, { 1, 0, 20 }, { 2, 0, 30 } },
        .locations = { { .mapping = 0, .line_at = 0, .n_lines = 1 },
                       { .mapping = 0, .line_at = 1, .n_lines = 2 },
                       { .address = 77, .mapping = 0, .line_at = 3 } },
    };
    return s;
}

static struct sample *sample_batch(struct sample *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < STRINGS; s->string_end[i++] = n) {
        memcpy(s->bytes + n, s->texts[i], strlen(s->texts[i]));
        n += (uint32_t)strlen(s->texts[i]);
    }
    s->b = (struct batch){ .string_end = s->string_end,
                           .string_bytes = s->bytes,
                           .mappings = &s->mapping,
                           .functions = s->functions,
                           .lines = s->lines,
                           .locations = s->locations,
                           .stack_end = s->stack_end,
                           .stack_locations = s->stack,
                           .n_strings = STRINGS,
                           .n_mappings = 1,
                           .n_functions = 3,
                           .n_lines = 3,
                           .n_locations = 3,
                           .n_stacks = 2 };
    return s;
}

static struct hash128 hash_of(struct sample *s, struct arena *a)
{
    const struct hash128 *of = stack_hashes(&sample_batch(s)->b, a, a);
    assert(of[0].lo != of[1].lo); /* the other one is empty */
    return of[0];
}

static void numbers_do_not_matter(struct arena *a)
{
    struct sample *s = sample_new(a), *t = sample_new(a);
    const char    *work = t->texts[3];

    t->texts[3] = t->texts[1], t->texts[1] = work;
    t->functions[0] = s->functions[2], t->functions[0].name = 1;
    t->functions[2] = s->functions[0], t->functions[2].name = 3;
    t->lines[0].function = 2, t->lines[2].function = 0;
    t->locations[0] = s->locations[2], t->locations[2] = s->locations[0];
    t->stack[0] = t->stack[2] = 0, t->stack[3] = 2;
    struct hash128 h = hash_of(s, a), again = hash_of(t, a);
    assert(h.lo == again.lo && h.hi == again.hi);
}

static void change(struct sample *s, int i)
{
    switch (i) {
    case 0:
        break;
    case 1:
        s->texts[1] = "mein";
        break;
    case 2:
        s->texts[4] = "sis";
        break;
    case 3:
        s->texts[5] = "b.c";
        break;
    case 4:
        s->texts[6] = "Binary";
        break;
    case 5:
        s->texts[7] = "built";
        break;
    case 6:
        s->mapping.start++;
        break;
    case 7:
        s->mapping.limit++;
        break;
    case 8:
        s->mapping.offset++;
        break;
    case 9:
        s->mapping.flags++;
        break;
    case 10:
        s->functions[2].start_line++;
        break;
    case 11:
        s->lines[0].line++;
        break;
    case 12:
        s->lines[1] = s->lines[2], s->lines[2] = (struct batch_line){ 1, 0, 20 };
        break;
    case 13:
        s->locations[0].address = 1;
        break;
    case 14:
        s->locations[0].mapping = BATCH_NONE;
        break;
    case 15:
        s->locations[1].n_lines--;
        break;
    case 16:
        s->locations[1].flags = BATCH_IS_FOLDED;
        break;
    case 17:
        s->stack[0] = 1, s->stack[1] = 2;
        break;
    case 18:
        s->stack[0] = 0, s->stack[3] = 2;
        break;
    case 19:
        s->stack_end[0] = s->stack_end[1] = 3;
        break;
    case 20:
        s->stack[1] = 0;
        break;
    }
}

static void whatever_it_says_matters(struct arena *a)
{
    struct hash128 seen[CHANGES];

    for (int i = 0; i < CHANGES; i++) {
        struct sample *s = sample_new(a);
        change(s, i);
        seen[i] = hash_of(s, a);
        for (int k = 0; k < i; k++)
            assert(seen[k].lo != seen[i].lo && seen[k].hi >> 32 != seen[i].hi >> 32);
    }
}

/*
 * Two locations in the order of Thue and Morse, and with the two exchanged: under sums of powers of one odd number, whichever
 * it is, these are equal from ten bits of places on.  Longer ones begin alike and end alike.
 */
static void no_order_is_like_another(struct arena *a)
{
    const struct hash128 *of = location_hashes(&sample_batch(sample_new(a))->b, a);
    enum { N = 1 << 13 };
    uint32_t *one = arena_array(a, N, sizeof *one), *other = arena_array(a, N, sizeof *other);

    for (uint32_t i = 0; i < N; i++) {
        one[i] = (uint32_t)__builtin_parity(i);
        other[i] = 1 - one[i];
    }
    for (uint32_t n = 2; n <= N; n *= 2) {
        struct hash128 h = stack_hash(one, n, of), g = stack_hash(other, n, of);
        assert(h.lo != g.lo && h.hi >> 32 != g.hi >> 32);
        uint32_t middle = one[n / 2];
        one[n / 2] = 2;
        g = stack_hash(one, n, of);
        one[n / 2] = middle;
        assert(h.lo != g.lo && h.hi >> 32 != g.hi >> 32);
    }
}

int main(void)
{
    struct arena *a = arena_new(0);

    numbers_do_not_matter(a);
    whatever_it_says_matters(a);
    no_order_is_like_another(a);
    arena_free(a);
    printf("stack hash: ok\n");
    return 0;
}
