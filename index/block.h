/*
 * Block: a sealed bucket, one immutable image: what is in memory is what is in the file, without pointers.
 *
 *     live bucket --block_write--> image (heap or file) --block_open--> a bucket again, answered from the image in place
 *
 * K1  block_open trusts nothing: every page against its checksum, every size, offset, order and id that a reader relies
 *     on, in one pass.  After it no reader checks anything.
 * K2  The same bucket makes the same bytes.
 * K3  A sealed bucket holds its image and some hundred bytes beside it, whatever is in it.
 *
 * Little-endian.  Nothing is aligned but the head and its table.  "Bits" are n numbers of `width` bits each (0..32), packed from
 * the lowest bit on; "packs" are n words below 2^32 in packs of 64 (index/pack.h).  "Ends" say where the i-th part of something
 * ends; it begins where the one before ends, the first at 0.
 *
 *      0  8  magic "HEARTHBK"
 *      8  2  version, 2
 *     10  2  features, bits that a reader must know to read on: none yet
 *     12  4  page bytes, 65536
 *     16  8  B, bytes of the body: everything before the checksums
 *     24  8  start_ns   32  8  end_ns         the span; the end is the first time behind it
 *     40  8  oldest_ns  48  8  newest_ns      profile times
 *     56  8  profiles   64  8  samples   72  8  clamped totals
 *     80  8  first, 88  8  last: WAL sequences of the profiles that are in the block, and of no others of its tenant and span;
 *            0: none
 *     96  4  T, bytes of the tenant's name
 *    100  4  G, groups: services
 *    104  2  sections of the bucket: 21   106  2  sections of each group: 24    more than are known are passed over
 *    108  4  zero
 *    112  T  tenant, then zeros to a multiple of 8
 *         then the table, an entry of 16 bytes for each section, of the bucket and then of one group after the other:
 *             0  8  end of the section; it begins where the one before ends, the first behind the table
 *             8  4  n, its items
 *            12  4  width of bits; 0 for what is none
 *         then the sections, in the order of enum block_section and enum group_section (index/block_priv.h)
 *    B-8  8  zeros, so that eight bytes can be loaded wherever a word begins
 *      B     the low 32 bits of XXH3 of each page of the body (the last may be shorter), then 8 bytes: XXH3 of those
 *
 * Series are numbered by group, so each group has a range of them; label names, and the values of each, are sorted, to be
 * found by bisection.  The nodes of both trees are in depth-first order, children by key: a node says how many levels
 * up from the one before its parent is.  Strings are sorted, to say only what they do not share with the one before.  Stacks
 * keep their indexes, so rows are the bytes that they were.
 *
 * Behind the row blocks of points are those of rollups (index/rollup.h): for some types of some groups, what all points of
 * the type come to, the sum for each stack.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "index/bucket.h"

/* What only the owner of a bucket knows of it.  Whoever reads a file checks that the slices are what they should be. */
struct block_origin {
    uint64_t     first_seq, last_seq; /* in the WAL; 0: none */
    struct slice keys;                /* struct bucket_key each */
    struct slice sources; /* struct block_source each: the blocks whose place it takes (index/block_merge.h) */
};

struct block_source {
    uint64_t file;      /* its number; 0: it had none */
    uint64_t first_seq; /* 0: it was not logged */
};

/*
 * The image of a live bucket that nobody appends to, appended to `out`.  RESOURCE_EXHAUSTED: a section would be larger than
 * 4 GiB; `out` is as it was.
 */
must_check enum code block_write(const struct bucket *b, const struct block_origin *origin, struct buf *out,
                                 struct fault *why);

/* Where an image comes from and returns to. */
struct block_image {
    struct slice bytes;                  /* at a multiple of 8 */
    void (*release)(struct slice bytes); /* the last reference has gone */
    void (*rest)(struct slice bytes);    /* its memory can go, and comes back when it is read; NULL: it cannot */
};

/*
 * A sealed bucket with one reference; its bytes are the image's and its own, on the meter.  DATA_LOSS: damaged, what and
 * where; UNIMPLEMENTED: of a later version.  The image is still the caller's after a fault.
 */
must_check enum code block_open(const struct block_image *image, _Atomic size_t *meter, struct bucket **out,
                                struct fault *why);

bool         bucket_is_sealed(const struct bucket *b);
bool         bucket_is_demoted(const struct bucket *b);  /* see below */
bool         bucket_is_all_seen(const struct bucket *b); /* sealed, and every series and type has a point */
struct slice block_image(const struct bucket *b);        /* of a sealed bucket */

struct block_origin block_origin(const struct bucket *b);

/*
 * Demoting: from now on the image does not count, and its memory goes after each read.  The writer of the shard demotes, once;
 * block_rest is for whoever has read, and does nothing to what is not demoted.
 */
bool block_is_demotable(const struct bucket *b);
void block_demote(struct bucket *b);
void block_rest(const struct bucket *b);

/* What is in a sealed bucket, as text: head, sections and their sizes, and with `all` every table. */
void block_dump(const struct bucket *b, bool all, struct buf *out);
