/*
 * Publish: the order in which a batch becomes visible, written once.
 *
 *     writer   symbols -> stacks -> series -> postings -> rows -> points -> the batch (one word)
 *     reader   the word -> points -> rows -> postings, series -> stacks -> symbols
 *
 * P1  Each step stores with release after everything it points to: whoever can see a thing can see all below it.
 * P2  The word is the number of whole batches, bucket.n_batches.  A reader loads it once (acquire) and passes over points
 *     of later batches, so it sees every profile whole, in all its parts and types, or not at all.
 * P3  What a reader can see before the word says so (a series without points, a stack that no row has) is whole, harmless
 *     and shown to nobody: every answer starts from a point that the word covers.
 * P4  A writer that stops between two steps, for ever, stops no reader.
 */
#pragma once

enum publish_step {
    PUBLISHED_NOTHING,
    PUBLISHED_SYMBOLS,
    PUBLISHED_STACKS,
    PUBLISHED_SERIES,
    PUBLISHED_POSTINGS,
    PUBLISHED_ROWS,
    PUBLISHED_POINTS,
    PUBLISHED_BATCH,
};

/* A test that defines this is called by the writer after each step; nobody else defines it, and it is not called. */
__attribute__((weak)) void publish_parked(enum publish_step step);

static inline void publish_step(enum publish_step step)
{
    if (publish_parked != 0)
        publish_parked(step);
}
