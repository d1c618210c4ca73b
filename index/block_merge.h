/*
 * Merge: sealed buckets of one tenant become one live bucket, which is sealed like any other.
 *
 *     blocks of a window --block_merge--> a live bucket over all their spans --block_write--> one block
 *
 * M1  Whatever is asked of it is answered as by all of them together: points, rows, labels and symbols are the same, only
 *     their numbers are not.
 * M2  The same buckets in the same order make the same bucket.
 * M3  What a block says has been checked when it was opened (index/block.h, K1); a forged one may cost memory in proportion to its
 *     bytes, and is refused where sums or numbers would not fit.
 *
 * Symbols that several of them have are there once, and are unpacked once for a question over all of them.
 */
#pragma once

#include "index/bucket.h"

/*
 * `from` are n sealed buckets, n > 0; they are only read.  *out is seen and will not be appended to; its bytes are on the meter.
 * RESOURCE_EXHAUSTED: they do not fit into one bucket.
 */
must_check enum code block_merge(struct bucket *const *from, size_t n, _Atomic size_t *meter, struct bucket **out,
                                 struct fault *why);
