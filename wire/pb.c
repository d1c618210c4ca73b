#include "wire/pb.h"

#include <assert.h>

static void raw_varint(struct buf *out, uint64_t v)
{
    out->n += varint_write((uint8_t *)buf_reserve(out, VARINT_MAX_BYTES), v);
}

static void tag_put(struct buf *out, uint32_t number, enum pb_wire wire) { raw_varint(out, (uint64_t)number << 3 | wire); }

void pb_put_varint(struct buf *out, uint32_t number, uint64_t v)
{
    tag_put(out, number, PB_VARINT);
    raw_varint(out, v);
}

void pb_put_bytes(struct buf *out, uint32_t number, struct slice s)
{
    tag_put(out, number, PB_BYTES);
    raw_varint(out, s.n);
    buf_slice(out, s);
}

void pb_put_packed(struct buf *out, uint32_t number, const uint64_t *v, size_t n)
{
    if (n == 0)
        return;
    size_t opened = pb_open(out, number);
    for (size_t i = 0; i < n; i++)
        raw_varint(out, v[i]);
    pb_close(out, opened);
}

size_t pb_open(struct buf *out, uint32_t number)
{
    tag_put(out, number, PB_BYTES);
    return out->n;
}

/* The length is known only now: the body moves up to make room for it. */
void pb_close(struct buf *out, size_t opened)
{
    uint8_t length[VARINT_MAX_BYTES];
    size_t  body = out->n - opened, n = varint_write(length, body);

    assert(opened <= out->n);
    buf_reserve(out, n);
    memmove(out->p + opened + n, out->p + opened, body);
    memcpy(out->p + opened, length, n);
    out->n += n;
}
