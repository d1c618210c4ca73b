#include "wire/pb.h"

#include <assert.h>

static bool spoil(struct pb_cursor *c)
{
    c->is_bad = true;
    c->p = c->end;
    return false;
}

static bool fixed_read(struct pb_cursor *c, struct pb_field *f, size_t n)
{
    if ((size_t)(c->end - c->p) < n)
        return spoil(c);
    f->value = 0;
    memcpy(&f->value, c->p, n);
    c->p += n;
    return true;
}

bool pb_next_slow(struct pb_cursor *c, struct pb_field *f)
{
    uint64_t       tag;
    const uint8_t *p;

    if (c->p >= c->end)
        return false;
    if ((p = varint_read(c->p, c->end, &tag)) == NULL || tag < 8 || tag > UINT32_MAX)
        return spoil(c);
    c->p = p;
    f->number = (uint32_t)(tag >> 3);
    f->wire = (enum pb_wire)(tag & 7);
    if (f->wire == PB_FIXED64)
        return fixed_read(c, f, 8);
    if (f->wire == PB_FIXED32)
        return fixed_read(c, f, 4);
    if (f->wire != PB_VARINT && f->wire != PB_BYTES)
        return spoil(c);
    if ((p = varint_read(p, c->end, &f->value)) == NULL)
        return spoil(c);
    if (f->wire == PB_BYTES) {
        if (f->value > (uint64_t)(c->end - p))
            return spoil(c);
        f->bytes = p;
        p += f->value;
    }
    c->p = p;
    return true;
}

static void raw_varint(struct buf *out, uint64_t v)
{
    out->n += varint_write((uint8_t *)buf_reserve(out, VARINT_MAX_BYTES), v);
}

static void tag_put(struct buf *out, uint32_t number, enum pb_wire wire)
{
    raw_varint(out, (uint64_t)number << 3 | wire);
}

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

enum { LARGE_LENGTH_BYTES = 5 };

size_t pb_open_large(struct buf *out, uint32_t number)
{
    tag_put(out, number, PB_BYTES);
    buf_reserve(out, LARGE_LENGTH_BYTES);
    out->n += LARGE_LENGTH_BYTES;
    return out->n;
}

void pb_close_large(struct buf *out, size_t opened)
{
    size_t   body = out->n - opened;
    uint8_t *length = (uint8_t *)out->p + opened - LARGE_LENGTH_BYTES;

    assert(opened <= out->n && body >> 7 * LARGE_LENGTH_BYTES == 0);
    for (int i = 0; i < LARGE_LENGTH_BYTES; i++, body >>= 7)
        length[i] = (uint8_t)(i < LARGE_LENGTH_BYTES - 1 ? body | 0x80 : body);
}
