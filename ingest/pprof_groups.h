/* Groups: the lists of labels that samples have, each once. */
#pragma once

#include "ingest/pprof_samples.h"

/* Group 0, without labels, and no other. */
void groups_new(struct samples *s);

/*
 * A sample's label: one more pair behind those of the groups, unless it is empty or never names a series.  Kept or not, it
 * counts in `hash`, whatever their order.  INVALID_ARGUMENT in the words of §4.2.
 */
must_check enum code group_label(struct samples *s, struct slice bytes, uint64_t *hash, struct fault *why);

/* The group of the pairs from `from` on, which are taken back where it is known. */
uint32_t group_close(struct samples *s, size_t from);
