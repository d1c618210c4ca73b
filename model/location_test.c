/*
 * Goal: a location comes back from its string as it was; equal ones have equal strings, others do not; nothing cut short is
 * taken.  Method: random locations from few values, so that many are equal, against comparison field by field.
 */
#include <assert.h>
#include <stdio.h>

#include "model/location.h"

enum { MANY = 300 };

static uint64_t seed = 5;

static uint32_t roll(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static struct slice text_random(void)
{
    static const struct slice texts[] = { SLICE(""), SLICE("a"), SLICE("main.work"), SLICE("a\0b") };
    return texts[roll(4)];
}

static struct location location_random(struct arena *a)
{
    static const uint64_t numbers[] = { 0, 1, 0x7f, UINT64_MAX };
    struct location       l = { .address = numbers[roll(4)], .is_folded = roll(2), .n_lines = roll(3) };

    if (roll(2))
        l.mapping = (struct location_mapping){ 0, numbers[roll(4)], 0, roll(16), text_random(), text_random() };
    l.lines = arena_zalloc(a, l.n_lines * sizeof *l.lines);
    for (uint32_t i = 0; i < l.n_lines; i++) {
        l.lines[i].line = (int64_t)numbers[roll(4)];
        l.lines[i].function =
            (struct location_function){ (int64_t)numbers[roll(4)], text_random(), text_random(), text_random() };
    }
    return l;
}

static bool functions_are_equal(const struct location_function *a, const struct location_function *b)
{
    return a->start_line == b->start_line && slice_eq(a->name, b->name) && slice_eq(a->system_name, b->system_name) &&
           slice_eq(a->file, b->file);
}

static bool mappings_are_equal(const struct location_mapping *a, const struct location_mapping *b)
{
    return a->start == b->start && a->limit == b->limit && a->offset == b->offset && a->flags == b->flags &&
           slice_eq(a->file, b->file) && slice_eq(a->build_id, b->build_id);
}

static bool are_equal(const struct location *a, const struct location *b)
{
    bool are = a->address == b->address && a->is_folded == b->is_folded && a->n_lines == b->n_lines &&
               mappings_are_equal(&a->mapping, &b->mapping);

    for (uint32_t i = 0; are && i < a->n_lines; i++)
        are = a->lines[i].line == b->lines[i].line && functions_are_equal(&a->lines[i].function, &b->lines[i].function);
    return are;
}

static void strings(void)
{
    struct arena          *a = arena_new(0);
    static struct location made[MANY], back[MANY];
    static struct slice    text[MANY];

    for (int i = 0; i < MANY; i++) {
        struct buf      out = { 0 };
        struct location cut;
        made[i] = location_random(a);
        location_encode(&made[i], &out);
        text[i] = arena_copy(a, buf_view(&out));
        buf_free(&out);
        assert(location_decode(text[i], a, &back[i]) && are_equal(&made[i], &back[i]));
        for (size_t n = 0; n < text[i].n; n++)
            assert(!location_decode(slice_make(text[i].p, n), a, &cut));
    }
    for (int i = 0; i < MANY; i++)
        for (int k = 0; k < MANY; k++) {
            assert(slice_eq(text[i], text[k]) == are_equal(&made[i], &made[k]));
            assert(slice_eq(back[i].mapping_bytes, back[k].mapping_bytes) ==
                   mappings_are_equal(&made[i].mapping, &made[k].mapping));
            if (back[i].n_lines > 0 && back[k].n_lines > 0)
                assert(slice_eq(back[i].lines[0].function_bytes, back[k].lines[0].function_bytes) ==
                       functions_are_equal(&made[i].lines[0].function, &made[k].lines[0].function));
        }
    arena_free(a);
}

static void bare_names(void)
{
    char room[LOCATION_NAME_ROOM], text[400];

    assert(slice_is(location_bare_name(SLICE("/usr/lib/libc.so"), 0x1f, room), "libc.so!0x1f"));
    assert(slice_is(location_bare_name(SLICE(""), UINT64_MAX, room), "unknown!0xffffffffffffffff"));
    assert(slice_is(location_bare_name(SLICE("dir/"), 1, room), "unknown!0x1"));
    memset(text, 'x', sizeof text);
    assert(location_bare_name(slice_make(text, sizeof text), UINT64_MAX, room).n == 256 + 19);
}

int main(void)
{
    strings();
    bare_names();
    puts("location: ok");
    return 0;
}
