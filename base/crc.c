#include "base/crc.h"

#include <isa-l/crc.h>

#define PIECE ((size_t)1 << 30) /* the library counts in int */

uint32_t crc32c(uint32_t before, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    unsigned             crc = ~before;

    for (; n > PIECE; at += PIECE, n -= PIECE)
        crc = crc32_iscsi((unsigned char *)at, (int)PIECE, crc);
    return ~crc32_iscsi((unsigned char *)at, (int)n, crc);
}
