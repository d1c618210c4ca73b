/*
 * Disk: one folder of files, as the log sees it, so that a test can put one in its place that fails, tears, reorders and
 * forgets.
 *
 * Every function returns a negative errno when it fails.  Names are those of files in the folder; handles are small
 * numbers.  What is written may be lost until `sync`; a name (created, renamed, removed) until `sync_names`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct disk;

typedef void disk_name_fn(void *arg, const char *name);

struct disk_ops {
    int (*create)(struct disk *d,
                  const char  *name); /* a handle to a new, empty file; an older one of that name is gone */
    int (*open)(struct disk *d, const char *name);
    void (*close)(struct disk *d, int file);
    int64_t (*size)(struct disk *d, int file);
    int64_t (*read)(struct disk *d, int file, void *out, size_t n, uint64_t at);          /* how many were there */
    int64_t (*write)(struct disk *d, int file, const void *bytes, size_t n, uint64_t at); /* how many were taken */
    int (*reserve)(struct disk *d, int file, uint64_t bytes);                             /* room for so many, zeros */
    int (*cut)(struct disk *d, int file, uint64_t bytes);                                 /* makes it so long */
    int (*sync)(struct disk *d, int file);
    int (*rename)(struct disk *d, const char *from, const char *to);
    int (*remove)(struct disk *d, const char *name);
    int (*sync_names)(struct disk *d);
    int (*list)(struct disk *d, disk_name_fn *each, void *arg);
    void (*free)(struct disk *d);
};

struct disk {
    const struct disk_ops *ops; /* behind it lies what the implementation needs */
};

/* The real one: a folder, made when missing.  PERMISSION_DENIED: it cannot be. */
must_check enum code disk_open(const char *path, struct disk **out, struct fault *why);
