/*
 * Perf text: the output of `perf script` made into a pprof.
 *
 *     comm  pid/tid  [cpu]  seconds.micros:  period event:modifiers:
 *             7f3a symbol+0x12 (/lib/some.so)
 *             55d0 [unknown] (/bin/app)                                     leaf first, then a blank line
 *
 * Each event is a sample type: cpu-clock and task-clock become cpu/nanoseconds, others their own name/count, `-`
 * written `_`.  A sample's value is its period, 1 when perf did not print it.  Equal stacks are added up.  A frame
 * without a symbol keeps its address and its binary.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"

bool perf_text_is(struct slice text); /* looks like it, by its first event */

/*
 * `has_comm`: the command is the outermost frame.  INVALID_ARGUMENT: the line that is none of the above; no events at
 * all.
 */
must_check enum code perf_text_to_pprof(struct slice text, bool has_comm, int64_t time_ns, struct buf *pprof,
                                        struct fault *why);
