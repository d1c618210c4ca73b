/*
 * Shard map: one small JSON document that says who owns which slot.
 *
 *     { "cluster_id": "prod", "epoch": 3, "slots": 1024, "spread": 4,
 *       "shards": [ { "name": "hearth-shard-0", "address": "hearth-shard-0.hearth-shard:4040", "state": "active" }, ... ],
 *       "owner": [ "hearth-shard-0", ... 1024 names ],
 *       "checksum": "9f86d081884c7d65" }
 *
 * "slots", "spread" (4), "state" (active), "owner" and "checksum" may be left out.
 *
 * M1  Each slot has one owner, and it is active.  Without "owner" it is the active shard with the highest XXH3-64 (seed
 *     0) of { u32 n, name, u32 slot }, little-endian: a new shard takes its share from all others and moves nothing
 *     else.
 * M2  Names and addresses are distinct: a shard that was asked twice would be counted twice.
 * M3  A parsed map never changes, but for what is remembered about absent shards.  Whoever uses one holds a reference;
 *     the last one frees it.
 * M4  Strict: an unknown, duplicate or misspelt key is an error that says where.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/epoch.h"
#include "base/fault.h"
#include "base/slice.h"
#include "router/router.h"

/*
 * active: owns slots.  readonly and draining: owns none, is asked.  lost: an operator gave it up; it is not asked.
 */
enum shard_state { SHARD_ACTIVE, SHARD_READONLY, SHARD_DRAINING, SHARD_LOST };

struct map_shard {
    const char      *name, *address;
    enum shard_state state;
};

#define MAP_NOBODY UINT16_MAX

/* When pushes found a shard away, monotonic: the first and the last time in a row; since_ns 0: it is there. */
struct map_absence {
    _Atomic int64_t since_ns, last_ns;
};

struct shard_map {
    const char         *cluster_id;
    uint64_t            epoch; /* >= 1 */
    uint32_t            spread;
    uint16_t            n_shards;
    struct map_shard   *shards;
    uint16_t            owner[SLOTS]; /* an index into shards */
    uint16_t            self;         /* which one this process is, or MAP_NOBODY; set before it is shared */
    struct map_absence *absences;     /* [n_shards] */

    ck_epoch_entry_t reclaim;
    _Atomic unsigned refs;
    struct arena    *arena; /* all of it */
};

/* One reference.  INVALID_ARGUMENT: where and what. */
must_check enum code map_parse(struct slice text, struct shard_map **out, struct fault *why);

struct shard_map *map_alone(const char *name); /* epoch 1, one shard without an address that owns every slot */
struct shard_map *map_ref(struct shard_map *m);
void              map_unref(struct shard_map *m); /* any thread */

uint16_t map_find(const struct shard_map *m, const char *name); /* MAP_NOBODY: not in it */

/* Of the content, owners included, however it was written down; what "checksum" holds in hexadecimal. */
uint64_t map_checksum(const struct shard_map *m);
