/* String set: distinct byte strings, copied into an arena.  One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct strset;

struct strset *strset_new(struct arena *a); /* dies with the arena */

/* The id of `s` (dense, by first appearance), added when new. */
uint32_t     strset_add(struct strset *set, struct slice s);
uint32_t     strset_add_guess(struct strset *set, struct slice s, uint32_t id); /* the same; is it this one, most likely? */
void         strset_add_all(struct strset *set, const struct slice *at, size_t n); /* for many: waits less for memory */
bool         strset_find(const struct strset *set, struct slice s, uint32_t *id);
uint32_t     strset_n(const struct strset *set);
struct slice strset_at(const struct strset *set, uint32_t id);
const struct slice *strset_all(const struct strset *set); /* by id */

/* All of them sorted bytewise, in the set's arena. */
const struct slice *strset_sorted(struct strset *set);
