/*
 * Labels: what a series is called.  A set of name=value pairs sorted bytewise by name, each name once; an empty value is
 * the same as no label.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

struct label {
    struct slice name, value;
};

struct labels {
    const struct label *at;
    size_t              n;
};

void         labels_sort(struct label *at, size_t n); /* by name, then value; keeps the order of equal pairs */
bool         labels_are_sorted(struct labels l);      /* strictly: no name twice */
struct slice labels_get(struct labels l, struct slice name); /* empty when absent */
int          labels_cmp(struct labels a, struct labels b);   /* pair by pair, shorter prefix first */
uint64_t     labels_hash(struct labels l);                   /* of length-prefixed pairs, seed 0: the same on every node */
void         labels_print(struct buf *out, struct labels l); /* {a="b", c="d"} */

/* One byte string per set and back, for keys and for the wire: u32 length + bytes, name and value in turn. */
void labels_encode(struct buf *out, struct labels l);
bool labels_decode(struct slice bytes, struct arena *a, struct labels *out); /* false: malformed; slices borrow `bytes` */

/*
 * The same in the order of labels_cmp, for sets of sets that become answers: name and value in turn as C strings, so without
 * what follows a NUL.
 */
void labels_join(struct buf *out, struct labels l);
bool labels_split(struct slice bytes, struct arena *a, struct labels *out); /* false: malformed; slices borrow `bytes` */
