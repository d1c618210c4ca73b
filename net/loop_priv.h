/* What the rest of the room asks of a loop.  Loop thread only. */
#pragma once

#include <stdint.h>

#include "base/slice.h"
#include "net/loop.h"

enum { LOOP_SCRATCH_BYTES = 64 << 10, LOOP_SEALED_BYTES = 64 << 10 };

/* Something to be done once at the end of the present turn, just before the loop sleeps. */
struct turn {
    void (*run)(struct turn *t);
    struct turn *next, **link; /* link == NULL: not queued */
};

void loop_at_turn_end(struct loop *l, struct turn *t); /* again: nothing */
void turn_forget(struct turn *t);

char        *loop_scratch(struct loop *l); /* LOOP_SCRATCH_BYTES, anybody's between two callbacks */
char        *loop_sealed(struct loop *l);  /* LOOP_SEALED_BYTES, what TLS reads from while `scratch` has what it read */
int64_t      loop_now_ms(struct loop *l);  /* monotonic, as of the beginning of the turn */
struct slice loop_date(struct loop *l);    /* "Fri, 20 Nov 2026 23:00:00 GMT" */
