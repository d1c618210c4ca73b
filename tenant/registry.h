/*
 * Registry: what this process remembers of each tenant that wrote to it.
 *
 *     hash(id) --> table of atomic pointers, probed linearly --> struct tenant
 *
 * G1  A tenant, once in, stays for the life of the registry; a pointer to one never dies before it.
 * G2  Lock-free, any thread: finding is loads, adding is one compare-and-swap on an empty place.
 * G3  Bounded: clients choose ids, so after TENANTS_TRACKED of them newcomers share one tenant, and with it one rate.
 */
#pragma once

#include "base/slice.h"
#include "tenant/rate.h"

enum { TENANTS_TRACKED = 16384 };

struct tenant {
    struct slice id; /* empty for the shared one */
    struct rate  rate;
};

struct registry;

struct registry *registry_new(void);
void             registry_free(struct registry *r);
struct tenant   *registry_get(struct registry *r, struct slice id); /* never NULL */
