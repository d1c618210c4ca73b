/*
 * Outq: bytes on their way out, in pieces.
 *
 *     first -> [ small writes, gathered ] -> [ a big one, given ] -> [ gathered ] <- last
 *
 * Small writes are copied behind each other; big ones are linked in as they are.  What was given may be in pieces of two
 * queues, both of the same thread; the last to leave frees it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/slice.h"

struct outq_piece;

struct outq {
    struct outq_piece *first, *last;
    struct outq_piece *spare;       /* an emptied gathering piece, kept for the next write */
    size_t             n;           /* bytes in the queue */
    size_t             piece_bytes; /* size of a gathering piece; 0: a small default */
};

void outq_copy(struct outq *q, const void *bytes, size_t n);

/* `bytes` is freed with free() when it has left. */
void outq_give(struct outq *q, void *bytes, size_t n);

/* All of `from` goes behind `to`; `from` is empty afterwards. */
void outq_move(struct outq *to, struct outq *from);

/* The first `n` bytes of `from` (which has them) go behind `to`: few are copied, many of what was given are shared with the rest. */
void outq_move_n(struct outq *to, struct outq *from, size_t n);

/* Where the first bytes are, at most `max` vectors; returns how many. */
int outq_view(const struct outq *q, struct iovec *out, int max);

/* The first `n` bytes have left. */
void outq_drop(struct outq *q, size_t n);

void outq_trim(struct outq *q); /* gives back what was kept for the next write */
void outq_free(struct outq *q); /* empty and reusable afterwards */
