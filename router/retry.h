/*
 * Retry: what has to be done a little later.  One thread that sleeps until the first of them is due.
 */
#pragma once

#include <stdint.h>

struct retry;

/* Embedded in whatever waits; it belongs to `retry` until `run` is called, on its thread. */
struct later {
    int64_t at_ns; /* monotonic */
    void (*run)(struct later *l);
    struct later *next;
};

struct retry *retry_start(void);
void          retry_stop(struct retry *r);                 /* runs what is still waiting, at once */
void          retry_add(struct retry *r, struct later *l); /* any thread */
