/* CRC-32C (Castagnoli): what durable formats are checked by.  The library picks the processor's instructions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* `before`: 0, or what an earlier part of the same bytes gave. */
uint32_t crc32c(uint32_t before, const void *bytes, size_t n);
