/* The structs that stand in a segment; wal.h says what they mean. */
#pragma once

#include "base/hash.h"
#include "shard/disk.h"
#include "shard/wal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "written as they lie in memory");

enum { WAL_VERSION = 3 };

struct wal_header {
    char           magic[8];
    uint32_t       version, salt;
    uint64_t       number, first, durable;
    struct hash128 shard;
    uint32_t       zero, crc;
};
_Static_assert(sizeof(struct wal_header) == WAL_HEADER_BYTES, "as documented");

struct wal_frame {
    uint32_t crc, n;
    uint64_t seq, durable;
    int64_t  now_ns;
    uint32_t kind, salt;
};
_Static_assert(sizeof(struct wal_frame) == WAL_RECORD_BYTES, "as documented");

extern const char wal_magic[8];

/* A made-up name for a segment until its header is on disk (L1). */
#define WAL_NEW_NAME "wal-new"

/* A fault of the disk: `error` is what one of its functions returned. */
enum code wal_disk_fault(const char *what, const char *name, int64_t error, struct fault *why);

/* The next segment under its name, its header on disk, with room for `size` bytes: its handle, or what the disk said. */
int wal_segment_make(struct disk *d, const struct wal_header *h, uint64_t size);
