/*
 * Writer: the one thread that steps its shards.  Appends come in through a bounded ring and are answered by their
 * done().
 */
#pragma once

#include "shard/shard.h"

struct writer;

struct writer *writer_start(struct shard *s);
void           writer_stop(struct writer *w); /* answers what is queued, then joins */

/* Any thread; the batch and the append stay alive until done().  False: the ring is full and `a` was not taken. */
must_check bool writer_submit(struct writer *w, struct append *a);
