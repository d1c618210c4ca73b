/*
 * Goal: what is written is read back, and no damage is read as something else than it is.
 * Method: records out of order, of two tenants, and by hand as upstream writes them; then the file cut at every byte and
 * with every bit flipped: refused, or the same number of records or fewer, all within the file.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ctl/archive.h"

enum { RECORDS = 3 };

static const int64_t times[RECORDS] = { 30, -10, 20 };

static void archive_make(struct buf *out)
{
    struct slice          tenants[] = { SLICE("one"), SLICE("two") };
    struct archive_header h = { SLICE("{pod=\"a\"}"), tenants, 2, 1, 2, 3 };

    archive_put_header(out, &h);
    for (int i = 0; i < RECORDS; i++) {
        struct label          labels[] = { { SLICE("__name__"), SLICE("process_cpu") }, { SLICE("pod"), SLICE("a") } };
        struct archive_record r = { times[i], { labels, 2 }, tenants[i % 2], SLICE("\x1f\x8b pprof") };
        archive_put_record(out, &r);
    }
}

/* -1: refused. */
static int records_in(struct slice bytes)
{
    struct arena         *a = arena_new(0);
    struct archive        r;
    struct archive_record record;
    struct fault          why = { 0 };
    int                   n = -1;

    if (archive_open(bytes, a, &r, &why) == CODE_OK) {
        n = (int)r.n;
        for (size_t i = 0; i < r.n; i++) {
            why.text[0] = '\0';
            assert(i == 0 || r.places[i - 1].time_ns <= r.places[i].time_ns);
            if (archive_read(&r, i, a, &record, &why) != CODE_OK)
                assert(why.text[0] != '\0');
        }
        archive_close(&r);
    } else {
        assert(why.text[0] != '\0');
    }
    arena_free(a);
    return n;
}

static void test_round_trip(void)
{
    struct buf            bytes = { 0 };
    struct arena         *a = arena_new(0);
    struct archive        r;
    struct archive_record record;
    struct fault          why;

    archive_make(&bytes);
    enum code code = archive_open(buf_view(&bytes), a, &r, &why);
    assert(code == CODE_OK && r.n == RECORDS && r.header.n_tenants == 2 && slice_is(r.header.tenants[1], "two"));
    assert(slice_is(r.header.query, "{pod=\"a\"}") && r.header.from_ms == 1 && r.header.created_ms == 3);
    code = archive_read(&r, 0, a, &record, &why);
    assert(code == CODE_OK && record.time_ns == -10 && slice_is(record.tenant, "two"));
    assert(record.labels.n == 2 && slice_is(record.labels.at[1].value, "a") && record.pprof.n == 8);
    code = archive_read(&r, 2, a, &record, &why);
    assert(code == CODE_OK && record.time_ns == 30 && slice_is(record.tenant, "one"));
    archive_close(&r);
    arena_free(a);
    buf_free(&bytes);
}

/* As upstream writes it: one tenant in the header, none in the records. */
static void test_upstream(void)
{
    static const char     file[] = "PYRPLAY1\x2d{\"version\":1,\"tenants\":[\"t\"],\"more\":{\"x\":[]}}"
                                   "\x08\xc8\x01\x01\x01k\x01v\x00";
    struct arena         *a = arena_new(0);
    struct archive        r;
    struct archive_record record;
    struct fault          why;

    enum code code = archive_open(slice_make(file, sizeof file - 1), a, &r, &why);
    assert(code == CODE_OK && r.n == 1 && r.places[0].time_ns == 100);
    code = archive_read(&r, 0, a, &record, &why);
    assert(code == CODE_OK && record.tenant.n == 0 && slice_is(record.labels.at[0].name, "k") && record.pprof.n == 0);
    archive_close(&r);
    assert(records_in(SLICE("PYRPLAY1\x0d{\"version\":2}")) == -1 && records_in(SLICE("PYRPLAY2")) == -1);
    arena_free(a);
}

/* Copies without room behind them, for the address sanitizer to see the first byte too many. */
static int records_in_copy(struct slice s, size_t flipped_bit)
{
    char *copy = mem_alloc(s.n);

    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    if (flipped_bit < s.n * 8)
        copy[flipped_bit / 8] ^= (char)(1 << flipped_bit % 8);
    int n = records_in(slice_make(copy, s.n));
    free(copy);
    return n;
}

static void test_damage(void)
{
    struct buf bytes = { 0 };
    size_t     refused = 0, whole = 0;

    archive_make(&bytes);
    for (size_t n = 0; n < bytes.n; n++) {
        int records = records_in_copy(slice_make(bytes.p, n), SIZE_MAX);
        assert(records < RECORDS); /* at a border between two records nothing tells that more followed */
        refused += records < 0;
        whole += records >= 0;
    }
    assert(whole == RECORDS && refused == bytes.n - RECORDS);
    for (size_t bit = 0; bit < bytes.n * 8; bit++)
        assert(records_in_copy(buf_view(&bytes), bit) <= (int)bytes.n);
    buf_free(&bytes);
}

int main(void)
{
    test_round_trip();
    test_upstream();
    test_damage();
    puts("archive_test: fine");
    return 0;
}
