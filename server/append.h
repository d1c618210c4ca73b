/*
 * Append: the parcels of one AppendRequest (proto/shard.proto) on their way into this process's shard.
 *
 *     parcel --a batch, or decoded by its waybill--> batch --router_accept--> writer --> a result each; all together: the answer
 *
 * E1  Each parcel has its own outcome, in order; a bad one does not hinder the others.
 * E2  What pprofs are decoded into is taken from the server's budget for requests and given back with the answer.
 */
#pragma once

#include "rpc/call.h"

/* The call's message, read where it lies; answers the call.  Its shard is the one that is meant, and loaded. */
void append_parcels(struct call *c);

/* For rpc/server.h: small enough for the loop. */
bool append_is_quick(struct call *c, const ProtobufCMessage *none);
