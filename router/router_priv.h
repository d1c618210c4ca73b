/* Inside the room: the router and its parts. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/metric.h"
#include "router/map.h"
#include "router/retry.h"

struct router_metrics {
    struct metric *epoch, *reload_ok, *reload_failures, *held_bytes, *retries, *misplaced, *unavailable, *unknown,
        *unanswered;
};

struct router {
    struct router_config  config; /* map_file, self and data_dir are ours */
    struct router_metrics metrics;
    struct retry         *retry; /* NULL without peers */

    struct epoch               *epoch; /* of `map`; retired and polled under `reload` */
    _Atomic(struct shard_map *) map;
    pthread_mutex_t             reload;
    uint64_t                    file_hash; /* of what was read last; under `reload`, like the next */
    bool                        was_missing;
    _Atomic int64_t             refreshed_ns; /* monotonic */

    _Atomic uint64_t adopted; /* the highest epoch ever adopted, also by an earlier process */
    _Atomic size_t   held_bytes;
    _Atomic int64_t  open; /* pushes and scatters not yet done */
};

/* The map in use, with a reference for the caller. */
struct shard_map *router_map(struct router *r);

/* What every request to a peer carries: which shard is meant, and the cluster's own fields.  Borrows both. */
struct peer_fields {
    const char *at[12];
};
void peer_fields_make(const struct router *r, const char *shard, struct peer_fields *out);

/* Reads the map file again, if that was not done just now, and writes what is wrong with it to the log. */
void router_refresh(struct router *r);
