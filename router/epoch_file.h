/*
 * Epoch file: DIR/epoch, the highest map epoch that a shard has adopted, as a decimal number and a line feed.  It is
 * what keeps a shard that restarts with an old map from taking slots it has given away.
 */
#pragma once

#include <stdint.h>

#include "base/fault.h"

/* 0 when there is none.  DATA_LOSS: the file is there and is not a number. */
must_check enum code epoch_file_read(const char *dir, uint64_t *epoch, struct fault *why);

/* Replaced whole and on disk before the return.  UNAVAILABLE: what failed; the old one stands. */
must_check enum code epoch_file_write(const char *dir, uint64_t epoch, struct fault *why);
