#include "rpc/envelope.h"

#include <assert.h>

#include "base/mem.h"

enum { FIRST_BYTES = 512, AHEAD = 8 };

static size_t grown_cap(const struct inbox *in, size_t n)
{
    size_t need = in->bytes.n + n;
    size_t cap = in->bytes.cap ? in->bytes.cap * 2 : FIRST_BYTES;

    assert(need >= n);
    if (in->announced >= need && in->announced / AHEAD <= need)
        return in->announced; /* V2 */
    return cap > need ? cap : need;
}

size_t inbox_growth(const struct inbox *in, size_t n)
{
    return n <= in->bytes.cap - in->bytes.n ? 0 : grown_cap(in, n) - in->bytes.cap;
}

void inbox_put(struct inbox *in, struct slice piece)
{
    struct buf *b = &in->bytes;

    if (piece.n == 0)
        return;
    if (piece.n > b->cap - b->n) {
        b->cap = grown_cap(in, piece.n);
        b->p = mem_resize(b->p, b->cap);
    }
    memcpy(b->p + b->n, piece.p, piece.n);
    b->n += piece.n;
}

static uint32_t read_u32(const char *bytes)
{
    const uint8_t *p = (const uint8_t *)bytes;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum inbox_state inbox_next(struct inbox *in, uint8_t *flags, size_t *at, size_t *n)
{
    size_t left = inbox_rest(in);

    if (left < ENVELOPE_BYTES)
        return INBOX_WAITS;
    const char *head = in->bytes.p + in->taken;
    *n = read_u32(head + 1);
    if (*n > in->message_bytes_max)
        return INBOX_TOO_LARGE; /* V1 */
    if (left - ENVELOPE_BYTES < *n)
        return INBOX_WAITS;
    *flags = (uint8_t)head[0];
    *at = in->taken + ENVELOPE_BYTES;
    in->taken = *at + *n;
    return INBOX_MESSAGE;
}

size_t inbox_rest(const struct inbox *in) { return in->bytes.n - in->taken; }

void inbox_trim(struct inbox *in)
{
    size_t left = inbox_rest(in);

    if (in->taken > 0 && left > 0)
        memmove(in->bytes.p, in->bytes.p + in->taken, left);
    in->bytes.n = left;
    in->taken = 0;
}

void inbox_free(struct inbox *in)
{
    buf_free(&in->bytes);
    in->taken = 0;
}

void envelope_open(struct buf *out)
{
    buf_reserve(out, ENVELOPE_BYTES);
    out->n += ENVELOPE_BYTES;
}

void envelope_close(struct buf *out, size_t opened_at, uint8_t flags)
{
    size_t   n = out->n - opened_at - ENVELOPE_BYTES;
    uint8_t *p = (uint8_t *)out->p + opened_at;

    assert(n <= UINT32_MAX);
    p[0] = flags;
    for (int i = 0; i < 4; i++)
        p[1 + i] = (uint8_t)(n >> (24 - 8 * i));
}
