/* Inside the room: a push and its carts. */
#pragma once

#include "router/router_priv.h"

#define PUSH_HOLD_NS (8 * NS_PER_S) /* for a shard that is away */

struct item {
    struct append append; /* while it goes to the shard of this process */
    struct push  *push;
    size_t        i;
    size_t        bytes, held; /* encoded; of that, what counts as held */
    uint16_t      slot;
};

struct push {
    struct router       *router;
    const struct parcel *parcels;
    int64_t              began_ns;
    int64_t              until_ns; /* nothing is sent or held beyond it */
    push_fn             *each;
    push_done_fn        *done;
    void                *arg;
    _Atomic size_t       open; /* parcels not yet answered, and one while placing */
    struct item          items[];
};

/* Parcels of one push that go to one shard together. */
struct cart {
    struct later       later;
    struct push       *push;
    struct shard_map  *map;
    uint16_t           shard;
    bool               is_unknown; /* the shard may have them: nobody else may get them */
    struct peer_fields fields;
    size_t             n;
    size_t             at[]; /* which */
};

/* Each parcel once, and for good; the last one may end the push. */
void push_answer(struct push *p, size_t i, enum code code, const char *text);

/* Sends each of the parcels at[0, n) to its owner by the map of this moment. */
void push_place(struct push *p, const size_t *at, size_t n);

/* An empty one, with room for so many. */
struct cart *cart_new(struct push *p, struct shard_map *m, uint16_t shard, size_t room);
void         cart_free(struct cart *c);

/* The same for all of its parcels; the cart is gone, and maybe its push. */
__attribute__((format(printf, 3, 4))) void cart_answer(struct cart *c, enum code code, const char *format, ...);

/* To the shard of another process, which it belongs to until all are answered or placed again. */
void cart_send(struct cart *c);
