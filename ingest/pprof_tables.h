/*
 * Pprof tables: messages become rows.  Room grows as they come, for nobody says beforehand how many there are.  False: one is
 * broken.
 */
#pragma once

#include "ingest/pprof_raw.h"
#include "wire/pb.h"

struct batch_type *type_new(struct pprof *p);
must_check bool    type_read(struct slice bytes, struct batch_type *t);
must_check bool    mapping_read(struct pprof *p, struct slice bytes);

/* `first`, and what follows it at `c`. */
must_check bool functions_read(struct pprof *p, struct pb_cursor *c, struct slice first);
must_check bool locations_read(struct pprof *p, struct pb_cursor *c, struct slice first);
