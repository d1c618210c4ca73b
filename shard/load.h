/*
 * Load: a shard that begins is filled from its disk, the block files first and then the log.
 *
 *     blocks:  map, check --> directory, with the numbers of the records that are in them
 *     log:     check all --> each record into its bucket; what a block has is passed over
 *
 * A1  All or an error: whatever was acknowledged and not dropped is there again, or it is said what stands in the way.  What is
 *     complete is sealed on the way where memory is short; what does not fit even so is refused, not dropped (only where
 *     there are no files does the oldest go, as it does live).
 * A2  Meanwhile the shard answers nothing (shard_check_loaded), and says how far it is.
 */
#pragma once

#include <stdint.h>

#include "shard/shard.h"

struct disk;
struct wal_found;

/*
 * `now_ns` says which keys of the blocks are still good.  `log` NULL: there is none.  What was found of it is in `found`
 * in any case.  DATA_LOSS, FAILED_PRECONDITION, UNAVAILABLE: a file cannot be used, which, and why.  RESOURCE_EXHAUSTED: the
 * memory limit is too small for what is there.
 */
must_check enum code load_all(struct shard *s, struct disk *log, int64_t now_ns, struct wal_found *found,
                              struct fault *why);
