/*
 * Points: sums and counts by (group, slot), in any order of arrival.  Inside query/ only.
 *
 *     group {env="prod"} --> slot -> { sum, count }      open addressing, at most half full; sorted once, at the end
 *
 * Only slots that got a point exist: the cost is that of the points, never that of the range divided by the step.
 */
#pragma once

#include "query/query.h"

struct points;
struct points_group;

struct points *points_new(struct arena *a); /* the groups and their labels are in `a` */
void           points_free(struct points *p);

/* The group of this tuple, made when missing; stays where it is. */
struct points_group *points_group(struct points *p, struct labels labels);

/* count > 0; sums saturate at INT64_MAX. */
void points_add(struct points_group *g, int64_t slot, int64_t sum, int64_t count);

size_t points_n(const struct points *p); /* slots of all groups */

void points_merge(struct points *into, const struct points *from);

/* Sorted by labels, then slots; in `a`. */
const struct partial_series *points_sorted(const struct points *p, struct arena *a, size_t *n);
