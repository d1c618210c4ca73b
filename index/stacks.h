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
 */
#pragma once

#include "index/paths.h"
#include "index/symtab.h"
#include "index/table.h"

struct stack {
    uint32_t location, function; /* nodes */
};

struct stacks {
    struct paths locations;   /* key: a location */
    struct paths functions;   /* key: a string */
    struct vec   function_of; /* uint32_t: the function node of each location node */
    struct vec   all;         /* struct stack */
    struct table ids;
};

void stacks_init(struct stacks *k, struct slab *s);
void stacks_free(struct stacks *k, struct slab *s);

/*
 * The stack that was added before, node by node from the root: neighbours in a profile share much of their path, which is
 * then neither walked nor verified again.  Starts as { nodes, 0, NULL } with nodes[0] = 0 and room for the deepest stack
 * and one; the locations of a stack stay where they are until the next one is added.
 */
struct stack_trail {
    uint32_t       *nodes; /* nodes[d]: the location node at depth d */
    uint32_t        n;
    const uint32_t *locations;
};

/* The index of the stack of `n` locations, leaf first; the empty stack is the root of both trees. */
uint32_t stacks_add(struct stacks *k, struct slab *s, const struct symtab *t, struct stack_trail *trail,
                    const uint32_t *locations, uint32_t n);

/* Most bytes asked for by `stacks` new stacks of `nodes` new locations on them, which show `frames` names. */
size_t stacks_cost(const struct stacks *k, size_t stacks, size_t nodes, size_t frames);
