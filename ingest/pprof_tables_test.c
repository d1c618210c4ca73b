/*
 * Goal: reading a message quickly gives what reading it in the general way gives.
 * Method: functions and locations with numbers of every length, fields left out and out of order, each made twice: as it is, and with
 * a field nobody knows behind, which no quick way takes.  All of them are also read where nothing follows.
 */
#include "ingest/pprof_tables.h"

#include <assert.h>
#include <stdio.h>

#include "ingest/pprof_raw.h"

enum { ROUNDS = 3000, MESSAGES = 8, BEHIND = 100 };

static uint64_t state = 1;

static uint64_t draw(uint64_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % n;
}

/* Of any length a varint has. */
static uint64_t number(void) { return (draw(UINT32_MAX) << 33 ^ draw(UINT32_MAX) << 11) >> draw(64); }

static void line_put(struct buf *out)
{
    size_t line = pb_open(out, 4);

    if (draw(8) > 0)
        pb_put_varint(out, 1, number());
    if (draw(8) > 0)
        pb_put_varint(out, 2, number());
    if (draw(16) == 0)
        pb_put_varint(out, 1, number());
    pb_close(out, line);
}

/* The fields of a function or a location, most of them in order. */
static void fields_put(struct buf *out, bool is_location)
{
    uint32_t last = is_location ? 3 : 5;

    for (uint32_t field = 1; field <= last; field++)
        if (draw(8) > 0)
            pb_put_varint(out, draw(32) > 0 ? field : 1 + (uint32_t)draw(last), number());
    for (uint64_t lines = is_location ? draw(4) : 0; lines > 0; lines--)
        line_put(out);
    if (draw(16) == 0)
        pb_put_varint(out, 5, draw(2));
}

static void message_put(struct buf *out, uint32_t kind, struct slice fields, bool is_marked)
{
    size_t opened = pb_open(out, kind);

    buf_slice(out, fields);
    if (is_marked)
        pb_put_varint(out, 15, 0);
    pb_close(out, opened);
}

static struct pprof tables_of(const struct buf *b, struct arena *a)
{
    static const struct decode_limits limits = { .symbol_bytes_max = INT64_MAX };
    struct pprof                      p;
    struct fault                      why;
    struct slice                      bytes = arena_copy(a, buf_view(b));

    enum code code = pprof_read(bytes, &limits, a, a, &p, &why);
    assert(code == CODE_OK);
    return p;
}

static bool are_equal(const void *x, const void *y, size_t n) { return n == 0 || memcmp(x, y, n) == 0; }

static void tables_are_equal(const struct pprof *p, const struct pprof *q)
{
    size_t n_functions = p->n_functions, n_locations = p->n_locations;

    assert(p->n_functions == q->n_functions && p->n_locations == q->n_locations && p->n_lines == q->n_lines);
    assert(are_equal(p->functions, q->functions, n_functions * sizeof *p->functions));
    assert(are_equal(p->function_ids, q->function_ids, n_functions * sizeof *p->function_ids));
    assert(are_equal(p->location_ids, q->location_ids, n_locations * sizeof *p->location_ids));
    assert(are_equal(p->mapping_ids_of_locations, q->mapping_ids_of_locations,
                     n_locations * sizeof *p->mapping_ids_of_locations));
    assert(are_equal(p->lines, q->lines, p->n_lines * sizeof *p->lines));
    assert(are_equal(p->locations, q->locations, n_locations * sizeof *p->locations));
}

static void quickly_is_the_same(void)
{
    struct buf fields = { 0 }, plain = { 0 }, marked = { 0 };

    for (int round = 0; round < ROUNDS; round++) {
        struct arena *a = arena_new(0);
        plain.n = marked.n = 0;
        for (int i = 0; i < MESSAGES; i++) {
            bool is_location = draw(2) == 0;
            fields.n = 0;
            fields_put(&fields, is_location);
            message_put(&plain, is_location ? 4 : 5, buf_view(&fields), false);
            message_put(&marked, is_location ? 4 : 5, buf_view(&fields), true);
        }
        struct pprof at_the_end = tables_of(&plain, a), generally = tables_of(&marked, a);
        memset(buf_reserve(&fields, BEHIND), 0, BEHIND);
        pb_put_bytes(&plain, 15, slice_make(fields.p, BEHIND));
        struct pprof quickly = tables_of(&plain, a);
        tables_are_equal(&quickly, &generally);
        tables_are_equal(&at_the_end, &generally);
        arena_free(a);
    }
    buf_free(&fields);
    buf_free(&plain);
    buf_free(&marked);
}

/* A line said to be longer than its location, with enough behind it to read. */
static void a_line_ends_with_its_location(void)
{
    static const char bytes[] = "\x22\x04\x08\x01\x22\x02\x7a\x64";
    char              all[sizeof bytes - 1 + BEHIND] = { 0 };
    struct arena     *a = arena_new(0);
    struct pprof      p;
    struct fault      why;

    memcpy(all, bytes, sizeof bytes - 1);
    enum code code = pprof_read(slice_make(all, sizeof all), &decode_limits_usual, a, a, &p, &why);
    assert(code == CODE_INVALID_ARGUMENT);
    assert(slice_is(slice_of(why.text), "failed to decode pprof: malformed location"));
    arena_free(a);
}

int main(void)
{
    quickly_is_the_same();
    a_line_ends_with_its_location();
    printf("pprof tables: ok\n");
    return 0;
}
