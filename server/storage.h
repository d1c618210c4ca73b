/*
 * Storage: what a process keeps profiles in, if it has a shard.
 *
 *     data_dir (locked) -- wal/, blocks/          writer --steps--> shard <--sealed-- store
 *
 * Main thread.  What is on disk is loaded by the writer's thread, after storage_open has returned (shard/load.h).
 */
#pragma once

#include "base/fault.h"
#include "server/config.h"

struct disk;
struct policy;
struct shard;
struct store;
struct writer;

struct storage {
    struct store  *store; /* this and the next two NULL: no shard here */
    struct shard  *shard;
    struct writer *writer;
    struct disk   *log_disk; /* NULL: memory only */
    int            data_fd;  /* -1: none */
};

extern const struct storage storage_none;

/* `out` was storage_none; what tenants may keep is asked of `p` while it is open.  storage_close is due also after a fault, which says what is wrong with the folder. */
must_check enum code storage_open(const struct config *c, struct policy *p, struct storage *out, struct fault *why);

/* Nobody appends or asks any more.  What is live is in the log, and is not sealed for the occasion. */
void storage_close(struct storage *s);
