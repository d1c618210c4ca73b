/*
 * Short ids: the packed location ids of one sample where each takes one byte or two, as nearly all do.  A shuffle puts each id
 * into a lane of its own, whatever their lengths, so that no branch waits for any of them:
 *
 *     05 | 81 02 | 07 | 93 01 | 04 | 11 | ...      ->      05 00  81 02  07 00  93 01  04 00  11 00
 *
 * For processors with AVX2.  Whoever reads ids has another way besides, for the other processors and for what is left to it.
 */
#pragma once

#include <stdint.h>

/* So many bytes are read behind the last one at most, and so many numbers written behind the last id. */
enum { SHORT_IDS_SLACK = 16 };

/*
 * Each id less 1, to `out`; returns where they end.  NULL: not for it, because an id is longer than two bytes, 0, above `highest`
 * or cut short, or because of the processor; `out` then holds anything.
 */
uint32_t *short_ids_read(const uint8_t *p, const uint8_t *end, uint32_t highest, uint32_t *out);
