/*
 * Write-ahead log: what a shard was given, in the order it took it, on disk before anybody is told that it is kept.
 *
 *     wal-0000000000000001   [ header | record | record | ...            ]   full, cut to what it holds
 *     wal-0000000000000002   [ header | record | record | zeros          ]   reserved ahead, at most 16 MiB as a rule
 *     wal-0000000000000003   [ header ]                                      instead of all, once nothing in them is needed
 *
 * A segment, little-endian:
 *
 *      0  8  magic "HEARTHWL"
 *      8  4  version, 3
 *     12  4  salt: stands in each of its records too, so that no bytes from outside can look like one
 *     16  8  number of the segment, as in its name
 *     24  8  first: the sequence number of its first record
 *     32  8  durable: every record up to this one was known to be on disk when the segment was made
 *     40 16  hash of the shard's name (hash128: low word, high word)
 *     56  4  zero
 *     60  4  crc32c of the 60 bytes before
 *     64     records, each at a multiple of 8:
 *      0  4      crc32c of everything behind it: [4, 40 + n)
 *      4  4      n, bytes of the payload: a multiple of 8
 *      8  8      sequence number: one more than that of the record before
 *     16  8      durable: every record up to this one was known to be on disk when this one was written
 *     24  8      now_ns: the time of the step that it belongs to
 *     32  4      kind (enum wal_kind)
 *     36  4      salt
 *     40  n      payload: what its writer gave (shard/record.h), zeros up to a multiple of 8; none
 *
 * L1  A segment appears under its name only when its header is on disk: a bad header is damage, never a crash.
 * L2  Of a segment only the records below the next one's `first` are good: what stands there from a write that failed
 *     is void.
 * L3  What is durable is never missing.  The first record that does not read ends the log when nothing proves that it
 *     was durable (a torn tail, which nobody was promised); else the log is damaged, and the shard does not start.
 * L4  A failed write or sync is final for its segment: never tried again there.  The next commit begins a new one.
 * L5  One thread, the shard's writer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"

struct disk;
struct wal;

enum { WAL_HEADER_BYTES = 64, WAL_RECORD_BYTES = 40, WAL_NAME_BYTES = 21, WAL_SHARD_BYTES_MAX = 512 };
#define WAL_PAYLOAD_BYTES_MAX ((size_t)512 << 20)

enum wal_kind {
    WAL_ADDED = 1,
    WAL_MARK, /* nothing but its durable mark: the end of a quiet log can be told from a torn one */
};

/* ---- reading: wal_read.c */

/* One segment, by its header, and what was found in it. */
struct wal_segment {
    uint64_t number, first, durable;
    uint32_t salt;
    uint64_t size; /* of the file */
    uint64_t next; /* one more than its last good record */
    uint64_t end;  /* where that record ends */
};

struct wal_record {
    enum wal_kind kind;
    uint64_t      seq, durable;
    int64_t       now_ns;
    struct slice  payload; /* 8-byte aligned when the segment is */
};

/* The name of a segment; the number in a name, 0: it is not one. */
void     wal_name(uint64_t number, char out[WAL_NAME_BYTES]);
uint64_t wal_number(const char *name);

/* The header at the beginning of `bytes`.  DATA_LOSS: damaged.  FAILED_PRECONDITION: another version, another shard's
 * (`shard` NULL: anybody's will do). */
must_check enum code wal_header_read(struct slice bytes, const char *shard, struct wal_segment *out, struct fault *why);

/* The record at `at` of a segment's bytes; false: none, or it does not read. */
bool wal_record_read(struct slice bytes, const struct wal_segment *s, uint64_t at, struct wal_record *out);

/* What a folder holds. */
struct wal_found {
    struct wal_segment *at; /* [n], oldest first */
    size_t              n;
    uint64_t            next;       /* sequence number of the record to come */
    uint64_t            bytes;      /* of all records */
    uint64_t            torn_bytes; /* behind the last good record, not zero: what a crash left */
    uint64_t            lost;       /* records of mode interval that never reached the disk */
};

/*
 * Checks the whole log (`shard` NULL: anybody's), changes nothing; `out` is set in any case.  DATA_LOSS: damaged, where
 * and why (L1, L3).  FAILED_PRECONDITION: not this shard's or version's.  UNAVAILABLE: the disk cannot be read.
 */
must_check enum code wal_inspect(struct disk *d, const char *shard, struct wal_found *out, struct fault *why);

/* The same, and each record but marks is shown as far as the log has been found good; `each` may not keep it. */
typedef void         wal_glance_fn(void *arg, const struct wal_record *r);
must_check enum code wal_inspect_each(struct disk *d, const char *shard, wal_glance_fn *each, void *arg,
                                      struct wal_found *out, struct fault *why);
void                 wal_found_free(struct wal_found *f);

/* Each record but marks, in order; `bytes` of the segments were read by then.  The first code not OK ends it. */
typedef enum code wal_record_fn(void *arg, const struct wal_record *r, struct fault *why);
typedef enum code wal_progress_fn(void *arg, uint64_t bytes, struct fault *why); /* behind each segment, whose records
                                                                                   are dead afterwards */
must_check enum code wal_replay(struct disk *d, const struct wal_found *f, wal_record_fn *each,
                                wal_progress_fn *progress, void *arg, struct fault *why);

/* ---- writing: wal.c */

struct wal_config {
    struct disk *disk;
    const char  *shard;
    size_t       segment_bytes;
    uint64_t     first_seq;   /* no record gets a smaller number: blocks may hold more than the log does */
    int64_t      interval_ns; /* of batches of mode interval: synced no later than this */
    uint32_t     salt;        /* not to be guessed */
};

/* Goes on behind what was found: cuts off a torn tail, opens no segment yet.  UNAVAILABLE: the disk fails. */
must_check enum code wal_open(const struct wal_config *config, const struct wal_found *f, struct wal **out,
                              struct fault *why);

/* Everything durable, and marked as such. */
void wal_close(struct wal *w, int64_t now_ns);

/* A record to be committed, of at most WAL_PAYLOAD_BYTES_MAX; the number that it gets, which is that of wal_next before. */
uint64_t wal_add(struct wal *w, struct slice payload, int64_t now_ns);
uint64_t wal_next(const struct wal *w);
size_t   wal_pending_bytes(const struct wal *w);

/*
 * Writes what was added, once, and syncs it, or leaves that to wal_rest.  UNAVAILABLE: nothing of it counts, and why;
 * what mode interval has not synced before may be lost, too.
 */
must_check enum code wal_commit(struct wal *w, bool is_sync, int64_t now_ns, struct fault *why);

/*
 * For a quiet moment: the sync that the interval asks for, and the mark behind the last record.  UNAVAILABLE: what
 * was acknowledged in mode interval since the last sync may be lost by a power cut.
 */
must_check enum code wal_rest(struct wal *w, int64_t now_ns, struct fault *why);

/* When wal_rest has something to do; INT64_MAX: never. */
int64_t wal_due_ns(const struct wal *w);

/*
 * No record below `seq` is needed any more: removes the segments that hold no other.  When none is needed at all, a header
 * is what stays; the next commit begins a segment.  Nothing is pending.
 */
void wal_release(struct wal *w, uint64_t seq, int64_t now_ns);
