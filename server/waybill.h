/*
 * Waybill: all that decoding a pprof depends on but its bytes, for the shard that decodes it (router/parcel.h).  Decoding is
 * pure (ingest/ingest.h): it makes the same batch there, with the same key, or the same words for what is wrong.
 */
#pragma once

#include "ingest/ingest.h"

struct waybill {
    struct ingest_source source;
    struct decode_limits limits;
    enum batch_mode      mode;
    size_t               raw_bytes; /* what the limits of its sender were applied to: it has to be true */
};

/* The message Waybill of proto/shard.proto, in `a`. */
struct slice waybill_encode(const struct waybill *w, struct arena *a);

/* Borrows `bytes`.  INVALID_ARGUMENT: it is none. */
must_check enum code waybill_decode(struct slice bytes, struct arena *a, struct waybill *out, struct fault *why);
