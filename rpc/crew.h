/*
 * Crew: the workers of a lane, a bounded queue and the threads that work it off.
 */
#pragma once

#include <stdbool.h>

struct crew;

struct job { /* embedded in whatever is to be done */
    void (*run)(struct job *j);
};

struct crew *crew_new(const char *name, unsigned threads);
void         crew_free(struct crew *c); /* does what is queued, then joins; NULL is fine */

/* Any thread.  False: full; the job stays the caller's. */
bool crew_push(struct crew *c, struct job *j);
