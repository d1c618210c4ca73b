/*
 * Scratch: the arena that a piece of work is done in and thrown away. Each thread keeps one between times, so that a
 * busy server does not take megabytes from the system and give them back for every profile; nothing of one piece of
 * work can be seen in the next.
 */
#pragma once

#include "base/arena.h"

/* Empty; this thread's until given back. */
struct arena *scratch_take(size_t first_bytes);

/* Keeps it for the thread's next time unless it has grown beyond SCRATCH_KEPT_BYTES. */
void scratch_give(struct arena *a);

enum { SCRATCH_KEPT_BYTES = 32 << 20 };
