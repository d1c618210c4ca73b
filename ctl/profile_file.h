/*
 * Profile file: what a user has (a pprof, gzipped or plain, or text of `perf script`) made into the pprof to be sent.
 *
 * Only the outermost fields are looked at, to learn what was profiled and to set the time; whether the rest holds
 * together is for the server to judge, so that there is one judge.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

enum { PROFILE_FILE_BYTES_MAX = 256 << 20 }; /* inflated */

struct profile_file {
    struct slice pprof; /* plain, in the arena */
    struct slice name;  /* what a series of it is called: process_cpu, memory, ... (label __name__) */
};

/*
 * `time_ns` replaces the profile's own time; 0 keeps it.  INVALID_ARGUMENT: neither of the formats, or damaged;
 * RESOURCE_EXHAUSTED: too large.
 */
must_check enum code profile_file_make(struct slice bytes, int64_t time_ns, struct arena *a, struct profile_file *out,
                                       struct fault *why);
