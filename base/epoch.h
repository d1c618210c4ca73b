/*
 * Epochs: borrow what a shard has published, without a lock.  The second of the two ways a pointer may cross threads.
 *
 *     reader   enter -> load pointer -> look, take a reference -> leave
 *     writer   unlink -> epoch_retire(object) ... epoch_poll -> freed once no reader of that time is left
 *
 * E1  One epoch per shard, and its writer thread is the only one that retires and polls (ck_epoch.h, above
 *     ck_epoch_call: several pollers would have to retire inside the section that unlinked).
 * E2  A reader record is one thread's for as long as it is checked out, lives as long as its epoch and is recycled, never
 *     freed: CK keeps a record linked for ever.
 * E3  A section never spans a lock, a system call or a queue: one sleeping reader would stop reclamation for its shard.
 *     Epoch to find, reference to hold.
 */
#pragma once

#include <ck_epoch.h>

#include "base/tsan.h"

struct epoch;
struct epoch_reader;

struct epoch *epoch_new(void);
void          epoch_free(struct epoch *e); /* no reader inside; runs what was retired */

/* A record to read with, from the epoch's stock.  Any thread; give it back when done. */
struct epoch_reader *epoch_reader_take(struct epoch *e);
void                 epoch_reader_give(struct epoch *e, struct epoch_reader *r);

void epoch_enter(struct epoch_reader *r);
void epoch_leave(struct epoch_reader *r);

/* Writer thread only.  `fn(entry)` runs in a later epoch_poll, when no section begun before now is still open. */
void epoch_retire(struct epoch *e, ck_epoch_entry_t *entry, ck_epoch_cb_t *fn);
void epoch_poll(struct epoch *e);
