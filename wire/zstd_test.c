/*
 * Goal: what was packed comes back, what is damaged, cut short or too big is refused, and no claim of a frame is believed.
 * Method: round trips of several sizes, frames in a row, every truncation and many flipped bytes of one frame.
 */
#include <assert.h>
#include <stdio.h>

#include "wire/zstd.h"

static struct buf packed(size_t n)
{
    struct buf plain = { 0 }, out = { 0 };

    for (size_t i = 0; i < n; i++)
        buf_byte(&plain, (uint8_t)(i * i >> 7));
    zstd_pack(buf_view(&plain), &out);
    buf_free(&plain);
    return out;
}

static enum code unpack(struct slice in, size_t max, size_t *n, struct fault *why)
{
    struct arena *a = arena_new(0);
    struct slice  out = { 0 };
    enum code     code = zstd_unpack(in, max, a, &out, why);

    *n = out.n;
    arena_free(a);
    return code;
}

static void sizes_come_back(void)
{
    struct fault why;
    size_t       n;

    for (size_t size = 0; size < 3000000; size = size * 3 + 1) {
        struct buf z = packed(size);
        assert(zstd_claim(buf_view(&z)) == size);
        assert(unpack(buf_view(&z), 1 << 24, &n, &why) == CODE_OK && n == size);
        buf_free(&z);
    }
}

static void frames_join_and_limits_hold(void)
{
    struct fault why;
    struct buf   z = packed(100000), tail = packed(50);
    size_t       n;

    buf_slice(&z, buf_view(&tail));
    assert(unpack(buf_view(&z), 1 << 24, &n, &why) == CODE_OK && n == 100050);
    assert(unpack(buf_view(&z), 100050, &n, &why) == CODE_OK && n == 100050);
    assert(unpack(buf_view(&z), 100049, &n, &why) == CODE_RESOURCE_EXHAUSTED);
    assert(unpack(buf_view(&z), 0, &n, &why) == CODE_RESOURCE_EXHAUSTED);
    buf_text(&z, "junk");
    assert(unpack(buf_view(&z), 1 << 24, &n, &why) == CODE_INVALID_ARGUMENT);
    buf_free(&z);
    buf_free(&tail);
}

static void damage_is_refused(void)
{
    struct buf   z = packed(5000);
    struct fault why;
    size_t       n;

    assert(unpack((struct slice){ 0 }, 100, &n, &why) == CODE_INVALID_ARGUMENT);
    for (size_t i = 0; i < z.n; i++)
        assert(unpack(slice_make(z.p, i), 1 << 20, &n, &why) == CODE_INVALID_ARGUMENT);
    for (size_t i = 0; i < z.n; i++) {
        z.p[i] ^= 0x10;
        enum code code = unpack(buf_view(&z), 1 << 20, &n, &why);
        assert(code == CODE_OK || code == CODE_INVALID_ARGUMENT || code == CODE_RESOURCE_EXHAUSTED);
        z.p[i] ^= 0x10;
    }
    buf_free(&z);
}

int main(void)
{
    sizes_come_back();
    frames_join_and_limits_hold();
    damage_is_refused();
    return 0;
}
