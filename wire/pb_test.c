/*
 * Goal: what the writer writes the cursor reads, and nothing broken gets past it.  Method: a message there and back,
 * every truncation of it, hand-made bad bytes; UTF-8 at its edges.
 */
#include <assert.h>
#include <stdio.h>

#include "wire/pb.h"
#include "wire/utf8.h"

static struct buf message(void)
{
    struct buf b = { 0 };

    pb_put_varint(&b, 1, 300);
    pb_put_bytes(&b, 2, SLICE("hello"));
    pb_put_packed(&b, 3, (uint64_t[]){ 1, 128, UINT64_MAX }, 3);
    size_t outer = pb_open(&b, 4), inner = pb_open(&b, 5);
    for (int i = 0; i < 200; i++)
        pb_put_varint(&b, 6, (uint64_t)i);
    pb_close(&b, inner);
    pb_close(&b, outer);
    buf_put(&b, "\x3d\1\0\0\0\x41\2\0\0\0\0\0\0\0", 14); /* fixed32 7 = 1, fixed64 8 = 2 */
    return b;
}

static void there_and_back(void)
{
    struct buf       b = message();
    struct pb_cursor c = pb_cursor(buf_view(&b)), in;
    struct pb_field  f;
    uint64_t         v, n = 0;

    assert(pb_next(&c, &f) && f.number == 1 && f.value == 300 && pb_bytes(&f).n == 0);
    assert(pb_next(&c, &f) && f.number == 2 && slice_is(pb_bytes(&f), "hello"));
    assert(pb_next(&c, &f) && f.number == 3 && f.value == 13);
    const uint8_t *p = varint_read(f.bytes + 3, f.bytes + f.value, &v);
    assert(p == f.bytes + f.value && v == UINT64_MAX);
    assert(pb_next(&c, &f) && f.number == 4);
    in = pb_cursor(pb_bytes(&f));
    assert(pb_next(&in, &f) && f.number == 5 && !pb_next(&in, &(struct pb_field){ 0 }) && !in.is_bad);
    for (in = pb_cursor(pb_bytes(&f)); pb_next(&in, &f); n++)
        assert(f.number == 6 && f.value == n);
    assert(n == 200 && !in.is_bad);
    assert(pb_next(&c, &f) && f.number == 7 && f.wire == PB_FIXED32 && f.value == 1);
    assert(pb_next(&c, &f) && f.number == 8 && f.wire == PB_FIXED64 && f.value == 2);
    assert(!pb_next(&c, &f) && !c.is_bad);
    buf_free(&b);
}

static bool is_bad(struct slice s)
{
    struct pb_cursor c = pb_cursor(s);
    struct pb_field  f;

    while (pb_next(&c, &f))
        ;
    return c.is_bad;
}

static void broken_is_bad(void)
{
    struct buf b = message();
    int        good = 0;

    for (size_t cut = 0; cut < b.n; cut++)
        good += !is_bad(slice_make(b.p, cut));
    assert(good == 6); /* between two fields */
    assert(is_bad(SLICE("\0\1")) && is_bad(SLICE("\x0b")) && is_bad(SLICE("\x0c")) && is_bad(SLICE("\x0e")));
    assert(is_bad(SLICE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")));
    assert(!is_bad(SLICE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
    assert(is_bad(SLICE("\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f")));
    assert(is_bad(SLICE("\xff\xff\xff\xff\xff\x01\x01")) && !is_bad((struct slice){ 0 }));
    buf_free(&b);
}

static void text_is_text(void)
{
    assert(utf8_is_valid(SLICE("")) && utf8_is_valid(SLICE("plain and long enough for words")));
    assert(utf8_is_valid(
        SLICE("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf")));
    assert(!utf8_is_valid(SLICE("12345678\x80")) && !utf8_is_valid(SLICE("\xc1\xbf")) &&
           !utf8_is_valid(SLICE("\xe0\x9f\xbf")));
    assert(!utf8_is_valid(SLICE("\xed\xa0\x80")) && !utf8_is_valid(SLICE("\xf4\x90\x80\x80")) &&
           !utf8_is_valid(SLICE("\xf5")));
    assert(!utf8_is_valid(SLICE("\xe2\x82")) && !utf8_is_valid(SLICE("\xf0\x90\x80")) &&
           !utf8_is_valid(SLICE("a\xff")));
}

/* A bad byte is found wherever it stands, however long the rest. */
static void every_place_is_looked_at(void)
{
    char text[40];

    for (size_t n = 1; n <= sizeof text; n++)
        for (size_t bad = 0; bad < n; bad++) {
            memset(text, 'a', sizeof text);
            assert(utf8_is_valid(slice_make(text, n)));
            text[bad] = (char)0xff;
            assert(!utf8_is_valid(slice_make(text, n)) && utf8_valid_prefix(slice_make(text, n)) == bad);
        }
}

/* Whole words, and bytes behind the last one. */
static void ascii_is_told_wherever_it_ends(void)
{
    char text[64];

    memset(text, 0x7f, sizeof text);
    for (size_t n = 0; n <= sizeof text; n++)
        assert(utf8_is_ascii(slice_make(text, n)));
    for (size_t at = 0; at < sizeof text; at++) {
        text[at] = (char)0x80;
        for (size_t n = 0; n <= sizeof text; n++)
            assert(utf8_is_ascii(slice_make(text, n)) == (n <= at));
        text[at] = 0x7f;
    }
}

/* A length of five bytes is read like any other. */
static void large_ones_do_not_move(void)
{
    struct buf b = { 0 };
    size_t     at = pb_open_large(&b, 3);

    buf_text(&b, "hello");
    pb_close_large(&b, at);
    struct pb_cursor c = pb_cursor(buf_view(&b));
    struct pb_field  f;
    assert(b.n == 11 && at == 6 && pb_next(&c, &f) && f.number == 3 && slice_is(pb_bytes(&f), "hello"));
    assert(!pb_next(&c, &f) && !c.is_bad);
    buf_free(&b);
}

int main(void)
{
    large_ones_do_not_move();
    there_and_back();
    broken_is_bad();
    text_is_text();
    ascii_is_told_wherever_it_ends();
    every_place_is_looked_at();
    printf("pb, utf8: ok\n");
    return 0;
}
