/*
 * Router: where a batch lives, and who has to be asked.
 *
 *     slot = place(tenant, service, labels before the split)  -->  shard map: slot -> shard  -->  here, or a peer
 *
 * Usable from any thread; callbacks run on whatever thread the last answer came on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"
#include "model/batch.h"
#include "model/labels.h"
#include "router/parcel.h"
#include "rpc/client.h"
#include "shard/writer.h"

enum { SLOTS = 1024 };

/* The slot of a profile: labels are those before the split by sample labels.  Pure; the same on every node. */
uint16_t place(struct slice tenant, struct slice service, struct labels labels, uint32_t spread);

struct router;

struct router_config {
    const char        *map_file;       /* NULL: one shard, here */
    const char        *self;           /* the name of the shard in this process, as in the map; NULL: none */
    struct shard      *shard;          /* this process's, or NULL */
    struct writer     *writer;         /* its writer */
    struct rpc_client *client;         /* NULL when there are no peers */
    bool               is_frontend;    /* this process places batches */
    const char        *data_dir;       /* where a shard keeps the highest epoch it has seen; NULL: in memory only */
    size_t             held_bytes_max; /* of batches that wait for a shard to come back; 0: 64 MiB */
    const char *const
        *peer_fields; /* for rpc_request.fields of every request to a peer (its token); borrowed, or NULL */
};

must_check enum code router_new(const struct router_config *config, struct router **out, struct fault *why);
void                 router_free(struct router *r);

/*
 * Re-reads the map file; a map of a higher epoch is taken.  A bad file keeps the map in use and is told once: the next
 * call is OK until the file changes again.  Any thread; main does it every second.
 */
must_check enum code router_reload(struct router *r, struct fault *why);
uint64_t             router_epoch(const struct router *r);

/*
 * Several parcels of one request, each to its owner; `each` once for every one (for different ones at the same time,
 * on different threads), then `done` once, maybe before the return.
 *
 * A shard that cannot be reached is waited for until 8 s after it went away, 1 s when that is over, within the deadline
 * and while what waits stays under held_bytes_max.  A batch whose fate is unknown is sent to the same shard again, which
 * counts it once; to another only when it is certain that the first did not take it.  UNAVAILABLE names the shard.
 *
 * ABORTED: one that was to go as it came has to come as a batch, for its owner is this process, or would not have it so.
 */
typedef void push_fn(void *arg, size_t i, enum code code, const char *text); /* for parcel i */
typedef void push_done_fn(void *arg);

/* `parcels` must live until done.  A batch's slot and map_epoch are set here. */
void router_push(struct router *r, const struct parcel *parcels, size_t n, int64_t deadline_ns, push_fn *each,
                 push_done_fn *done, void *arg);

/* Does it live in another process, as far as is known now? */
bool router_is_elsewhere(struct router *r, const struct parcel *p);

/* The shard of this process (NULL: none), to be asked directly. */
struct shard *router_local(struct router *r);

/* Is that one all there is to be asked? */
bool router_is_alone(struct router *r);

/*
 * Asks every other shard that may hold data, in parallel.  `reply` runs once for each (concurrently), then `done` once.
 * With no peers `done` runs before the return.  A shard that cannot be reached is UNAVAILABLE, named in the text.
 */
typedef void scatter_reply_fn(void *arg, const char *shard, enum code code, const char *text,
                              const ProtobufCMessage *answer);
struct scatter {
    const char                       *path;
    const ProtobufCMessage           *message;
    const ProtobufCMessageDescriptor *response;
    int64_t                           deadline_ns;
    scatter_reply_fn                 *reply;
    void (*done)(void *arg);
    void *arg;
};
void router_scatter(struct router *r, const struct scatter *s);

/*
 * The batch a peer sent us, for a->batch: slot ownership and epoch are checked, then the writer takes it and a->done
 * runs.  Not OK: a->done does not run.  FAILED_PRECONDITION: the slot is not ours by a map that is newer than the
 * sender's.
 */
must_check enum code router_accept(struct router *r, const struct batch *b, struct append *a, struct fault *why);
