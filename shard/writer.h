/*
 * Writer: the one thread that steps its shard, through its keeper (shard/keeper.h).  Appends come in through a bounded
 * ring and are answered by their done().
 *
 * It begins with the replay of the log, if there is one.  Until that is over appends wait in the ring, and the shard answers no question.
 */
#pragma once

#include "shard/keeper.h"

struct writer;

enum writer_state { WRITER_SERVING, WRITER_REPLAYING, WRITER_BROKEN };

/* The keeper is the writer's from now on. */
struct writer *writer_start(struct keeper *k);
void           writer_stop(struct writer *w); /* answers what is queued, then joins */

/* Any thread; the batch and the append stay alive until done().  False: the ring is full and `a` was not taken. */
must_check bool writer_submit(struct writer *w, struct append *a);

/* Any thread.  BROKEN: the log cannot be used, `why` says so; every append is refused, and the process had better end. */
enum writer_state writer_state(struct writer *w, struct fault *why);
