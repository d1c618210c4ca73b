/*
 * Parcel: one profile on its way to the shard that keeps it, in one of two forms:
 *
 *     batch               decoded already, where it came in
 *     pprof + waybill     as it came, and all that decoding it depends on: its shard decodes it (decision 095)
 *
 * On the wire it is the message Parcel of proto/shard.proto.
 */
#pragma once

#include "base/buf.h"
#include "model/batch.h"
#include "model/labels.h"

/* Whatever it points to is borrowed. */
struct parcel {
    struct slice  tenant, service;
    struct labels labels; /* before the split by sample labels: the three say where it lives */
    struct batch *batch;  /* NULL: it goes as it came */
    struct slice  pprof, waybill;
};

/* As field `number` of a message; `slot` is for one that goes as it came, a batch has its own.  How many bytes it is. */
size_t parcel_put(struct buf *out, uint32_t number, const struct parcel *p, uint16_t slot);

/* What was put: slices of the message's bytes.  Without a batch (batch.p NULL) there are the others. */
struct parcel_view {
    struct slice batch, pprof, waybill;
    uint32_t     slot;
};

/* INVALID_ARGUMENT: not a Parcel, or one of both forms or of none. */
must_check enum code parcel_read(struct slice message, struct parcel_view *out, struct fault *why);
