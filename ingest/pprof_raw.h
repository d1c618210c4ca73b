/*
 * A pprof as its bytes have it: tables in the order of the wire, ids not yet resolved.  Inside this room only.
 *
 *     bytes --pprof_read--> tables --fixes--> tables --symbols--> location map --samples--> stacks, groups --split-->
 *     parts
 *
 * Strings are refs: an index into strings[], first the profile's own table, then whatever fixes and labels add behind
 * it.  Everything lies in the scratch arena or in the bytes read, and goes with them.
 */
#pragma once

#include <string.h>

#include "ingest/ingest.h"

#define REF_BAD UINT32_MAX /* a string index that does not fit: out of range for every table */

struct raw_type {
    uint32_t type, unit;
};

struct raw_mapping {
    uint64_t id, start, limit, offset;
    uint32_t file, build_id, flags;
};

struct raw_function {
    uint64_t id;
    uint32_t name, system_name, file;
    int64_t  start_line;
};

struct raw_line {
    uint64_t function_id;
    int64_t  line;
};

struct raw_location {
    uint64_t id, mapping_id, address;
    uint64_t sent_address; /* before the mapping's functions made it worthless */
    uint32_t line_at, n_lines;
    bool     is_folded;
};

struct pprof {
    struct arena               *scratch;
    const struct decode_limits *limits;
    struct slice                bytes;
    struct slice                samples;              /* of bytes: from the first sample to the end of the last */
    struct slice                table;                /* of bytes: the same of its strings */
    bool                        samples_are_together, table_is_together; /* nothing else between them */
    bool                        is_ascii; /* all strings of the table, as far as a quick look tells */
    struct slice               *strings;              /* [n_strings], room for strings_cap */
    struct raw_type            *types;
    struct raw_mapping         *mappings;
    struct raw_function        *functions;
    struct raw_location        *locations;
    struct raw_line            *lines;
    uint32_t                    n_strings, strings_cap, n_table; /* n_table: strings of the profile's own table */
    uint32_t                    n_types, n_mappings, n_functions, n_locations, n_lines, lines_cap, n_samples;
    int64_t                     time_ns, duration_ns, period;
    struct raw_type             period_type;
    struct slice                longest_sample; /* by its bytes */
    bool                        has_brackets;   /* some string has "[go.shape." */
};

/* Counts first, then tables; samples stay where they are. INVALID_ARGUMENT: not a pprof. */
must_check enum code pprof_read(struct slice bytes, const struct decode_limits *limits, struct arena *scratch,
                                struct pprof *out, struct fault *why);

/* An array of n items anew, with room for `cap` of them. */
static inline void *array_grown(struct arena *a, const void *old, size_t n, size_t cap, size_t item)
{
    void *p = arena_array(a, cap, item);

    if (n > 0)
        memcpy(p, old, n * item);
    return p;
}

/* A new string behind the table; `s` has to outlive `p`. */
uint32_t ref_add(struct pprof *p, struct slice s);

static inline struct slice ref_text(const struct pprof *p, uint32_t ref) { return p->strings[ref]; }
