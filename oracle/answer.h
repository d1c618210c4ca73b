/*
 * Answers of querier.v1, read from their protobuf bytes into tallies.
 *
 * A server that is tested may say anything: an answer that contradicts itself (a box outside its parent, a total that is
 * not the sum of its parts) is DATA_LOSS, one that cannot be read INTERNAL.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"
#include "oracle/tally.h"

/* SelectMergeStacktracesResponse: each path's own value.  The graph must be whole: what was cut would be missing. */
must_check enum code answer_flame(struct slice bytes, struct arena *a, struct tally *out, struct fault *why);

/* SelectSeriesResponse: each point under answer_point_key of its only label. */
must_check enum code answer_points(struct slice bytes, struct tally *out, struct fault *why);
uint64_t             answer_point_key(struct slice label, int64_t time_ms);

/* LabelValuesResponse. */
must_check enum code answer_values(struct slice bytes, struct tally *out, struct fault *why);

/* ProfileTypesResponse: the ids. */
must_check enum code answer_types(struct slice bytes, struct tally *out, struct fault *why);

/* SeriesResponse: each label set under the sum of its labels' keys, so that their order does not matter. */
must_check enum code answer_label_sets(struct slice bytes, struct tally *out, struct fault *why);
uint64_t             answer_label_key(struct slice name, struct slice value);
