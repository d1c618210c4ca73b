/*
 * Archive: PYRPLAY1, profiles as they were pushed, one after the other, to be pushed again.  Pyroscope's `profilecli replay`
 * writes and reads the same.
 *
 *     0    8 bytes   "PYRPLAY1"
 *     8    uvarint   n: bytes of the header
 *          n bytes   JSON: {"version":1,"source_query":text,"tenants":[text...],"from_unix_milli":int,"to_unix_milli":int,
 *                           "created_at_unix_milli":int}; other keys are let pass
 *     then records until the file ends, each:
 *          uvarint   n: bytes of the rest of the record, at most ARCHIVE_RECORD_MAX
 *          varint    zigzag: time in nanoseconds since 1970
 *          uvarint   number of labels; for each: uvarint + bytes of the name, uvarint + bytes of the value
 *          uvarint   + bytes of the pprof, gzip
 *
 * Varints are those of protobuf.  Upstream has one tenant in a file; of several the record says which, by the label
 * __tenant_id__, which is not pushed.
 *
 * B1  Records come in any order; an index by time (24 bytes a record) is made from their heads, the rest stays in the file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"
#include "model/labels.h"

enum { ARCHIVE_RECORD_MAX = 512 << 20, ARCHIVE_HEADER_MAX = 1 << 20, ARCHIVE_LABELS_MAX = 1024 };
#define ARCHIVE_TENANT "__tenant_id__"

struct archive_header {
    struct slice  query;
    struct slice *tenants;
    size_t        n_tenants;
    int64_t       from_ms, to_ms, created_ms;
};

struct archive_place {
    int64_t time_ns;
    size_t  at, n; /* the record without its length */
};

struct archive {
    struct slice          bytes; /* borrowed */
    struct archive_header header;
    struct archive_place *places; /* by time, those of one time in the order of the file; owned */
    size_t                n;
};

struct archive_record {
    int64_t       time_ns;
    struct labels labels; /* as they stand, the tenant's left out */
    struct slice  tenant; /* empty: not said */
    struct slice  pprof;
};

/* INVALID_ARGUMENT: no archive, or where it is damaged or cut short.  The header is in `a`. */
must_check enum code archive_open(struct slice bytes, struct arena *a, struct archive *out, struct fault *why);
void                 archive_close(struct archive *r);

/* The i-th by time.  Texts borrow the bytes, lists are in `a`. */
must_check enum code archive_read(const struct archive *r, size_t i, struct arena *a, struct archive_record *out,
                                  struct fault *why);

void archive_put_header(struct buf *out, const struct archive_header *h);
void archive_put_record(struct buf *out, const struct archive_record *r);
