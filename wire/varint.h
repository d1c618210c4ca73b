/*
 * Varint: unsigned LEB128, as protobuf has it: 7 bits a byte, lowest first, at most ten bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { VARINT_MAX_BYTES = 10 };

/* The number at `p`: returns where it ends, NULL when it is cut short or does not fit 64 bits. */
static inline const uint8_t *varint_read(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;

    if (p < end && *p < 0x80) { /* most of them */
        *out = *p;
        return p + 1;
    }
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        uint64_t byte = *p++;
        if (shift == 63 && byte > 1)
            return NULL;
        v |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return p;
        }
    }
    return NULL;
}

/* Writes `v` at `p`, which has room for VARINT_MAX_BYTES; returns how many bytes it took. */
static inline size_t varint_write(uint8_t *p, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}
