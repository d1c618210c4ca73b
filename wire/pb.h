/*
 * Pb: protobuf fields without meaning.  A cursor walks the fields of one message in place; a writer appends fields.
 *
 *     struct pb_cursor c = pb_cursor(bytes);
 *     struct pb_field  f;
 *     while (pb_next(&c, &f))
 *         switch (f.number) { case 1: id = f.value; break; case 2: name = pb_bytes(&f); ... }
 *     if (c.is_bad) ...
 *
 * P1  A cursor never reads outside its bytes and always ends: each field takes at least one byte.
 * P2  A field of the wrong wire type is the caller's to notice (f.wire); its value is then just a number.
 * P3  Groups (wire types 3, 4), which nothing of ours uses, make a message bad.
 */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/slice.h"
#include "wire/varint.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb_cursor {
    const uint8_t *p, *end;
    bool           is_bad;
};

struct pb_field {
    uint32_t       number;
    enum pb_wire   wire;
    uint64_t       value; /* of a number; the length of bytes */
    const uint8_t *bytes; /* [value] when wire is PB_BYTES */
};

static inline struct pb_cursor pb_cursor(struct slice bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    return (struct pb_cursor){ p, bytes.n ? p + bytes.n : p, false };
}

/* pb_next for whatever its fast path leaves. */
bool pb_next_slow(struct pb_cursor *c, struct pb_field *f);

/*
 * The next field; false at the end of the message and, with is_bad, where it is broken.  Inline for what nearly all
 * fields are: a tag of one byte, a number or a length of one or two.
 */
__attribute__((always_inline)) static inline bool pb_next(struct pb_cursor *c, struct pb_field *f)
{
    const uint8_t *p = c->p;
    uint64_t       value;

    if (p >= c->end)
        return false;
    unsigned tag = *p++;
    if (p == c->end || (tag & 0x85) != 0 || tag < 8)
        return pb_next_slow(c, f);
    value = *p++;
    if (value >= 0x80) {
        if (p == c->end || *p >= 0x80)
            return pb_next_slow(c, f);
        value = (value & 0x7f) | (uint64_t)*p++ << 7;
    }
    f->bytes = p;
    if ((tag & 7) == PB_BYTES) {
        if (value > (uint64_t)(c->end - p))
            return pb_next_slow(c, f);
        p += value;
    }
    f->number = tag >> 3;
    f->wire = (enum pb_wire)(tag & 7);
    f->value = value;
    c->p = p;
    return true;
}

/*
 * Takes the number of the field with this one-byte tag when it comes next, and leaves `v` alone when not.  Writers keep
 * fields in order, so a reader asks for each in turn before it walks over the rest with pb_next: no switch to mispredict.
 */
__attribute__((always_inline)) static inline void pb_expect(struct pb_cursor *c, uint8_t tag, uint64_t *v)
{
    const uint8_t *p = c->p;

    if (p < c->end && *p == tag && (p = varint_read(p + 1, c->end, v)) != NULL)
        c->p = p; /* a broken number is pb_next's to tell */
}

/*
 * The bytes of the field with this one-byte tag when it comes next: of those that come in runs, where most are short.  False: it
 * does not, or it is for pb_next to judge.
 */
__attribute__((always_inline)) static inline bool pb_expect_bytes(struct pb_cursor *c, uint8_t tag, struct slice *bytes)
{
    const uint8_t *p = c->p;

    if (c->end - p < 3 || *p != tag)
        return false;
    size_t n = p[1];
    p += 2;
    if (n >= 0x80) {
        if (*p >= 0x80)
            return false;
        n = (n & 0x7f) | (size_t)*p++ << 7;
    }
    if (n > (size_t)(c->end - p))
        return false;
    *bytes = slice_make(p, n);
    c->p = p + n;
    return true;
}

/* The field's bytes; none when it is a number. */
static inline struct slice pb_bytes(const struct pb_field *f)
{
    return f->wire == PB_BYTES ? slice_make(f->bytes, (size_t)f->value) : (struct slice){ 0 };
}

void pb_put_varint(struct buf *out, uint32_t number, uint64_t v); /* also when 0 */
void pb_put_bytes(struct buf *out, uint32_t number, struct slice s);
void pb_put_packed(struct buf *out, uint32_t number, const uint64_t *v, size_t n); /* nothing when n is 0 */

/* A message within: what is appended between open and close is its body. */
size_t pb_open(struct buf *out, uint32_t number);
void   pb_close(struct buf *out, size_t opened);

/* The same for large bodies, less than 32 GiB: a length of five bytes whatever it says, so that nothing moves. */
size_t pb_open_large(struct buf *out, uint32_t number);
void   pb_close_large(struct buf *out, size_t opened);
