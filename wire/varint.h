/*
 * Varint: unsigned LEB128, as protobuf has it: 7 bits a byte, lowest first, at most ten bytes.  Little-endian machines.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VARINT_MAX_BYTES = 10 };

static inline const uint8_t *varint_read_bytewise(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;

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

/* Eight bytes of 7 bits each, closed up: neighbours join in pairs, pairs in fours, fours in one. */
static inline uint64_t varint_close(uint64_t w)
{
    w = (w & 0x007f007f007f007f) | (w & 0x7f007f007f007f00) >> 1;
    w = (w & 0x00003fff00003fff) | (w & 0x3fff00003fff0000) >> 2;
    return (w & 0x000000000fffffff) | (w & 0x0fffffff00000000) >> 4;
}

/* varint_read for what its fast paths leave. */
__attribute__((noinline, unused)) static const uint8_t *varint_read_long(const uint8_t *p, const uint8_t *end,
                                                                         uint64_t *out)
{
    uint64_t word;

    if ((size_t)(end - p) < sizeof word)
        return varint_read_bytewise(p, end, out);
    memcpy(&word, p, sizeof word);
    uint64_t stops = ~word & 0x8080808080808080; /* the lowest one set ends the number */
    if (stops == 0)
        return varint_read_bytewise(p, end, out);
    *out = varint_close(word & (stops ^ (stops - 1)));
    return p + ((unsigned)__builtin_ctzll(stops) >> 3) + 1;
}

/* The number at `p`: returns where it ends, NULL when it is cut short or does not fit 64 bits. */
__attribute__((always_inline)) static inline const uint8_t *varint_read(const uint8_t *p, const uint8_t *end,
                                                                        uint64_t *out)
{
    if (p < end && *p < 0x80) { /* most of them */
        *out = *p;
        return p + 1;
    }
    if (end - p >= 2 && p[1] < 0x80) { /* nearly all of the rest: ids, lengths */
        *out = (p[0] & 0x7fu) | (uint64_t)p[1] << 7;
        return p + 2;
    }
    return varint_read_long(p, end, out);
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
