/*
 * Batch: one pushed profile, decoded: strings, stacks, series, samples.  One key, one slot.  The ingest decoders make it, the
 * writer of a shard takes it in, a peer is sent it where it was decoded before its shard was reached (router/parcel.h).
 *
 *     profile: name, types[k], time          parts[p]: labels + rows
 *     strings <-- mappings <-- functions <-- lines <-- locations <-- stacks (leaf first) <-- rows: stack, value[k]
 *
 * B1  Every id is an index into an array of the same batch and in range; string 0 is "".
 * B2  Stacks are distinct lists of locations, leaf first; locations and functions may be there twice.  One stack may be empty
 *     (a sample without locations): its values count in totals and series, and are no node of any graph.
 * B3  A part's labels are sorted, without __name__ and without the labels a type adds; its service_name equals `service`.
 *     Parts have distinct labels.  Within a part a stack occurs once, rows ascend by stack.
 * B4  Values are >= 0, at least one of a row is > 0; 0 means: no sample of that type.
 * B5  Nothing in a batch names a shard's ids: batches are renumbered into a bucket by name.
 * B6  Ranges tile: locations share no lines, parts no labels and no rows, each range begins where the one before ended.
 *     Label values are not empty; `reserved` is 0.
 *
 * In memory a batch is arrays; its encoding is the same arrays behind a header (batch_encode), most of them packed: decoding
 * is unpacking, and checking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/slice.h"

enum batch_mode { BATCH_SYNC, BATCH_INTERVAL, BATCH_MEMORY }; /* what must be true before the ack */

struct batch_mapping {
    uint64_t start, limit, offset;
    uint32_t file, build_id; /* strings */
    uint32_t flags;          /* BATCH_HAS_* */
    uint32_t reserved;
};

enum { BATCH_HAS_FUNCTIONS = 1, BATCH_HAS_FILENAMES = 2, BATCH_HAS_LINE_NUMBERS = 4, BATCH_HAS_INLINE_FRAMES = 8 };

struct batch_function {
    uint32_t name, system_name, file; /* strings */
    uint32_t reserved;
    int64_t  start_line;
};

struct batch_line {
    uint32_t function;
    uint32_t reserved;
    int64_t  line;
};

struct batch_location {
    uint64_t address;
    uint32_t mapping;          /* an index, or BATCH_NONE */
    uint32_t line_at, n_lines; /* lines[line_at, +n_lines): innermost first, as pprof has them */
    uint32_t flags;            /* BATCH_IS_FOLDED */
};

enum { BATCH_IS_FOLDED = 1 };
#define BATCH_NONE UINT32_MAX

struct batch_type {
    uint32_t type, unit; /* strings */
};

struct batch_label {
    uint32_t name, value; /* strings */
};

struct batch_part {
    uint32_t label_at, n_labels; /* labels[label_at, +n_labels) */
    uint32_t row_at, n_rows;     /* rows[row_at, +n_rows) */
};

struct batch {
    /* head: fixed from the first day (architecture.md §2) */
    struct slice    tenant;
    struct hash128  key; /* idempotency key */
    uint64_t        map_epoch;
    int64_t         received_ns;
    uint16_t        slot;
    enum batch_mode mode;

    /* profile */
    int64_t  time_ns, duration_ns, period;
    uint32_t name;    /* __name__ */
    uint32_t service; /* service_name */
    uint32_t period_type, period_unit;

    const uint32_t              *string_end; /* [n_strings]; string i is string_bytes[end[i-1], end[i]) */
    const char                  *string_bytes;
    const struct batch_mapping  *mappings;
    const struct batch_function *functions;
    const struct batch_line     *lines;
    const struct batch_location *locations;
    const uint32_t              *stack_end; /* [n_stacks]; stack i is stack_locations[end[i-1], end[i]) */
    const uint32_t              *stack_locations;
    const struct hash128        *stack_hash; /* [n_stacks], model/stack_hash.h; NULL: not made yet */
    const struct batch_type     *types;
    const struct batch_label    *labels;
    const struct batch_part     *parts;
    const uint32_t              *row_stack;  /* [n_rows] */
    const int64_t               *row_values; /* [n_types][n_rows]: column by column */
    uint32_t n_strings, n_mappings, n_functions, n_lines, n_locations, n_stacks, n_types, n_labels, n_parts, n_rows;
    uint32_t n_stack_locations;
};

static inline struct slice batch_string(const struct batch *b, uint32_t i)
{
    uint32_t from = i ? b->string_end[i - 1] : 0;
    return slice_make(b->string_bytes + from, b->string_end[i] - from);
}

struct batch_stack {
    const uint32_t *locations; /* leaf first */
    uint32_t        n;
};

static inline struct batch_stack batch_stack(const struct batch *b, uint32_t i)
{
    uint32_t from = i ? b->stack_end[i - 1] : 0;
    return (struct batch_stack){ b->stack_locations + from, b->stack_end[i] - from };
}

/* The one encoding, little-endian; its layout stands offset by offset in batch.c.  A multiple of 8 bytes. */
void batch_encode(const struct batch *b, struct buf *out);

/*
 * A view of `bytes` (which begin anywhere and must outlive it) and of what was unpacked into `a`; checked as by batch_check_quick.
 * INVALID_ARGUMENT: what is wrong; the whole is refused.
 */
must_check enum code batch_decode(struct slice bytes, struct arena *a, struct batch *out, struct fault *why);

/* The invariants, on a batch however it was made.  INVALID_ARGUMENT: which one is broken. */
must_check enum code batch_check(const struct batch *b, struct arena *scratch, struct fault *why);

/*
 * All but that stacks are distinct (B2), which costs as much as all else: who takes a batch in goes by name (B5), so of two
 * that are equal one is kept and their values add up.
 */
must_check enum code batch_check_quick(const struct batch *b, struct arena *scratch, struct fault *why);

/* Size of the record at `bytes` by its head alone (more than bytes.n when it is torn); 0 when there is no valid head. */
size_t batch_record_bytes(struct slice bytes);
