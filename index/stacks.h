/*
 * Stacks: the distinct call stacks of one service in one bucket, over two trees kept while profiles come in.
 *
 *     stack 5 --+--> location node 17 --> 12 --> 3 --> 0     what was sampled: exact, for pprof
 *               +--> function node  9 -->  8 --> 3 --> 0     what a flame graph shows: one node per function name
 *
 * T1  A stack is a distinct list of locations; its index is dense, by first appearance, and what rows hold.
 * T2  Its nodes are there before the stack is: a reader who has a stack finds both paths whole.
 * T3  Inlined lines are nodes of their own in the function tree (the last line of a location is the outermost), so no
 *     query ever looks at locations, lines or functions to build a flame graph.
 * T4  A stack is found by its hash (model/stack_hash.h), or, when it came by its leaf, by that node: so a log costs what is
 *     in it, whatever the depth of its stacks.  Who then adds it by its locations walks down to that node once.
 * T5  What a log has is first taken as it is, location nodes and leaves of stacks, and lies there unmade: without function
 *     nodes, found by nobody.  All that follows from it is then made in one go.
 */
#pragma once

#include "base/arena.h"
#include "index/paths.h"
#include "index/stack_ids.h"
#include "index/symtab.h"

struct stack {
    uint32_t location, function; /* nodes */
};

struct stacks {
    struct paths     locations;   /* key: a location */
    struct paths     functions;   /* key: a string */
    struct vec       function_of; /* uint32_t: the function node of each location node */
    struct vec       all;         /* struct stack */
    struct stack_ids ids;

    uint32_t *by_leaf; /* of the first location nodes: the stack + 1 that ends there, or 0; of what came with a log */
    uint32_t  n_by_leaf;

    struct {
        uint32_t stacks, frames;
    } unmade; /* T5; and the nodes that function_of does not have yet */
};

void stacks_init(struct stacks *k, struct slab *s);
void stacks_free(struct stacks *k, struct slab *s);

#define STACK_UNKNOWN UINT32_MAX

/* The indexes of stacks with these hashes go to ids[0, n); how many are STACK_UNKNOWN. */
uint32_t stacks_find(const struct stacks *k, const struct hash128 *hashes, uint32_t n, uint32_t *ids);

/* Stacks as a batch has them, leaf first; the empty one is the root of both trees. */
struct stack_list {
    const struct hash128 *hashes;
    const uint32_t       *locations;
    const uint32_t       *ends; /* stack i is locations[ends[i-1], ends[i]) */
    const uint32_t       *of;   /* what a location is in this symtab, asked for only where a stack is not known */
    uint32_t              n;
};

/* Adds those that are unknown in ids[0, n), as stacks_find left it; then none is. */
void stacks_add(struct stacks *k, struct slab *s, const struct symtab *t, const struct stack_list *list, uint32_t *ids);

/* The child of location node `parent`, made with its function nodes when it is not there. */
uint32_t stacks_node(struct stacks *k, struct slab *s, const struct symtab *t, uint32_t parent, uint32_t location);

/* What was added to stacks like these (T5): nodes, parents first, which add `frames` function nodes; stacks without those. */
struct stacks_log {
    const struct path  *nodes;
    const struct stack *stacks;
    uint32_t            n_nodes, n_stacks, frames;
};
void stacks_take(struct stacks *k, struct slab *s, const struct stacks_log *log);

/* False: a node or stack is there twice, or function nodes are not so many: to be let go. */
bool stacks_make(struct stacks *k, struct slab *s, const struct symtab *t, struct arena *scratch);

/* Most bytes asked for by `stacks` new stacks of `nodes` new locations on them, which show `frames` names. */
size_t stacks_cost(const struct stacks *k, size_t stacks, size_t nodes, size_t frames);

/* Of taking so many nodes and frames more, and of stacks_make then. */
size_t stacks_make_cost(const struct stacks *k, size_t nodes, size_t frames);
