/*
 * Block files: the sealed buckets of a shard, one file each.
 *
 *     DIR/<hash of the tenant, 16 hex digits>/<number, 16 hex digits>.block      the image, index/block.h
 *                                            /<number>.new                       one in the making
 *                                            /<number>.damaged                   one that was set aside
 *
 * F1  A block appears under its name only when all of it is on disk: written, synced, renamed, and the folder synced.
 * F2  Numbers ascend with time, so later generations of a span have higher ones; none is used twice.
 * F3  A file is never changed.  What a crash left in the making is removed at the next start.
 * F4  One thread at a time saves; any may remove.
 * F5  Blocks of up to a page are read, not mapped, and so are all where a process may have no more mappings: these cannot be left
 *     to their files.
 */
#pragma once

#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"
#include "index/block.h"

struct block_files;

/* What becomes of a block that does not read. */
enum block_damage { BLOCK_DAMAGE_REFUSE, BLOCK_DAMAGE_SET_ASIDE };

/* The folder is there for good afterwards.  PERMISSION_DENIED: it cannot be made or read. */
must_check enum code block_files_open(const char *dir, enum block_damage damage, struct block_files **out,
                                      struct fault *why);
void                 block_files_close(struct block_files *f); /* what is mapped stays so */

/*
 * Opens all, by number, each passed on with its reference; before anything is saved.  A damaged one is renamed and logged, if
 * that is wanted.  Else DATA_LOSS: which file and where; those before it were passed on.  Others as by block_open and `each`,
 * with the name of the file.
 */
typedef enum code    block_file_fn(void *arg, struct bucket *b, uint64_t number, struct fault *why);
typedef enum code    block_progress_fn(void *arg, size_t files, size_t of_files, struct fault *why); /* after each */
must_check enum code block_files_load(struct block_files *f, _Atomic size_t *meter, block_file_fn *each,
                                      block_progress_fn *progress, void *arg, struct fault *why);

/* A new file of an image, mapped.  UNAVAILABLE: the disk refuses, why; nothing is left of it. */
must_check enum code block_files_save(struct block_files *f, struct slice tenant, struct slice image, uint64_t *number,
                                      struct block_image *mapped, struct fault *why);

void block_files_remove(struct block_files *f, struct slice tenant, uint64_t number);

/* One file by its path, mapped, for whoever looks at it from outside. */
must_check enum code block_file_map(const char *path, struct block_image *mapped, struct fault *why);

/* A test that defines this is called after each step of saving; nobody else defines it. */
__attribute__((weak)) void block_file_parked(int step);
