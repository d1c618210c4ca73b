/*
 * Naming: what the locations of buckets are called in one tree (model/location.h), each made once for all of them.
 *
 *     a bucket's location --> key: its numbers and those of its texts here --> place --> name
 *
 * N1  Equal locations have equal keys whatever their bucket, for texts are numbered by what they say.
 * N2  The tree has no names but its root's and these: the place's number, the root's 0 before it, is the name's.
 *
 * Locations are many and their strings long, most are in every bucket, and a key is a tenth of its string.  One thread.
 */
#pragma once

#include "index/symtab.h"
#include "model/tree.h"

struct naming;

struct naming *naming_new(struct tree *t, size_t bytes_max); /* of names */
void           naming_free(struct naming *n);
struct tree   *naming_tree(const struct naming *n);

/* From now on strings are those of another table. */
void naming_turn(struct naming *n, const struct symtab *t);

/* The name of a location of that table.  RESOURCE_EXHAUSTED: there would be more than bytes_max; it then takes no more. */
must_check enum code naming_of(struct naming *n, uint32_t location, uint32_t *name, struct fault *why);
