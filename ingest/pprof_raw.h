/*
 * A pprof as its bytes have it: tables in the order of the wire, ids not yet resolved.  Inside this room only.
 *
 *     bytes --pprof_read--> tables --fixes--> tables --symbols--> location map --samples--> stacks, groups --split-->
 *     parts
 *
 * Tables have the form they have in a batch, in its arena, so that it takes them over as they are; what a batch has no place
 * for, ids, stands beside them.  That and all else lies in the scratch arena or in the bytes read.
 *
 * Strings are refs: a number of a text, first the profile's own table, then whatever fixes and labels add behind it.
 */
#pragma once

#include <string.h>

#include "ingest/ingest.h"
#include "ingest/texts.h"

#define REF_BAD UINT32_MAX /* a string index that does not fit: out of range for every table */

struct pprof {
    struct arena               *scratch, *a; /* a: the batch's */
    const struct decode_limits *limits;
    struct slice                bytes;
    struct slice                samples;              /* of bytes: from the first sample to the end of the last */
    bool                        samples_are_together; /* nothing else between them */
    bool                        has_brackets;         /* some string has "[go.shape." */
    struct slice                longest_sample;       /* by its bytes */
    struct texts                strings;
    struct batch_type          *types, period_type;
    struct batch_mapping       *mappings;
    struct batch_function      *functions;
    struct batch_location      *locations; /* `mapping` is for symbols_resolve to fill in */
    struct batch_line          *lines;     /* line_function_id until symbols_resolve */
    uint64_t                   *mapping_ids, *function_ids, *location_ids, *mapping_ids_of_locations;
    uint32_t                    n_table; /* strings of the profile's own table */
    uint32_t                    n_types, n_mappings, n_functions, n_locations, n_lines, n_samples;
    uint32_t                    functions_cap, locations_cap, lines_cap;
    int64_t                     time_ns, duration_ns, period;
};

/* A line's function is an id of 64 bits until it is found. */
static inline struct batch_line line_unresolved(uint64_t function_id, int64_t line)
{
    return (struct batch_line){ (uint32_t)function_id, (uint32_t)(function_id >> 32), line };
}

static inline uint64_t line_function_id(const struct batch_line *l)
{
    return (uint64_t)l->reserved << 32 | l->function;
}

/* Tables; samples stay where they are.  INVALID_ARGUMENT: not a pprof. */
must_check enum code pprof_read(struct slice bytes, const struct decode_limits *limits, struct arena *scratch,
                                struct arena *a, struct pprof *out, struct fault *why);

/* An array of n items anew, with room for `cap` of them. */
static inline void *array_grown(struct arena *a, const void *old, size_t n, size_t cap, size_t item)
{
    void *p = arena_array(a, cap, item);

    if (n > 0)
        memcpy(p, old, n * item);
    return p;
}

/* A new string behind the table. */
static inline uint32_t ref_add(struct pprof *p, struct slice s) { return texts_add(&p->strings, s, s.p); }

/* Stays as long as the batch's arena. */
static inline struct slice ref_text(const struct pprof *p, uint32_t ref) { return texts_at(&p->strings, ref); }
