/*
 * Stack pack: the stacks of a batch without what each has in common with the one before.
 *
 *     stacks, leaf first        shared   own
 *     write  copy  main         0        write copy main
 *     read  copy  main          2        read
 *     main                      1
 *
 * So many locations, counted from the root, are those of the stack before: 255 at most, for it is a byte.
 */
#pragma once

#include "model/batch.h"

struct stack_pack {
    uint8_t  *shared; /* [n_stacks] */
    uint32_t *own;    /* [n_own] locations, stack by stack */
    uint32_t  n_own;
};

struct stack_pack stack_pack_make(const struct batch *b);
void              stack_pack_fini(struct stack_pack *p);

/*
 * b->stack_locations, in `a`: at most 512 MiB.  There is a number shared for each stack, and where each ends is known but not
 * yet looked at.  INVALID_ARGUMENT: these do not fit each other.
 */
must_check enum code stack_unpack(const uint8_t *shared, const uint32_t *own, uint32_t n_own, struct arena *a,
                                  struct batch *b, struct fault *why);
