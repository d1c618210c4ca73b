/*
 * Goal: what was packed comes back, what is damaged or too big is refused, and no claim of the trailer is believed.
 * Method: round trips of several sizes, every truncation and many flipped bytes of one stream, members in a row.
 */
#include <assert.h>
#include <stdio.h>

#include "wire/zip.h"

static struct buf packed(size_t n)
{
    struct buf plain = { 0 }, out = { 0 };

    for (size_t i = 0; i < n; i++)
        buf_byte(&plain, (uint8_t)(i * i >> 7));
    zip_gzip(buf_view(&plain), &out);
    buf_free(&plain);
    return out;
}

static enum code unpack(struct slice in, size_t max, size_t *n, struct fault *why)
{
    struct arena *a = arena_new(0);
    struct slice  out = { 0 };
    enum code     code = zip_gunzip(in, max, a, &out, why);

    *n = out.n;
    for (size_t i = 0; code == CODE_OK && i < out.n && i < 4096; i++)
        assert(out.n < 5000 || (uint8_t)out.p[i] == (uint8_t)(i * i >> 7));
    arena_free(a);
    return code;
}

static void sizes_come_back(void)
{
    struct fault why;
    size_t       n;

    for (size_t size = 0; size < 3000000; size = size * 3 + 1) {
        struct buf z = packed(size);
        assert(zip_is_gzip(buf_view(&z)));
        assert(unpack(buf_view(&z), 1 << 24, &n, &why) == CODE_OK && n == size);
        buf_free(&z);
    }
}

static void members_join_and_limits_hold(void)
{
    struct fault why;
    struct buf   z = packed(100000), tail = packed(50);
    size_t       n;

    buf_slice(&z, buf_view(&tail)); /* the last trailer now claims 50 bytes */
    assert(unpack(buf_view(&z), 1 << 24, &n, &why) == CODE_OK && n == 100050);
    assert(unpack(buf_view(&z), 100050, &n, &why) == CODE_OK && n == 100050);
    assert(unpack(buf_view(&z), 100049, &n, &why) == CODE_RESOURCE_EXHAUSTED);
    assert(slice_find(slice_of(why.text), SLICE("100049")) < strlen(why.text));
    assert(unpack(buf_view(&z), 0, &n, &why) == CODE_RESOURCE_EXHAUSTED);
    buf_text(&z, "junk");
    assert(unpack(buf_view(&z), 1 << 24, &n, &why) == CODE_INVALID_ARGUMENT);
    buf_free(&z);
    buf_free(&tail);
}

static void damage_is_refused(void)
{
    struct fault why;
    struct buf   z = packed(3000);
    size_t       n;

    for (size_t cut = 0; cut < z.n; cut++)
        assert(unpack(slice_make(z.p, cut), 1 << 20, &n, &why) != CODE_OK);
    for (size_t i = 10; i < z.n; i++) {
        z.p[i] ^= 0x55;
        assert(unpack(buf_view(&z), 1 << 20, &n, &why) != CODE_OK);
        z.p[i] ^= 0x55;
    }
    assert(unpack(SLICE("hello, this is not gzip at all"), 100, &n, &why) == CODE_INVALID_ARGUMENT);
    buf_free(&z);
}

int main(void)
{
    sizes_come_back();
    members_join_and_limits_hold();
    damage_is_refused();
    printf("zip: ok\n");
    return 0;
}
