/*
 * Container: what the control groups of this process, of version 1 or 2, leave it of the machine.  The tightest limit from
 * its own group up to the root holds.  `root` is where /proc and /sys are: "", or a folder of a test.
 */
#pragma once

#include <stdint.h>

/* INT64_MAX: no limit. */
int64_t container_memory_bytes(const char *root);

/* CPUs it may run on at once, by affinity and quota; a part of one counts as one.  At least 1. */
int64_t container_cores(const char *root);
