/*
 * Data directory: locked while a shard runs on it and stamped with whose it is, so that two shards never share one and
 * none is started on another's.
 *
 *     DIR/LOCK   flock'ed       DIR/STAMP  "hearth 1\nshard NAME\n"       DIR/wal     shard/wal.h
 *                                                                        DIR/blocks  shard/block_files.h
 */
#pragma once

#include "base/fault.h"

enum { DATA_DIR_BYTES_MAX = 4000 }; /* of a path */

/*
 * Makes `path` when missing and takes the lock; *fd holds it until it is closed.
 * UNAVAILABLE: another process has it.  FAILED_PRECONDITION: another shard's.  PERMISSION_DENIED: cannot be made or
 * written.
 */
must_check enum code data_dir_open(const char *path, const char *shard, int *fd, struct fault *why);
