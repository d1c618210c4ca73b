#include "net/h1_chunk.h"

enum { DIGITS_MAX = 15, OVERHEAD_MAX = 16 << 10 };

static void refuse(struct h1_chunk *c, const char *why)
{
    c->state = H1_CHUNK_BAD;
    c->wrong = why;
}

static int hex_digit(unsigned char b)
{
    if (b >= '0' && b <= '9')
        return b - '0';
    b |= 0x20;
    return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

static void take_size(struct h1_chunk *c, unsigned char b)
{
    int digit = hex_digit(b);

    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        if (++c->digits > DIGITS_MAX)
            refuse(c, "the size of a chunk is too large");
    } else if (c->digits == 0) {
        refuse(c, "a chunk does not begin with its size");
    } else if (b == '\r') {
        c->state = H1_CHUNK_SIZE_LF;
    } else if (b == ';') {
        c->state = H1_CHUNK_EXT;
    } else {
        refuse(c, "the size of a chunk is not a hexadecimal number");
    }
}

static void take_text(struct h1_chunk *c, unsigned char b, enum h1_chunk_state after_cr)
{
    if (++c->overhead > OVERHEAD_MAX)
        refuse(c, "chunk extensions and trailers are too long");
    else if (b == '\r')
        c->state = after_cr;
    else if ((b < ' ' && b != '\t') || b == 0x7f)
        refuse(c, "a chunk extension or trailer has a control character");
    else if (c->state == H1_CHUNK_TRAILER_START && (b == ' ' || b == '\t' || b == ':'))
        refuse(c, "a trailer has no name");
    else if (c->state == H1_CHUNK_TRAILER_START)
        c->state = H1_CHUNK_TRAILER;
}

static void take_lf(struct h1_chunk *c, unsigned char b, enum h1_chunk_state next)
{
    if (b == '\n')
        c->state = next;
    else
        refuse(c, "a CR without LF between chunks");
}

static void take(struct h1_chunk *c, unsigned char b)
{
    switch (c->state) {
    case H1_CHUNK_SIZE: take_size(c, b); break;
    case H1_CHUNK_EXT: take_text(c, b, H1_CHUNK_SIZE_LF); break;
    case H1_CHUNK_SIZE_LF: take_lf(c, b, c->left > 0 ? H1_CHUNK_DATA : H1_CHUNK_TRAILER_START); break;
    case H1_CHUNK_DATA_CR:
        if (b == '\r')
            c->state = H1_CHUNK_DATA_LF;
        else
            refuse(c, "a chunk is longer than its size");
        break;
    case H1_CHUNK_DATA_LF:
        c->digits = 0;
        take_lf(c, b, H1_CHUNK_SIZE);
        break;
    case H1_CHUNK_TRAILER_START: take_text(c, b, H1_CHUNK_LAST_LF); break;
    case H1_CHUNK_TRAILER: take_text(c, b, H1_CHUNK_TRAILER_LF); break;
    case H1_CHUNK_TRAILER_LF: take_lf(c, b, H1_CHUNK_TRAILER_START); break;
    case H1_CHUNK_LAST_LF: take_lf(c, b, H1_CHUNK_END); break;
    case H1_CHUNK_DATA:
    case H1_CHUNK_END:
    case H1_CHUNK_BAD: break;
    }
}

struct slice h1_chunk_next(struct h1_chunk *c, struct slice *in)
{
    while (in->n > 0 && c->state < H1_CHUNK_END) {
        if (c->state == H1_CHUNK_DATA) {
            struct slice piece = slice_make(in->p, in->n < c->left ? in->n : (size_t)c->left);
            *in = slice_from(*in, piece.n);
            c->left -= piece.n;
            if (c->left == 0)
                c->state = H1_CHUNK_DATA_CR;
            return piece;
        }
        take(c, (unsigned char)in->p[0]);
        *in = slice_from(*in, 1);
    }
    return (struct slice){ 0 };
}
