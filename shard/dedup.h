/*
 * Dedup: the keys of the profiles that were taken in, so that one that is sent again counts once.
 *
 *     generations: [ being filled | the half hour before | and the one before that ]     17 bytes a place, at most 7/8 full
 *
 * X1  A key is known for an hour at least after it was added, by the times given; not for so long only when the limit
 *     lets too few stay: then the oldest generation goes early, and the window that is left says so.
 * X2  A key of zeros is none: never known.
 * X3  One thread, the shard's writer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

#define DEDUP_NS ((int64_t)3600 * 1000000000) /* X1 */

struct dedup;

/* `seed`: any number that senders do not know, so that they cannot choose keys which collide. */
struct dedup *dedup_new(size_t limit_bytes, uint64_t seed);
void          dedup_free(struct dedup *d);

bool   dedup_has(const struct dedup *d, struct hash128 key);
void   dedup_warm(const struct dedup *d, struct hash128 key);          /* it will be asked for soon: memory is */
void   dedup_add(struct dedup *d, struct hash128 key, int64_t now_ns); /* not one that is known */
void   dedup_forget(struct dedup *d, struct hash128 key);              /* it may be sent again after all */
size_t dedup_bytes(const struct dedup *d);
size_t dedup_n(const struct dedup *d);

/* The time since which no key has been forgotten; INT64_MIN: none ever was. */
int64_t dedup_since_ns(const struct dedup *d);
