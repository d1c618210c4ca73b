/* Clock: nanoseconds.  Code that has to be deterministic takes a time as an argument instead of calling these. */
#pragma once

#include <stdint.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_real_ns(void); /* since 1970, UTC */
int64_t clock_mono_ns(void); /* for durations and deadlines */

/* CPU time, which a busy machine does not add to: of the calling thread, of all threads of the process. */
int64_t clock_thread_ns(void);
int64_t clock_process_ns(void);
