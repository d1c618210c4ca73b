/*
 * Codec: questions and partials as the messages of hearth.shard.v1, between the node that asks and the shards that answer.
 *
 * D1  Nothing is lost: what partial_decode merges equals what partial_encode was given.
 * D2  Peers are checked like anybody else: lengths that do not fit each other, an unknown kind or a malformed tree are
 *     INVALID_ARGUMENT, and nothing is read beyond the message.
 */
#pragma once

#include "proto/shard.pb-c.h"
#include "query/query.h"

/* In `a`; borrows what `q` points to. */
Hearth__Shard__V1__QueryRequest *question_encode(const struct question *q, struct arena *a);

/* The slices borrow `m`; arrays are in `a`. */
must_check enum code question_decode(const Hearth__Shard__V1__QueryRequest *m, struct arena *a, struct question *out,
                                     struct fault *why);

/* In `a`; borrows `p`, which must stay as it is until the message has been encoded. */
Hearth__Shard__V1__QueryResponse *partial_encode(struct partial *p, struct arena *a);

/* Merged into `into`, whose kind says which fields count; a tree's bytes also by themselves. */
must_check enum code partial_decode(const Hearth__Shard__V1__QueryResponse *m, struct partial *into, struct fault *why);
must_check enum code partial_decode_tree(struct slice bytes, bool is_clamped, struct partial *into, struct fault *why);
