/*
 * Writer: the one thread that steps its shard, through its keeper (shard/keeper.h).  Appends come in through a bounded
 * ring and are answered by their done().
 *
 * It begins with what is on disk (shard/load.h), if there is a log.  Until that is in, the shard takes and answers nothing.
 */
#pragma once

#include "shard/keeper.h"

struct writer;

enum writer_state { WRITER_SERVING, WRITER_LOADING, WRITER_BROKEN };

/* The keeper is the writer's from now on. */
struct writer *writer_start(struct keeper *k);
void           writer_stop(struct writer *w); /* gives up loading, answers what is queued, then joins */

/* Any thread; the batch and the append stay alive until done().  False: the ring is full and `a` was not taken. */
must_check bool writer_submit(struct writer *w, struct append *a);

/* Any thread.  BROKEN: what is on disk cannot be used, `why` says so, and the process had better end. */
enum writer_state writer_state(struct writer *w, struct fault *why);

/* Any thread: whether it takes appends, to be asked before writer_submit.  UNAVAILABLE: how far it is, or why it never will. */
must_check enum code writer_check(struct writer *w, struct fault *why);
