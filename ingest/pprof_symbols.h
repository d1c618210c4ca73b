/* Which locations a profile really has: broken ones gone.  Equal ones may be left: stacks are told apart by what they say. */
#pragma once

#include "ingest/idmap.h"
#include "ingest/pprof_raw.h"

#define NO_LOCATION IDMAP_NONE

struct symbols {
    struct idmap locations; /* a location's id -> its number in pprof.locations, or NO_LOCATION */
    bool        *exists;    /* [n_locations] */

    /* [n_locations]: before the mapping's functions made them worthless.  NULL without has_brackets. */
    uint64_t *sent_addresses;
};

/*
 * Resolves ids in place: lines get function indexes for function ids, locations get their mappings; mappings with functions
 * lose their addresses and so do their locations that have lines.  Lines of broken locations go.
 */
void symbols_resolve(struct pprof *p, struct symbols *out);

/*
 * The same for repairs that guess by neighbours: locations that only their address told apart are still two, and unless
 * type parameters were dropped every location stands for itself.
 */
struct symbols_sent {
    struct idmap locations;
    uint64_t    *order; /* [n_locations]: the id by which stacks are put in order */
};
struct symbols_sent symbols_as_sent(const struct pprof *p, const struct symbols *symbols);
