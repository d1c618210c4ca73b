/*
 * Keeper: a shard and its log, stepped as one: what was acknowledged is in both.
 *
 *     keeper_take: into the shard, unseen, and what it added into a record ... keeper_step: the log, sync --> seen --> done() of each
 *
 * R1  The log comes before the eye.  When it fails, what it should have held is answered UNAVAILABLE, with the reason, and is
 *     never seen; nothing is ever acknowledged into memory only (but batches of mode memory, which ask for it).
 * R2  What the shard refuses is not logged.  A record depends on the records of its bucket before it, so after a failure
 *     no bucket of the log is appended to (shard_break).
 * R3  At the start the shard is filled from what is on disk (shard/load.h).
 * R4  A segment goes when memory holds nothing of it any more.
 * R5  One thread, the shard's writer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shard/shard.h"

struct disk;
struct keeper;

struct keeper_config {
    struct shard *shard;
    struct disk  *disk; /* NULL: memory only */
    size_t        segment_bytes;
    int64_t       interval_ns;
    uint32_t      salt;
};

struct keeper *keeper_new(const struct keeper_config *config);
struct shard  *keeper_shard(const struct keeper *k);
bool           keeper_has_log(const struct keeper *k);

/*
 * Fills the shard from its block files and its log, which then goes on.  Before anything else, where there is a log.  DATA_LOSS,
 * FAILED_PRECONDITION, RESOURCE_EXHAUSTED, UNAVAILABLE: as by load_all; the keeper can only be freed.
 */
must_check enum code keeper_load(struct keeper *k, int64_t now_ns, struct fault *why);

/* The append will be taken next: what it looks up is on its way from memory meanwhile. */
void keeper_warm(const struct keeper *k, const struct append *a);

/* The append becomes part of the step to come.  False: enough of them, step now. */
bool keeper_take(struct keeper *k, struct append *a, int64_t now_ns);

/* All that were taken (none will do, too: time passes), and calls done for each. */
void keeper_step(struct keeper *k, int64_t now_ns);

/* How long the next step may wait for appends. */
int64_t keeper_wait_ns(const struct keeper *k, int64_t now_ns);

void keeper_free(struct keeper *k, int64_t now_ns); /* nothing taken; the log is durable afterwards */
