/*
 * Queue: ownership of pointers moves from any thread to any thread; the first of the two ways a pointer may cross.
 *
 * A bounded ring (ck_ring, many producers, many consumers), and a semaphore that sleeping consumers wait on: neither side
 * takes a lock, and a push makes a system call only when somebody sleeps whom nobody has woken yet.  A full queue refuses:
 * its owner answers resource_exhausted at once instead of growing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* `slots`: a power of two, at least 4; slots - 1 items fit. */
struct queue *queue_new(unsigned slots);
void          queue_free(struct queue *q); /* empty, nobody waiting */

/* False when full: the item stays the caller's. */
bool queue_push(struct queue *q, void *item);

/* The oldest item; NULL when there is none within `wait_ns` (0: at once, -1: wait for ever). */
void *queue_pop(struct queue *q, int64_t wait_ns);
