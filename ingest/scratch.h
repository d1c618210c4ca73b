/*
 * Scratch: the arena a decoder works in and throws away.  Each thread keeps one between decodes, so that a busy
 * server does not take megabytes from the system and give them back for every profile; nothing of a decode can be
 * seen in the next.
 */
#pragma once

#include "base/arena.h"

/* Empty; this thread's until given back. */
struct arena *scratch_take(size_t first_bytes);

/* Keeps it for the thread's next decode unless it has grown beyond SCRATCH_KEPT_BYTES. */
void scratch_give(struct arena *a);

enum { SCRATCH_KEPT_BYTES = 32 << 20 };
